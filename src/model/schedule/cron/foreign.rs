//! What other schedulers take as a schedule and a cron expression cannot be:
//! the answer names the field or the spelling that says the same here.
//!
//! Only expressions that were refused come here, so nothing in this file decides
//! what is a cron expression.

use super::CronError;
use super::column::Column;
use super::expression::Expression;
use super::field::Token;
use crate::model::job_request::SECONDS_MAX;

/// Pasted around an expression from code, from YAML or from a page.
const QUOTES: [char; 12] = ['"', '\'', '`', '\\', '“', '”', '„', '‘', '’', '‚', '«', '»'];
/// Nicknames of others that have an expression.
const NICKNAMES: [(&str, &str); 4] = [
    ("@minutely", "* * * * *"),
    ("@every_minute", "* * * * *"),
    ("@secondly", "* * * * * ?"),
    ("@every_second", "* * * * * ?"),
];
/// Units of a duration by their spellings, in seconds.
const UNITS: [(&[&str], f64); 7] = [
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
    (&["ms"], 1e-3),
    (&["us", "µs"], 1e-6),
];

/// The refusal of an expression, in words that lead on when another scheduler would take it.
pub(super) fn explain(typed: &str, error: CronError) -> CronError {
    let text = typed.trim();
    let found = quoted(text).or_else(|| zoned(text)).or_else(|| nickname(text)).or_else(|| interval(text));
    let found = found.or_else(|| call(text)).or_else(|| with_year(text)).or_else(|| random(text));
    if let Some(answer) = found {
        return CronError(answer);
    }
    match crontab_line(text) {
        Some(answer) => CronError(format!("{answer} ({error})")),
        None => error,
    }
}

/// ` (…)` behind the refusal of a step that is longer than its column: `*/90`.
pub(super) fn interval_of_steps(step: u32, column: &Column) -> Option<String> {
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&column.unit))?;
    let seconds = whole(f64::from(step) * seconds)?;
    Some(format!(
        "; every {step} {} is scheduleType FIXED_RATE with intervalSeconds {seconds}, without an expression",
        column.unit
    ))
}

fn parses(expression: &str) -> bool {
    Expression::parse(expression, None).is_ok()
}

fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}

/// `"0 5 * * *"`.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim_matches(QUOTES).trim();
    (inner.len() < text.len() && !inner.is_empty())
        .then(|| format!("the quotes around it do not belong to an expression: write `{}`", shown(inner)))
}

/// `TZ=Europe/Berlin 0 9 * * *`.
fn zoned(text: &str) -> Option<String> {
    let (name, rest) = text.split_once('=')?;
    if !["TZ", "CRON_TZ"].iter().any(|known| known.eq_ignore_ascii_case(name.trim())) {
        return None;
    }
    let (zone, expression) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (zone, expression) = (shown(zone.trim_matches(QUOTES)), shown(expression.trim()));
    Some(format!(
        "the time zone does not belong to the expression: write the expression alone, `{expression}`, and `{zone}` in \
         timeZone (horolog preview: --zone)"
    ))
}

/// `@every 5m` and other nicknames.
fn nickname(text: &str) -> Option<String> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (name, rest) = (name.to_ascii_lowercase(), rest.trim());
    if let Some((_, expression)) = NICKNAMES.iter().find(|(known, _)| *known == name) {
        return Some(format!("`{name}` is not a known nickname: write `{expression}`"));
    }
    match name.as_str() {
        "@every" => Some(rate(text, rest.split('/').next().unwrap_or(rest))),
        "@at" => Some(once(text)),
        "@reboot" | "@startup" => Some(format!(
            "`{name}` names no time, and a cluster has no start of its own: let the start of the machine or of the \
             program call runJobNow"
        )),
        "@manually" | "@never" => {
            Some(format!("`{name}` names no time: a job that runs on demand alone is paused and run by runJobNow"))
        }
        _ if name.starts_with('@') && !rest.is_empty() && parses(&name) => Some(format!(
            "`{name}` stands alone: what follows it, such as the command of a crontab line, does not belong to the \
             expression but into target"
        )),
        _ => None,
    }
}

