//! What other schedulers take as a schedule and a cron expression cannot be: the answer names the
//! field or the spelling that says the same here.
//!
//! Only expressions that were refused come here, so nothing in this file decides what is a cron
//! expression. What does not belong to an expression (quotes, a zone, a command …) is taken away
//! layer by layer, until one is left that is taken: so the way out that an answer names is one. An
//! interval or an instant is left to another type of schedule.

mod durations;
mod layers;

pub(super) use self::durations::interval_of_steps;

use self::durations::rate;
use self::layers::{LAYERS, Layer};
use super::{CronError, CronOptions, CronSchedule};
use crate::model::schedule::zone::Zone;

/// Most layers that are taken away.
const LAYERS_MAX: usize = 8;
/// Longest text that is looked at: an expression, and the command of its line.
const CHARS_MAX: usize = 1_000;
/// Nicknames of others that have an expression.
const NICKNAMES: [(&str, &str); 7] = [
    ("@minutely", "* * * * *"),
    ("@every_minute", "* * * * *"),
    ("@secondly", "* * * * * ?"),
    ("@every_second", "* * * * * ?"),
    ("@noon", "0 12 * * *"),
    ("@quarterly", "0 0 1 1,4,7,10 *"),
    ("@semiannually", "0 0 1 1,7 *"),
];

/// The refusal of an expression, in words that lead on when another scheduler would take it.
pub(super) fn explain(typed: &str, error: CronError) -> CronError {
    if typed.chars().count() > CHARS_MAX {
        return error;
    }
    let (mut rest, mut remarks, mut zone) = (typed.trim().to_owned(), Vec::new(), None);
    while remarks.len() < LAYERS_MAX && !parses(&rest) {
        let Some(layer) = LAYERS.iter().find_map(|layer| layer(&rest)) else {
            break;
        };
        let Layer {
            remark,
            rest: left,
            zone: named,
        } = layer;
        remarks.push(remark);
        (rest, zone) = (left, zone.or(named));
    }
    match refusal_of(&rest) {
        None => CronError(format!(
            "{}: write `{}`{}",
            remarks.join("; "),
            shown(&rest),
            beside(zone.as_deref())
        )),
        Some(refusal) => match other_schedule(&rest) {
            Some(answer) => CronError(answer),
            None if remarks.is_empty() => error,
            None if rest.is_empty() => {
                CronError(format!("{}, and no expression is left", remarks.join("; ")))
            }
            None => {
                let remarks = remarks.join("; ");
                CronError(format!(
                    "{remarks}; and what is left, `{}`, is refused: {refusal}",
                    shown(&rest)
                ))
            }
        },
    }
}

/// What to do with a zone that stood in the expression.
fn beside(zone: Option<&str>) -> String {
    zone.map_or_else(String::new, |name| match Zone::named(name) {
        Ok(_) => format!(
            ", and `{}` in timeZone (horolog preview: --zone)",
            shown(name)
        ),
        Err(refusal) => {
            format!(", and the zone in timeZone (horolog preview: --zone), but {refusal}")
        }
    })
}

fn refusal_of(expression: &str) -> Option<CronError> {
    CronSchedule::judged(expression, &CronOptions::default()).err()
}

fn parses(expression: &str) -> bool {
    refusal_of(expression).is_none()
}

/// As people can type it again: quotes stay as they are.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    shown
}

/// What is no cron expression, but the schedule of another type, or of none.
fn other_schedule(text: &str) -> Option<String> {
    nickname(text)
        .or_else(|| durations::interval(text))
        .or_else(|| call(text))
        .or_else(|| instant(text))
        .or_else(|| {
            let random = text
                .split_whitespace()
                .take(7)
                .find(|field| field.contains('~'))?;
            Some(format!(
                "`{}`: a random number is written `H` here, as in `H` or `H(0-29)`",
                shown(random)
            ))
        })
}

/// `@every 5m` and other nicknames.
fn nickname(text: &str) -> Option<String> {
    let name = text.split_whitespace().next()?.to_ascii_lowercase();
    if let Some((_, expression)) = NICKNAMES.iter().find(|(known, _)| *known == name) {
        return Some(format!(
            "`{}` is not a known nickname: write `{expression}`",
            shown(&name)
        ));
    }
    match name.as_str() {
        "@at" => Some(once(text)),
        "@reboot" | "@startup" | "@boot" => Some(format!(
            "`{name}` names no time, and a cluster has no start of its own: let the start of the machine or of the \
             program call runJobNow"
        )),
        "@manually" | "@never" | "-" => Some(format!(
            "`{name}` names no time: a job that runs on demand alone is paused and run by runJobNow"
        )),
        _ if parses(&format!("@{text}")) => Some(format!(
            "the nickname is written with an `@`: write `@{name}`"
        )),
        _ => None,
    }
}

/// `rate(5 minutes)`, `at(2027-01-01T09:00:00)`.
fn call(text: &str) -> Option<String> {
    let (name, rest) = text.split_once('(')?;
    let inner = rest.trim_end().strip_suffix(')').unwrap_or(rest).trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "rate" => Some(rate(text, inner)),
        "at" => Some(once(text)),
        _ => None,
    }
}

/// `2027-01-01T09:00:00Z`.
fn instant(text: &str) -> Option<String> {
    text.get(..10)?
        .parse::<chrono::NaiveDate>()
        .ok()
        .map(|_| once(text))
}

fn once(text: &str) -> String {
    format!(
        "`{}` is not a cron expression: use scheduleType ONCE with startAt",
        shown(text)
    )
}
