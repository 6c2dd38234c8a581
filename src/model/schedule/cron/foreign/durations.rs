//! Lengths of time as people write them: `5m`, `1 hour and 30 minutes`, `PT5M`. They are a fixed
//! rate.

use super::shown;
use crate::model::job_request::SECONDS_MAX;
use crate::model::schedule::cron::column::Column;

/// Units by their spellings, in seconds.
const UNITS: [(&[&str], f64); 7] = [
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
    (&["ms"], 1e-3),
    (&["us", "µs"], 1e-6),
];

/// Behind the refusal of a step that is longer than its column: `*/90`.
pub(in super::super) fn interval_of_steps(step: u32, column: &Column) -> Option<String> {
    let (_, seconds) = UNITS
        .iter()
        .find(|(names, _)| names.contains(&column.unit))?;
    let seconds = whole(f64::from(step) * seconds)?;
    Some(format!(
        "; every {step} {} is scheduleType FIXED_RATE with intervalSeconds {seconds}, without an expression",
        column.unit
    ))
}

/// `@every 5m`, `@every_5_minutes`, `every 5 minutes`, `5m`, `R/PT5M`.
pub(super) fn interval(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if let Some(length) = lower.strip_prefix("@every") {
        return Some(rate(text, length.split('/').next().unwrap_or(length)));
    }
    let length = lower.strip_prefix("every ").unwrap_or(&lower);
    let length = if length.starts_with('r') {
        length.rsplit('/').next().unwrap_or(length)
    } else {
        length
    };
    seconds(&plain(length).join(" ")).map(|seconds| answer(text, Some(seconds)))
}

/// The answer to a text with a length in it; behind the length a command may stand.
pub(super) fn rate(text: &str, length: &str) -> String {
    let words = plain(length);
    answer(
        text,
        (1..=words.len())
            .rev()
            .find_map(|count| seconds(&words[..count].join(" "))),
    )
}

fn answer(text: &str, seconds: Option<i64>) -> String {
    let seconds = seconds.map_or_else(
        || format!(", a whole number of seconds from 1 to {SECONDS_MAX}"),
        |seconds| format!(" {seconds}"),
    );
    format!(
        "`{}` is not a cron expression: use scheduleType FIXED_RATE with intervalSeconds{seconds}",
        shown(text)
    )
}

/// The words of a length, without what joins them.
fn plain(length: &str) -> Vec<String> {
    let words = length.to_lowercase().replace(['_', ','], " ");
    words
        .split_whitespace()
        .filter(|word| *word != "and")
        .map(str::to_owned)
        .collect()
}

/// The whole seconds of `1h30m`, `5 minutes`, `minute`, `p1dt12h`.
fn seconds(length: &str) -> Option<i64> {
    let length = match length
        .strip_prefix('p')
        .map(|iso| iso.split_once('t').unwrap_or((iso, "")))
    {
        // A month before the `t` has no length.
        Some((date, time)) if !date.contains('m') => format!("{date}{time}"),
        Some(_) => return None,
        None => length.to_owned(),
    };
    let bare = length.starts_with(char::is_alphabetic);
    let length = if bare { format!("1{length}") } else { length };
    let (mut rest, mut total) = (length.as_str(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let end = behind
            .find(|char: char| !char.is_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, seconds) = UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit) && (!bare || unit.len() > 2))?;
        total += number.parse::<f64>().ok()? * seconds;
        rest = behind.trim_start();
    }
    whole(total)
}

/// A length that `intervalSeconds` can have.
fn whole(seconds: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the bounds of an interval"
    )]
    let whole = seconds.round() as i64;
    #[expect(
        clippy::cast_precision_loss,
        reason = "within the bounds of an interval"
    )]
    let is_exact = (whole as f64 - seconds).abs() < 1e-6;
    ((1..=SECONDS_MAX).contains(&whole) && is_exact).then_some(whole)
}
