//! Text around an expression, and other letters in it: one layer at a time.

use super::parses;
use crate::cron::column::{
    Column, DAY_OF_MONTH, DAYS, HOURS, MINUTES, MONTH, QUARTZ_DAY_OF_WEEK, SECONDS,
    UNIX_DAY_OF_WEEK, YEAR,
};
use crate::zone::Zone;

/// Text that does not belong to an expression: a remark, and the rest without it.
pub(super) struct Layer {
    pub remark: String,
    pub rest: String,
    /// The zone that was removed.
    pub zone: Option<String>,
}

/// All layers, in the order of the certainty: the last ones may be mistakes inside an expression.
pub(super) const LAYERS: [fn(&str) -> Option<Layer>; 11] = [
    zone_before,
    quotes,
    event_bridge,
    random,
    zone_behind,
    blanks,
    command,
    surroundings,
    lookalikes,
    comment,
    command_of_a_mistake,
];

/// Quotes of code, of YAML and of texts.
const QUOTES: [char; 18] = [
    '"', '\'', '`', '\\', '“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '‹', '›', '″', '′', '＂',
];
const BRACKETS: [(char, char); 4] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
/// Numbers of fields of an expression, the largest first; a nickname is one field.
const FIELDS: [usize; 4] = [7, 6, 5, 1];

