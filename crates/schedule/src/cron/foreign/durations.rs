//! Lengths of time in words and in ISO 8601: `5m`, `1 hour and 30 minutes`, `PT5M`. They are fixed
//! rates.

use super::{Other, shown};
use crate::INTERVAL_SECONDS_MAX;
use crate::cron::error::Instead;
use crate::cron::intervals::{UNITS, whole_seconds};

/// `@every 5m`, `@every_5_minutes`, `every 5 minutes`, `5m`, `R/PT5M`.
pub(super) fn interval(text: &str) -> Option<Other> {
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

/// The answer to a text that begins with a length; a command may follow.
pub(super) fn rate(text: &str, length: &str) -> Other {
    let words = plain(length);
    answer(
        text,
        (1..=words.len())
            .rev()
            .find_map(|count| seconds(&words[..count].join(" "))),
    )
}

fn answer(text: &str, interval_seconds: Option<i64>) -> Other {
    let seconds = interval_seconds.map_or_else(
        || format!(", a whole number of seconds from 1 to {INTERVAL_SECONDS_MAX}"),
        |seconds| format!(" {seconds}"),
    );
    let explanation = format!(
        "`{}` is not a cron expression: use scheduleType FIXED_RATE with intervalSeconds{seconds}",
        shown(text)
    );
    Other::new(explanation, Some(Instead::FixedRate { interval_seconds }))
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
    whole_seconds(total)
}
