//! Values as text, for the page and the terminal.

use super::statistics::{bound, share};
use crate::history::{Fault, History, Scope};
use crate::micros::Micros;
use chrono::{DateTime, SecondsFormat};
use std::collections::HashMap;
use uuid::Uuid;

const MILLISECOND: Micros = 1_000;
const SECOND: Micros = 1_000_000;
const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;

/// A duration in words; further digits are cut off.
pub fn duration(micros: Micros) -> String {
    // `Micros::MIN` has no positive counterpart.
    let positive = micros.saturating_abs();
    let sign = if micros < 0 { "−" } else { "" };
    match positive {
        0 => "0".to_owned(),
        1..MILLISECOND => format!("{sign}{positive} µs"),
        MILLISECOND..10_000 => format!("{sign}{}.{} ms", positive / 1_000, positive / 100 % 10),
        10_000..SECOND => format!("{sign}{} ms", positive / 1_000),
        SECOND..10_000_000 => format!(
            "{sign}{}.{:02} s",
            positive / SECOND,
            positive / 10_000 % 100
        ),
        10_000_000..MINUTE => format!("{sign}{}.{} s", positive / SECOND, positive / 100_000 % 10),
        MINUTE..HOUR => format!(
            "{sign}{} min {} s",
            positive / MINUTE,
            positive / SECOND % 60
        ),
        _ => format!("{sign}{} h {} min", positive / HOUR, positive / MINUTE % 60),
    }
}

/// Time since the start of the run, to the second: `1:05`, `2:00:00`.
pub fn clock(since: Micros) -> String {
    let positive = since.saturating_abs();
    let sign = if since < 0 { "−" } else { "" };
    let (hours, minutes, seconds) = (
        positive / HOUR,
        positive / MINUTE % 60,
        positive / SECOND % 60,
    );
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{minutes}:{seconds:02}")
    }
}

/// The same to the millisecond.
pub fn clock_exact(since: Micros) -> String {
    format!(
        "{}.{:03}",
        clock(since),
        since.saturating_abs() / MILLISECOND % 1_000
    )
}

/// An instant, in UTC.
pub fn instant(at: Micros) -> String {
    // A broken row can have an instant that chrono cannot express: a number is better than no page.
    DateTime::from_timestamp_micros(at).map_or_else(
        || format!("{at} µs"),
        |at| at.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

/// A number with separated thousands.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 fault`, `1,200 deliveries`.
pub fn counted(number: usize, noun: &str) -> String {
    let count = grouped(number);
    // Enough for the nouns of the reports: none has a vowel before the y.
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("{count} {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// A share in percent, with more digits the smaller it is.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent >= 10.0 => format!("{percent:.0} %"),
        _ if percent >= 1.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.2} %"),
    }
}

/// The share checked normal, to a tenth of a percent and never rounded up.
pub fn share_of(part: usize, whole: usize) -> String {
    match share(part, whole) {
        None => "nothing".to_owned(),
        // Integers: a share that is rounded up to 100.0 % would hide an exception.
        Some(_) => format!("{}.{} %", part * 100 / whole, part * 1_000 / whole % 10),
    }
}

/// The bound of the rule of three, or a dash when a violation makes it void.
pub fn bound_of(trials: usize, broken: bool) -> String {
    match bound(trials) {
        Some(bound) if !broken => format!("≤ {}", percent(bound)),
        _ => "—".to_owned(),
    }
}

/// The processes that faults of a scope hit.
pub fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Ends => "nodes end",
        Scope::Freezes => "nodes stand still",
        Scope::CutsOff => "nodes are cut off from the database",
        Scope::CutsTarget => "nodes are cut off from the target",
        Scope::Stalls => "the disk stalls: explains lateness and nothing else",
        Scope::Harmless => "harmless: explains nothing",
        Scope::Cluster => "the whole cluster",
    }
}

/// The processes that a fault hits, by name.
pub fn hit(fault: &Fault) -> String {
    if hits_all(fault) {
        "all".to_owned()
    } else {
        fault.nodes.join(", ")
    }
}

/// Whether a fault is drawn over all lanes.
pub fn hits_all(fault: &Fault) -> bool {
    fault.scope == Scope::Cluster || fault.nodes.is_empty()
}

/// The end of an id, where executions differ: all begin with their time.
pub fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    format!("…{}", &text[text.len() - 8..])
}

/// Text for a terminal: control characters are shown as `�`.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// Names of nodes, by every id that they had.
pub struct Names<'a>(HashMap<Uuid, &'a str>);

impl<'a> Names<'a> {
    /// The names in a history.
    pub fn of(history: &'a History) -> Self {
        Self(
            history
                .nodes
                .iter()
                .map(|life| (life.id, life.name.as_str()))
                .collect(),
        )
    }

    /// A node without a recorded lifetime is named by its id.
    pub fn name(&self, id: Uuid) -> String {
        self.0.get(&id).map_or_else(
            || format!("unknown node {}", short(id)),
            |name| (*name).to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let cases = [
            (0, "0"),
            (-250, "−250 µs"),
            (4_260, "4.2 ms"),
            (999_999, "999 ms"),
            (1_249_999, "1.24 s"),
            (59_990_000, "59.9 s"),
            (200_000_000, "3 min 20 s"),
            (7_500_000_000, "2 h 5 min"),
            (Micros::MIN, "−2562047788 h 0 min"),
        ];
        for (micros, text) in cases {
            assert_eq!(duration(micros), text);
        }
        assert_eq!(clock_exact(-65_004_000), "−1:05.004");
        assert_eq!(clock(7_205_000_000), "2:00:05");
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
        assert_eq!(counted(1, "delivery"), "1 delivery");
        assert_eq!(counted(2_000, "redelivery"), "2,000 redeliveries");
        assert_eq!(
            [0.25, 0.012, 0.0006].map(percent),
            ["25 %", "1.2 %", "0.06 %"]
        );
        assert_eq!(share_of(2_999, 10_000), "29.9 %");
        assert_eq!(bound_of(12, false), "≤ 25 %");
        assert_eq!(bound_of(12, true), "—");
    }
}
