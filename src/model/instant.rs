//! Instants from outside: an accepted value is returned unchanged.

use super::{InvalidInput, Timestamp};
use chrono::{DateTime, Datelike};

/// Reads an instant (RFC 3339). The API shows milliseconds in UTC and years of four digits: an
/// instant with more precision or another year is refused.
pub fn instant(field: &'static str, text: &str) -> Result<Timestamp, InvalidInput> {
    read(text).map_err(|problem| InvalidInput::new(field, problem))
}

fn read(text: &str) -> Result<Timestamp, &'static str> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "is not a time such as 2026-11-23T07:15:00Z (RFC 3339)")?;
    let time = time.to_utc();
    // chrono represents a leap second by such a count.
    if time.timestamp_subsec_nanos() >= 1_000_000_000 {
        return Err(
            "is a leap second, which the database's clock does not have: take the second after it",
        );
    }
    if digits_of_second(text).skip(3).any(|digit| digit != '0') {
        return Err("must not be more precise than a millisecond");
    }
    if !(1..=9999).contains(&time.year()) {
        return Err("must be between the years 0001 and 9999 in UTC");
    }
    Ok(time)
}

/// The digits behind the point, from the text: chrono drops digits beyond nanoseconds.
fn digits_of_second(text: &str) -> impl Iterator<Item = char> {
    let behind = text.split_once('.').map_or("", |(_, behind)| behind);
    behind.chars().take_while(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rfc3339;

    #[test]
    fn what_is_taken_is_shown_as_it_was_sent() {
        for (sent, shown) in [
            ("2029-12-31T23:59:59.999Z", "2029-12-31T23:59:59.999Z"),
            (
                "2029-12-31T23:59:59.120000+02:00",
                "2029-12-31T21:59:59.120Z",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(
                instant("at", sent).map(rfc3339),
                Ok(shown.to_owned()),
                "{sent}"
            );
        }
    }

    #[test]
    fn what_would_become_another_instant_is_refused() {
        for sent in [
            "2029-12-31T23:59:60Z",
            "2016-12-31T23:59:60.5Z",
            "2029-12-31T23:59:59.9999Z",
            "2029-12-31T23:59:59.000001Z",
            "2029-12-31T23:59:59.0000000001Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "+10000-01-01T00:00:00Z",
            "2029-12-31",
            "2029-12-31T23:59:59",
            "tomorrow",
            "",
            "\0",
        ] {
            assert_eq!(instant("at", sent).expect_err(sent).field, "at");
        }
    }
}
