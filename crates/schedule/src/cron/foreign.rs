//! Notations of other schedulers that are no cron expression here. The refusal names the field or
//! the notation that means the same.
//!
//! Only refused expressions come here: no code in the file decides what a cron expression is. Text
//! that does not belong to an expression (quotes, a zone, a command …) is removed layer by layer
//! until the rest is accepted, so each expression that a refusal proposes is valid. An interval or
//! an instant belongs to another type of schedule.

mod durations;
mod layers;

use self::layers::LAYERS;
use super::error::{CronError, Instead};
use super::{CronOptions, CronSchedule};
use crate::zone::Zone;

/// Most layers that are removed.
const LAYERS_MAX: usize = 8;
/// Longest text that is searched: an expression, and the command of the line.
const CHARS_MAX: usize = 1_000;
/// Nicknames of other schedulers that have an expression.
const NICKNAMES: [(&str, &str); 7] = [
    ("@minutely", "* * * * *"),
    ("@every_minute", "* * * * *"),
    ("@secondly", "* * * * * ?"),
    ("@every_second", "* * * * * ?"),
    ("@noon", "0 12 * * *"),
    ("@quarterly", "0 0 1 1,4,7,10 *"),
    ("@semiannually", "0 0 1 1,7 *"),
];

/// The refusal of an expression. The notation of another scheduler is explained; otherwise the
/// refusal stays unchanged.
pub(super) fn explain(typed: &str, error: CronError) -> CronError {
    if typed.chars().count() > CHARS_MAX {
        return error;
    }
    let (mut rest, mut remarks, mut zone) = (typed.trim().to_owned(), Vec::new(), None);
    // The limit bounds the length of the refusal.
    while remarks.len() < LAYERS_MAX && !parses(&rest) {
        let Some(layer) = LAYERS.iter().find_map(|layer| layer(&rest)) else {
            break;
        };
        remarks.push(layer.remark);
        // The outermost zone wins if the text has two.
        (rest, zone) = (layer.rest, zone.or(layer.zone));
    }
    let remarks = remarks.join("; ");
    let Some(refusal) = refusal_of(&rest) else {
        let advice = zone.as_deref().map_or_else(String::new, zone_advice);
        return CronError::Foreign {
            explanation: format!("{remarks}: write `{}`{advice}", shown(&rest)),
            instead: Some(Instead::Expression {
                expression: rest,
                zone,
            }),
        };
    };
    // Remarks about layers would only distract: the text needs another type of schedule.
    if let Some(other) = other_schedule(&rest) {
        return CronError::Foreign {
            explanation: other.explanation,
            instead: other.instead,
        };
    }
    if remarks.is_empty() {
        return error;
    }
    let explanation = if rest.is_empty() {
        format!("{remarks}, and no expression is left")
    } else {
        format!(
            "{remarks}; and what is left, `{}`, is refused: {refusal}",
            shown(&rest)
        )
    };
    CronError::Foreign {
        explanation,
        instead: None,
    }
}

/// What to do with a zone that stood in the expression.
fn zone_advice(name: &str) -> String {
    match Zone::named(name) {
        Ok(_) => format!(
            ", and `{}` in timeZone (horolog preview: --zone)",
            shown(name)
        ),
        Err(refusal) => {
            format!(", and the zone in timeZone (horolog preview: --zone), but {refusal}")
        }
    }
}

fn refusal_of(expression: &str) -> Option<CronError> {
    CronSchedule::parse_own(expression, &CronOptions::default()).err()
}

fn parses(expression: &str) -> bool {
    refusal_of(expression).is_none()
}

/// As an author can type it again: quotes stay as they are.
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

/// A text that is no cron expression, but has a known meaning.
struct Other {
    explanation: String,
    instead: Option<Instead>,
}

impl Other {
    fn new(explanation: String, instead: Option<Instead>) -> Self {
        Self {
            explanation,
            instead,
        }
    }

    fn once(text: &str) -> Self {
        let text = shown(text);
        let explanation =
            format!("`{text}` is not a cron expression: use scheduleType ONCE with startAt");
        Self::new(explanation, Some(Instead::Once))
    }
}

/// The schedule of another type, or none.
fn other_schedule(text: &str) -> Option<Other> {
    nickname(text)
        .or_else(|| durations::interval(text))
        .or_else(|| call(text))
        .or_else(|| instant(text))
        .or_else(|| random_number(text))
}

/// `@every 5m` and other nicknames.
fn nickname(text: &str) -> Option<Other> {
    let name = text.split_whitespace().next()?.to_ascii_lowercase();
    if let Some((_, expression)) = NICKNAMES.iter().find(|(known, _)| *known == name) {
        let explanation = format!(
            "`{}` is not a known nickname: write `{expression}`",
            shown(&name)
        );
        return Some(Other::new(explanation, Some(expression_alone(*expression))));
    }
    match name.as_str() {
        "@at" => Some(Other::once(text)),
        "@reboot" | "@startup" | "@boot" => {
            let explanation = format!(
                "`{name}` names no time, and a cluster has no start of its own: let the start of \
                 the machine or of \
                 the program call runJobNow"
            );
            Some(Other::new(explanation, Some(Instead::OnDemand)))
        }
        "@manually" | "@never" | "-" => {
            let explanation = format!(
                "`{name}` names no time: a job that runs on demand alone is paused and run by \
                 runJobNow"
            );
            Some(Other::new(explanation, Some(Instead::OnDemand)))
        }
        // `daily` without the `@`.
        _ if parses(&format!("@{text}")) => {
            let explanation = format!("the nickname is written with an `@`: write `@{name}`");
            Some(Other::new(
                explanation,
                Some(expression_alone(format!("@{name}"))),
            ))
        }
        _ => None,
    }
}

fn expression_alone(expression: impl Into<String>) -> Instead {
    Instead::Expression {
        expression: expression.into(),
        zone: None,
    }
}

/// Reads a call such as `rate(5 minutes)` or `at(2027-01-01T09:00:00)`.
fn call(text: &str) -> Option<Other> {
    let (name, rest) = text.split_once('(')?;
    let inner = rest.trim_end().strip_suffix(')').unwrap_or(rest).trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "rate" => Some(durations::rate(text, inner)),
        "at" => Some(Other::once(text)),
        _ => None,
    }
}

/// Reads an instant such as `2027-01-01T09:00:00Z`.
fn instant(text: &str) -> Option<Other> {
    let date = text.get(..10)?.parse::<chrono::NaiveDate>();
    date.is_ok().then(|| Other::once(text))
}

/// `0~30 5 * * *` in a form that no layer could translate.
fn random_number(text: &str) -> Option<Other> {
    let random = text
        .split_whitespace()
        .take(7)
        .find(|field| field.contains('~'))?;
    let random = shown(random);
    let explanation =
        format!("`{random}`: a random number is written `H` here, as in `H` or `H(0-29)`");
    Some(Other::new(explanation, None))
}
