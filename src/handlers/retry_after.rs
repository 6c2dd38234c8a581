//! `Retry-After` (RFC 9110 §10.2.3): the delay of the next attempt that a target asks for.

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The delay, from seconds or a date. A date is compared with the clock of the target (`Date`), or
/// with that of the node if the target sends none. The retry policy bounds the delay.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, RETRY_AFTER)?;
    if let Some(seconds) = seconds(asked) {
        return Some(seconds);
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    // The difference of two times of the same clock is right even if the clock is wrong.
    let now = text(headers, DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Some(
        until
            .duration_since(now.unwrap_or_else(SystemTime::now))
            .unwrap_or_default(),
    )
}

/// `delay-seconds = 1*DIGIT`. A number that is too large for an integer is the longest delay.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // `u64::from_str` would accept a plus sign, so the digits are checked first.
    is_number.then(|| text.parse().map_or(Duration::MAX, Duration::from_secs))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let value =
            |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a header's value");
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, value(retry_after))]);
        headers.extend(date.map(|date| (DATE, value(date))));
        super::retry_after(&headers)
    }

    #[test]
    fn seconds_of_any_size_are_read() {
        for (text, seconds) in [
            ("0", 0),
            (" 120 ", 120),
            ("007", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(
                asked(text, None),
                Some(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["18446744073709551616", &"9".repeat(5_000)] {
            assert_eq!(asked(text, None), Some(Duration::MAX), "{text}");
        }
    }

    #[test]
    fn every_form_of_a_date_is_read_by_the_clock_of_the_target() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for form in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(
                asked(form, Some(date)),
                Some(Duration::from_mins(1)),
                "{form}"
            );
        }
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:36 GMT", Some(date)),
            Some(Duration::ZERO),
            "it is past"
        );
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:50:37 GMT", Some("yesterday")),
            Some(Duration::ZERO),
            "by this clock"
        );
        let last = asked("Fri, 31 Dec 9999 23:59:59 GMT", None).expect("a date");
        assert!(last.as_secs() > 7_000 * 365 * 86_400, "{last:?}");
    }

    #[test]
    fn what_is_no_delay_asks_for_none() {
        for text in [
            "",
            "soon",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "1 2",
            "٣",
            "1970-01-01T00:00:00Z",
            "Sun, 06 Nov 1994",
        ] {
            assert_eq!(asked(text, None), None, "{text}");
        }
    }
}