impl Layer {
    fn new(remark: impl Into<String>, rest: impl Into<String>) -> Self {
        let rest: String = rest.into();
        Self {
            remark: remark.into(),
            rest: rest.trim().to_owned(),
            zone: None,
        }
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// `TZ=Europe/Berlin 0 9 * * *`.
fn zone_before(text: &str) -> Option<Layer> {
    let (name, rest) = text.split_once(['=', ':'])?;
    let name = name.trim().trim_matches(QUOTES);
    if !["TZ", "CRON_TZ", "TIMEZONE", "TIME_ZONE"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches(QUOTES);
    // `TZ= 0 9 * * *`: the zone is empty, and the first field is no zone.
    let (zone, expression) = if parses(rest) {
        ("", rest)
    } else {
        rest.split_once(|char: char| char.is_whitespace() || char == ';')
            .unwrap_or((rest, ""))
    };
    // POSIX allows a colon before the name of a zone.
    let zone = zone.trim_matches(QUOTES).trim_start_matches(':');
    let layer = Layer::new(
        "the time zone does not belong to the expression",
        expression.trim_start_matches(QUOTES),
    );
    Some(Layer {
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
        ..layer
    })
}

/// `"0 5 * * *"`, also with quotes at one end alone, and `[0 5 * * *],`.
fn quotes(text: &str) -> Option<Layer> {
    let inside = text
        .trim_start_matches("- ")
        .trim_end_matches([',', ';', '.'])
        .trim();
    // At most one pair of each kind: more of them are no copy of an expression.
    let mut inner = inside;
    for (open, close) in BRACKETS {
        inner = inner
            .strip_prefix(open)
            .and_then(|inner| inner.strip_suffix(close))
            .unwrap_or(inner);
    }
    let bare = inner.trim_matches(|char: char| QUOTES.contains(&char) || char.is_whitespace());
    let is_bare = bare.len() == inside.len();
    if bare.len() == text.len()
        || bare.is_empty()
        || bare.contains(QUOTES)
        // Without quotes the trimmed signs may belong to a mistake inside the expression.
        || is_bare && !parses(bare)
    {
        return None;
    }
    let remark = if inner.len() == text.len() {
        "the quotes around it do not belong to an expression"
    } else {
        "what stands around it does not belong to an expression"
    };
    Some(Layer::new(remark, bare))
}

/// `cron(0 9 * * ? *)`, or what stands between the brackets: EventBridge has no seconds and ends
/// with the year.
fn event_bridge(text: &str) -> Option<Layer> {
    let called = text
        .split_once('(')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("cron"));
    let inner = called.map_or(text, |(_, inner)| {
        inner
            .trim_end()
            .trim_end_matches(')')
            .trim()
            .trim_matches(QUOTES)
    });
    // EventBridge needs the seconds in front: the sixth field becomes the year.
    let with_seconds = format!("0 {}", inner.trim());
    if words(inner).len() == 6 && parses(&with_seconds) {
        let remark = "minutes first and a year last is the order of EventBridge; six fields begin \
             with seconds here";
        return Some(Layer::new(remark, with_seconds));
    }
    called.map(|_| {
        Layer::new(
            "`cron(…)` around it does not belong to an expression",
            inner,
        )
    })
}

/// `0~30 5 * * *`: a random number of OpenBSD, cronie and Dkron.
fn random(text: &str) -> Option<Layer> {
    let words = words(text);
    let typed = words.iter().find(|word| word.contains('~'))?;
    FIELDS.into_iter().filter(|count| *count >= 5).find_map(|count| {
        let rest = words.get(count..)?;
        let columns = columns(count);
        let fields: Vec<_> =
            words.iter().zip(columns).map(|(field, column)| hashed(field, column)).collect();
        let expression = fields.join(" ");
        let (written, _) = fields.iter().zip(&words).find(|(field, typed)| field != typed)?;
        // Text behind the fields must be a command, or the fields are too few.
        if !parses(&expression) || rest.first().is_some_and(|next| !is_command(next)) {
            return None;
        }
        let remark = format!(
            "`{typed}` is written `{written}` here, a number of the job's own that does not change"
        );
        Some(Layer::new(remark, format!("{expression} {}", rest.join(" "))))
    })
}

fn columns(count: usize) -> Vec<&'static Column> {
    let quartz = [
        &SECONDS,
        &MINUTES,
        &HOURS,
        &DAY_OF_MONTH,
        &MONTH,
        &QUARTZ_DAY_OF_WEEK,
        &YEAR,
    ];
    match count {
        5 => vec![&MINUTES, &HOURS, &DAY_OF_MONTH, &MONTH, &UNIX_DAY_OF_WEEK],
        _ => quartz[..count].to_vec(),
    }
}

/// A field with `H(0-30)` for `0~30`. Default of a missing end: that of the column.
fn hashed(field: &str, column: &Column) -> String {
    field
        .split(',')
        .map(|item| hashed_item(item, column))
        .collect::<Vec<_>>()
        .join(",")
}

fn hashed_item(item: &str, column: &Column) -> String {
    let (range, step) = item.split_at(item.find('/').unwrap_or(item.len()));
    let Some((first, last)) = range.split_once('~') else {
        return item.to_owned();
    };
    if first.is_empty() && last.is_empty() {
        return format!("H{step}");
    }
    let first = if first.is_empty() {
        column.min.to_string()
    } else {
        first.to_owned()
    };
    let last = if last.is_empty() {
        column.last.to_string()
    } else {
        last.to_owned()
    };
    format!("H({first}-{last}){step}")
}

/// `0 9 * * * Europe/Berlin`.
fn zone_behind(text: &str) -> Option<Layer> {
    let words = words(text);
    let (last, before) = words.split_last()?;
    let zone = last.trim_matches(['(', ')']);
    let zone = zone
        .split_once('=')
        .filter(|(name, _)| name.ends_with("TZ"))
        .map_or(zone, |(_, zone)| zone);
    // POSIX zones such as `UTC+2` are no names of the database, but they are zones.
    let is_zone =
        Zone::named(zone).is_ok() || ["UTC", "GMT"].iter().any(|utc| zone.starts_with(utc));
    let expression = before.join(" ");
    (is_zone && parses(&expression)).then(|| {
        let layer = Layer::new(
            "the time zone does not belong to the expression",
            expression,
        );
        Layer {
            zone: Some(zone.to_owned()),
            ..layer
        }
    })
}

/// `0 9 * * MON, FRI`, `0 9 * * MON - FRI`, `0 9 * * MON #1`.
fn blanks(text: &str) -> Option<Layer> {
    let mut fields: Vec<String> = Vec::new();
    for word in words(text) {
        let is_nth = word.starts_with('#') && word.chars().count() == 2;
        match fields.last_mut() {
            Some(field)
                if field.ends_with([',', '-', '/', '+'])
                    // A step, a range or a list never starts a field.
                    || word.starts_with([',', '-', '/'])
                    || is_nth =>
            {
                field.push_str(word);
            }
            _ => fields.push(word.to_owned()),
        }
    }
    let joined = fields.join(" ");
    (fields.len() < words(text).len() && parses(&joined))
        .then(|| Layer::new("a field holds no white space", joined))
}

/// `0 5 * * * /usr/bin/backup`, `@daily root /usr/bin/backup`.
fn command(text: &str) -> Option<Layer> {
    let words = words(text);
    FIELDS.into_iter().find_map(|count| {
        let (expression, next) = (words.get(..count)?.join(" "), words.get(count)?);
        // Behind a nickname any word is a command: a nickname has no second field.
        let is_followed = !next.starts_with('#') && (count == 1 || is_command(next));
        (is_followed && parses(&expression)).then(|| without_command(expression))
    })
}

/// The command behind five fields of which one is wrong: `*/90 * * * * /usr/bin/backup`. A single
/// word could also be a sixth field.
fn command_of_a_mistake(text: &str) -> Option<Layer> {
    let words = words(text);
    let (fields, next) = (words.get(..5)?, words.get(5)?);
    let are_fields = fields
        .iter()
        .all(|field| !is_command(field) && *field != "?");
    let is_word = words.len() == 6 && next.chars().all(char::is_alphanumeric);
    let is_followed = is_command(next) && !is_word && !next.starts_with('#');
    (are_fields && is_followed).then(|| without_command(fields.join(" ")))
}

fn without_command(expression: String) -> Layer {
    Layer::new(
        "the command of a crontab line does not belong to the expression but into target",
        expression,
    )
}

/// Whether a word cannot be a field, not even a misspelt one.
fn is_command(word: &str) -> bool {
    let mut names = word
        .split(|char: char| !char.is_ascii_alphabetic())
        .filter(|name| !name.is_empty());
    word.chars().any(is_foreign_to_fields)
        || names.any(|name| !is_letter_of_fields(name) && !is_like_a_weekday(name))
}

/// Whether a character belongs to no field and looks like none that does.
fn is_foreign_to_fields(char: char) -> bool {
    !char.is_ascii_alphanumeric()
        && !"*,-/?#+()~".contains(char)
        && ascii(char, "") == char.to_string()
}

fn is_letter_of_fields(name: &str) -> bool {
    ["H", "L", "W", "LW"]
        .iter()
        .any(|letter| letter.eq_ignore_ascii_case(name))
}

/// `MONDY`, `TUES`, `FRIL`; not `monitor`.
fn is_like_a_weekday(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let has_its_beginning = DAYS.iter().any(|day| name.starts_with(&day[..3]));
    has_its_beginning && (name.len() <= 5 || name.ends_with(['Y', 'S', 'L']) && name.len() <= 10)
}

/// `cron: "0 5 * * *"`, `@Scheduled(cron = "0 0 5 * * ?")`, `schedule: 0 5 * * *`.
fn surroundings(text: &str) -> Option<Layer> {
    let quoted = text.split(QUOTES).map(str::trim);
    let behind_a_key = text.split_once([':', '=']).map(|(_, value)| value.trim());
    let expression = quoted
        .chain(behind_a_key)
        // Each part is parsed: a bound on the work for a text of many quotes.
        .take(16)
        .find(|part| part.len() < text.len() && parses(part))?;
    Some(Layer::new(
        "what stands around it does not belong to an expression",
        expression,
    ))
}

/// `0 9 * * MON–FRI` with the dash of a text, invisible characters, and quotes inside.
fn lookalikes(text: &str) -> Option<Layer> {
    let found = ["", " "]
        .map(|invisible| {
            text.chars()
                .map(|char| ascii(char, invisible))
                .collect::<String>()
        })
        .into_iter()
        // An invisible character stands inside a word or in place of a blank: both are tried.
        .find(|plain| parses(plain) || blanks(plain).is_some())?;
    let typed = text
        .chars()
        .find(|char| ascii(*char, "") != char.to_string())?;
    let code = u32::from(typed);
    let remark = match ascii(typed, "").as_str() {
        "" if typed.is_ascii() => format!("`{typed}` does not belong to an expression"),
        "" => format!("an invisible character, U+{code:04X}, does not belong to an expression"),
        plain => format!("`{typed}` (U+{code:04X}) only looks like `{plain}`"),
    };
    Some(Layer::new(remark, found))
}

/// The character of an expression for the look-alike in a text.
fn ascii(char: char, invisible: &str) -> String {
    match char {
        '‐'..='―' | '−' | '﹣' => "-".to_owned(),
        '∗' | '⁎' | '✱' | '×' => "*".to_owned(),
        '⁄' | '∕' => "/".to_owned(),
        '、' => ",".to_owned(),
        // The full-width forms have the order of ASCII, at this distance.
        '！'..='～' => char::from_u32(u32::from(char) - 0xfee0)
            .unwrap_or(char)
            .to_string(),
        '\u{ad}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => invisible.to_owned(),
        _ if QUOTES.contains(&char) => String::new(),
        _ => char.to_string(),
    }
}

/// `0 5 * * * # every morning`, `# 0 5 * * *`.
fn comment(text: &str) -> Option<Layer> {
    let remark = "a comment does not belong to an expression";
    if let Some(line) = text.strip_prefix('#') {
        // A commented line of a crontab; fewer words are a remark.
        return (words(line).len() >= 5).then(|| Layer::new(remark, line));
    }
    let words = words(text);
    let begin = words
        .iter()
        .position(|word| word.starts_with('#'))
        .filter(|begin| *begin > 0)?;
    let expression = words[..begin].join(" ");
    let is_schedule = parses(&expression) || super::other_schedule(&expression).is_some();
    is_schedule.then(|| Layer::new(remark, expression))
}