/// `every 5 minutes`, `5m`.
fn interval(text: &str) -> Option<String> {
    let length = text.strip_prefix("every ").unwrap_or(text);
    seconds(length).map(|_| rate(text, length))
}

/// `rate(5 minutes)`, `at(2027-01-01T09:00:00)`, `cron(0 9 * * ? *)`.
fn call(text: &str) -> Option<String> {
    let (name, rest) = text.split_once('(')?;
    let inner = rest.trim_end().strip_suffix(')').unwrap_or(rest).trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "rate" => Some(rate(text, inner)),
        "at" => Some(once(text)),
        "cron" => Some(with_year(inner).unwrap_or_else(|| {
            let inner = shown(inner);
            format!("`cron(…)` around it does not belong to an expression: write what stands between the brackets, `{inner}`")
        })),
        _ => None,
    }
}

/// `0 9 * * ? *`: EventBridge has no seconds and ends with the year.
fn with_year(text: &str) -> Option<String> {
    let with_seconds = format!("0 {text}");
    let is_six = text.split_whitespace().count() == 6;
    (is_six && !parses(text) && parses(&with_seconds)).then(|| {
        format!(
            "minutes first and a year last is the order of EventBridge; six fields begin with seconds here: write `{}`",
            shown(&with_seconds)
        )
    })
}

/// `0~30 5 * * *`: a random number of OpenBSD, cronie and Dkron.
fn random(text: &str) -> Option<String> {
    let field = text.split_whitespace().take(7).find(|field| field.contains('~') && !field.contains('/'))?;
    let hash = match field.split_once('~') {
        Some((first, last)) if !first.is_empty() && !last.is_empty() => format!("H({first}-{last})"),
        _ => "H".to_owned(),
    };
    Some(format!(
        "`{}` is written `{}` here: a number of the job's own that does not change",
        shown(field),
        shown(&hash)
    ))
}

/// `0 5 * * * /usr/bin/backup`, `0 5 * * * # every day`.
fn crontab_line(text: &str) -> Option<String> {
    let words: Vec<_> = Token { text, position: 1 }.words().map(|word| word.text).collect();
    let longest = (5..=7.min(words.len().saturating_sub(1))).rev();
    let expression = longest.map(|count| (words[count], words[..count].join(" ")));
    let (next, expression) = expression.into_iter().find(|(_, expression)| parses(expression))?;
    if next.starts_with('#') {
        return Some(format!("a comment does not belong to an expression: write `{}`", shown(&expression)));
    }
    // Seconds and `?` are never in a crontab: there the rest is a mistake in an expression.
    let is_word = next.chars().any(|char| !char.is_ascii_digit() && !"*,-/?#+()HLW".contains(char));
    (is_word && !expression.contains('?')).then(|| {
        format!(
            "in a line of a crontab the expression is `{}`: the command does not belong to it but into target",
            shown(&expression)
        )
    })
}

fn rate(text: &str, length: &str) -> String {
    let seconds = seconds(length).map_or_else(|| "the seconds between".to_owned(), |seconds| seconds.to_string());
    format!("`{}` is not a cron expression: use scheduleType FIXED_RATE with intervalSeconds {seconds}", shown(text))
}

fn once(text: &str) -> String {
    format!("`{}` is not a cron expression: use scheduleType ONCE with startAt", shown(text))
}

/// The whole seconds of `1h30m`, `5 minutes`, `PT5M`.
fn seconds(length: &str) -> Option<i64> {
    let lower = length.trim().to_ascii_lowercase();
    let mut rest = lower.strip_prefix("pt").unwrap_or(&lower);
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let end = behind.find(|char: char| !char.is_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        total += number.parse::<f64>().ok()? * seconds;
        rest = behind.trim_start();
    }
    whole(total)
}

/// A length that `intervalSeconds` can have.
fn whole(seconds: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds of an interval")]
    let whole = seconds.round() as i64;
    #[expect(clippy::cast_precision_loss, reason = "within the bounds of an interval")]
    let is_exact = (whole as f64 - seconds).abs() < 1e-6;
    ((1..=SECONDS_MAX).contains(&whole) && is_exact).then_some(whole)
}
