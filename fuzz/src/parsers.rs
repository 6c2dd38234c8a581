//! Texts for the parsers of a node, made of the fuzzer's bytes, and what each parser promises.
//!
//! A property compares with something that the parser does not use: how the text was made, a second
//! reading, or the standard library. There is no parser of YAML and no template in the program.

use actix_web::http::Uri;
use actix_web::http::header::{self as incoming, HeaderValue as IncomingValue};
use arbitrary::{Result, Unstructured};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use horolog::access::token::{NewToken, TokenParts};
use horolog::api::{Masks, after_key, cursor};
use horolog::config::base_path;
use horolog::handlers::{Egress, retry_after};
use horolog::http::{Once, session_id, without_base_path};
use horolog::model::lists::JobOrder;
use horolog::model::schedule::cron::{CronOptions, CronSchedule};
use horolog::model::schedule::zone::Zone;
use horolog::store::queries::jobs::JobKey;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};
use url::{Host, Url};
use uuid::Uuid;

/// A property: true when the text was accepted, so that a test sees that some are.
pub type Property = fn(&mut Unstructured<'_>) -> Result<bool>;

/// All properties by their names; the first byte of an input of the fuzzer selects one.
pub const PROPERTIES: [(&str, Property); 8] = [
    ("cron", cron),
    ("cursors", cursors),
    ("tokens", tokens),
    ("cookies", cookies),
    ("egress", egress),
    ("retry-after", retry_after_header),
    ("base-path", base_paths),
    ("masks", masks),
];

/// Pieces in a row, at most this number.
fn pieces(bytes: &mut Unstructured<'_>, of: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..bytes.int_in_range(0..=most)? {
        text += bytes.choose(of)?;
    }
    Ok(text)
}

const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
];

fn instant(bytes: &mut Unstructured<'_>) -> Result<DateTime<Utc>> {
    let micros = bytes.int_in_range(0..=7_000_000_000_000_000_i64)?;
    Ok(DateTime::from_timestamp_micros(micros).expect("before the year 2200"))
}

/// Fields of an expression of Unix, or of Quartz with seconds.
fn plausible_fields(bytes: &mut Unstructured<'_>) -> Result<Vec<String>> {
    const TIMES: [&str; 6] = ["*", "0", "*/5", "1-5", "3,15", "H"];
    const DAYS: [&str; 6] = ["*", "1", "15", "31", "L", "1-7"];
    const MONTHS: [&str; 5] = ["*", "1", "JAN", "*/3", "JUN-AUG"];
    const WEEKDAYS: [&str; 5] = ["*", "MON-FRI", "SUN", "2", "FRI"];
    let mut fields = vec![*bytes.choose(&TIMES)?, *bytes.choose(&TIMES)?];
    let (month, day, weekday) = (
        *bytes.choose(&MONTHS)?,
        *bytes.choose(&DAYS)?,
        *bytes.choose(&WEEKDAYS)?,
    );
    if bytes.ratio(1, 2)? {
        fields.extend([day, month, weekday]);
    } else if bytes.arbitrary()? {
        fields.extend(["0", "?", month, weekday]);
    } else {
        fields.extend(["0", day, month, "?"]);
    }
    Ok(fields.into_iter().map(str::to_owned).collect())
}

/// An expression that parses has words, fires strictly later and in order, and the case of its
/// letters and the width of its spaces mean nothing.
fn cron(bytes: &mut Unstructured<'_>) -> Result<bool> {
    const WORDS: [&str; 44] = [
        "*", "?", "L", "LW", "W", "H", "C", "#", "-", "/", ",", "0", "1", "2", "5", "7", "15",
        "23", "29", "31", "59", "60", "99", "2026", "2199", "MON", "FRI", "SUN", "JAN", "DEC",
        "FRI#5", "L-3", "15W", "H(0-29)", "@daily", "@yearly", "@every", "TZ=", "\u{a0}", "é",
        "*/90", "+", "00", "SAT-SUN",
    ];
    let mut fields = plausible_fields(bytes)?;
    // Most texts have no odd field, or hardly any would be accepted.
    if bytes.ratio(1, 3)? {
        let at = bytes.choose_index(fields.len())?;
        fields[at] = pieces(bytes, &WORDS, 5)?;
    }
    let text = fields.join(" ");
    let zone = Zone::named(bytes.choose(&ZONES)?).expect("a zone");
    let options = CronOptions {
        zone,
        seed: Some(Uuid::from_u128(1)),
        ..CronOptions::default()
    };
    let after = instant(bytes)?;
    let schedule = match CronSchedule::parse(&text, &options) {
        Ok(schedule) => schedule,
        Err(error) => {
            let reason = error.to_string();
            assert!(
                !reason.is_empty() && reason.len() < 1_000,
                "{text}: {reason}"
            );
            return Ok(false);
        }
    };
    let words = schedule.description();
    assert!(!words.is_empty() && words.len() < 2_000, "{text}: {words}");
    assert!(!words.contains(char::is_control), "{text}: {words}");
    let written = format!("  {}\t", text.replace(' ', " \t ").to_lowercase());
    let same = CronSchedule::parse(&written, &options)
        .unwrap_or_else(|error| panic!("{text} is accepted, and {written:?} is not: {error}"));
    let (mut now, mut count) = (after, 0);
    while let (Some(next), true) = (schedule.next_after(now), count < 5) {
        assert!(next > now, "{text}: {next} after {now}");
        assert!(next.to_rfc3339().as_str() < "2200", "{text}: {next}");
        assert_eq!(same.next_after(now), Some(next), "{text} and {written:?}");
        let before = next - TimeDelta::microseconds(1);
        assert_eq!(
            schedule.next_after(before),
            Some(next),
            "{text}: from {before}"
        );
        (now, count) = (next, count + 1);
    }
    Ok(true)
}

/// A cursor is read in the list that made it, as the key that it was made of, and in no other.
fn cursors(bytes: &mut Unstructured<'_>) -> Result<bool> {
    const ORDERS: [JobOrder; 4] = [
        JobOrder::Newest,
        JobOrder::Oldest,
        JobOrder::Name,
        JobOrder::NextFireTime,
    ];
    let id = Uuid::from_u128(bytes.arbitrary()?);
    let key = match bytes.int_in_range(0..=3_u8)? {
        0 => JobKey::Created(instant(bytes)?, id),
        // A job has a name: the cursor of an empty one is refused.
        1 => {
            let name = pieces(bytes, &["a", "ß", "\"", "\\", "\u{1f980}"], 9)?;
            JobKey::Name(format!("a{name}"), id)
        }
        2 => JobKey::Due(Some(instant(bytes)?), id),
        _ => JobKey::Due(None, id),
    };
    let text = cursor(&key);
    let mut read = 0;
    for order in ORDERS {
        if let Ok(back) = after_key(Some(text.clone()), order) {
            assert_eq!(back.as_ref(), Some(&key), "{order:?}");
            read += 1;
        }
    }
    let lists = if matches!(key, JobKey::Created(..)) {
        2
    } else {
        1
    };
    assert_eq!(read, lists, "{key:?}");
    // A text that a client made up: whatever is read is a cursor of the same place.
    let made_up = pieces(bytes, &["eyJj", "Ijpb", "A", "=", "-", "{", "bnVsbA"], 9)?;
    for order in ORDERS {
        if let Ok(Some(key)) = after_key(Some(made_up.clone()), order) {
            let back = after_key(Some(cursor(&key)), order).ok().flatten();
            assert_eq!(back.as_ref(), Some(&key), "{made_up}");
        }
    }
    Ok(true)
}

/// A token is read as it was made; one that differs anywhere is none.
fn tokens(bytes: &mut Unstructured<'_>) -> Result<bool> {
    let id = Uuid::from_u128(bytes.arbitrary()?);
    let token = NewToken::generate(id);
    let text = token.text.expose();
    let parts = TokenParts::of(text).expect("a token that was just made");
    assert_eq!((parts.id, parts.hash), (id, token.hash));
    let mut changed = text.to_owned();
    let at = bytes.choose_index(changed.len())?;
    let odd = *bytes.choose(&["", "0", "z", "_", " ", "é", "\u{0}", "hrl_"])?;
    if bytes.arbitrary()? {
        changed.replace_range(at..=at, odd);
    } else {
        changed.insert_str(at, odd);
    }
    if changed != text {
        assert_eq!(TokenParts::of(&changed), None, "{changed}");
    }
    let text = pieces(bytes, &["hrl_", "0", "zzzzzzzz", "_", "é"], 30)?;
    assert_eq!(TokenParts::of(&text), None, "{text}");
    Ok(true)
}

/// The session of a request is the value of the only cookie of the name.
fn cookies(bytes: &mut Unstructured<'_>) -> Result<bool> {
    const NAMES: [&str; 5] = [
        "horolog_session",
        "Horolog_session",
        "horolog_session2",
        "a",
        "__Host-horolog_session",
    ];
    const VALUES: [&str; 6] = ["x", "", "y=z", "\"q\"", "a b", "%3D"];
    let mut headers = incoming::HeaderMap::new();
    let mut sessions = Vec::new();
    for _ in 0..bytes.int_in_range(0..=2_u8)? {
        let mut pairs = Vec::new();
        for _ in 0..bytes.int_in_range(0..=3_u8)? {
            let (name, value) = (*bytes.choose(&NAMES)?, *bytes.choose(&VALUES)?);
            if name == NAMES[0] {
                sessions.push(value);
            }
            pairs.push(format!("{}{name}={value}", bytes.choose(&["", " ", "\t"])?));
        }
        let text = pairs.join(";");
        let value = IncomingValue::from_str(&text).expect("the value of a header");
        headers.append(incoming::COOKIE, value);
    }
    let expected = match sessions[..] {
        [] => Once::Absent,
        [id] if !id.is_empty() => Once::Text(id),
        _ => Once::Unreadable,
    };
    assert_eq!(session_id(&headers), expected, "{headers:?}");
    Ok(matches!(expected, Once::Text(_)))
}

/// Whether the standard library calls an address one that everybody may reach.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation()
                || ip.octets()[0] == 0
                || ip.octets()[0] >= 240)
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let inner = ip.to_ipv4();
            let [.., a, b, c, d] = ip.octets();
            if (first, second) == (0x64, 0xff9b) {
                return is_public(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
            }
            inner.is_none_or(|inner| is_public(IpAddr::V4(inner)))
                && !ip.is_loopback()
                && !ip.is_unspecified()
                && !ip.is_multicast()
                && !ip.is_unique_local()
                && !ip.is_unicast_link_local()
                // 6to4 wraps any IPv4 address.
                && first != 0x2002
        }
    }
}

/// An address in one of its spellings.
fn host(bytes: &mut Unstructured<'_>) -> Result<String> {
    const NEAR: [[u8; 4]; 8] = [
        [127, 0, 0, 1],
        [10, 1, 2, 3],
        [169, 254, 169, 254],
        [192, 168, 0, 1],
        [172, 31, 255, 255],
        [0, 0, 0, 0],
        [9, 9, 9, 9],
        [100, 64, 0, 1],
    ];
    let octets = if bytes.ratio(3, 4)? {
        *bytes.choose(&NEAR)?
    } else {
        bytes.arbitrary()?
    };
    let [a, b, c, d] = octets;
    let number = u32::from_be_bytes(octets);
    Ok(match bytes.int_in_range(0..=12_u8)? {
        0 => Ipv4Addr::from(octets).to_string(),
        1 => number.to_string(),
        2 => format!("{number:#x}"),
        3 => format!("0{number:o}"),
        4 => format!("0x{a:x}.0{b:o}.{c}.{d}"),
        5 => format!("{a}.{}", u32::from_be_bytes([0, b, c, d])),
        6 => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        7 => format!("[::{a}.{b}.{c}.{d}]"),
        8 => format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        9 => format!("[2002:{:x}:{:x}::1]", number >> 16, number & 0xffff),
        10 => format!("[{}]", Ipv6Addr::from(bytes.arbitrary::<[u8; 16]>()?)),
        11 => format!("%3{}%2e{b}.{c}.{d}", a % 10),
        _ => format!("{a}．{b}。{c}.{d}"),
    })
}

/// No spelling of an address that is not public is let through without `--http-allow`.
fn egress(bytes: &mut Unstructured<'_>) -> Result<bool> {
    let host = host(bytes)?;
    let before = *bytes.choose(&["", "user@", "user:1.2.3.4@", "9.9.9.9@", "a%40"])?;
    let after = *bytes.choose(&["", ":80", ":443", ":22", "?@9.9.9.9", "#@a", "\\@9.9.9.9"])?;
    let scheme = *bytes.choose(&["http://", "https://", "HTTP:\\\\", "http:/"])?;
    let Ok(url) = Url::parse(&format!("{scheme}{before}{host}{after}/x")) else {
        return Ok(false);
    };
    let judged = Egress::default()
        .check(&url)
        .now_or_never()
        .expect("a node without own services waits for nothing");
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        // The resolver judges a name.
        _ => return Ok(false),
    };
    if judged.is_ok() {
        assert!(is_public(ip), "{url} is let through");
        assert_ne!(url.port(), Some(22), "{url} is let through");
    }
    Ok(judged.is_ok())
}

/// A delay is the number that was written, or the distance of two dates.
fn retry_after_header(bytes: &mut Unstructured<'_>) -> Result<bool> {
    let mut headers = HeaderMap::new();
    let digits = pieces(bytes, &["0", "7", "9", "99999999", " ", "-", "+", "."], 6)?;
    headers.insert(
        RETRY_AFTER,
        HeaderValue::from_str(&digits).expect("a value"),
    );
    let trimmed = digits.trim();
    let is_number = !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit());
    let expected = is_number.then(|| {
        let seconds = trimmed.bytes().try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        seconds.map_or(Duration::MAX, Duration::from_secs)
    });
    assert_eq!(retry_after(&headers), expected, "{digits:?}");

    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let (now, until) = (
        at(bytes.int_in_range(0..=253_402_300_799)?),
        at(bytes.int_in_range(0..=253_402_300_799)?),
    );
    let date = |instant| HeaderValue::from_str(&httpdate::fmt_http_date(instant)).expect("a date");
    headers.insert(RETRY_AFTER, date(until));
    headers.insert(DATE, date(now));
    let distance = until.duration_since(now).unwrap_or_default();
    assert_eq!(retry_after(&headers), Some(distance));
    Ok(is_number)
}

/// Below the base path is what begins with it and a slash; the rest of the address stays.
fn base_paths(bytes: &mut Unstructured<'_>) -> Result<bool> {
    const NAMES: [&str; 9] = ["/", "/a", "/b.c", "a", "/..", "/%61", "//", "/é", "/a~_-"];
    let Ok(base) = base_path(&pieces(bytes, &NAMES, 3)?) else {
        return Ok(false);
    };
    assert!(
        base.is_empty() || base.starts_with('/') && !base.ends_with('/'),
        "{base}"
    );
    let rest = pieces(bytes, &["/", "/a", "a", "/%2F", "//", "?x=/a", ";"], 4)?;
    let Ok(uri) = format!("{base}{rest}").parse::<Uri>() else {
        return Ok(false);
    };
    let (path, query) = rest
        .split_once('?')
        .map_or((&*rest, None), |(path, query)| (path, Some(query)));
    let expected = match path {
        _ if base.is_empty() => None,
        "" => Some("/"),
        path if path.starts_with('/') => Some(path),
        _ => None,
    };
    let below = without_base_path(&base, &uri);
    assert_eq!(
        below.as_ref().map(Uri::path),
        expected,
        "{uri} below {base}"
    );
    if let Some(below) = below {
        assert_eq!(below.query(), query, "{uri} below {base}");
        return Ok(true);
    }
    Ok(false)
}

/// The text in place of which a mask must stand.
const CANARY: &str = "canary";

/// A JSON value, and the same with masks. Names of secrets are spelled in all ways of JSON.
fn masked(bytes: &mut Unstructured<'_>, room: u8) -> Result<(String, Value)> {
    const NAMES: [(&str, &str, bool); 9] = [
        ("\"token\"", "token", true),
        ("\"\\u0074oken\"", "token", true),
        ("\"api\\u004bey\"", "apiKey", true),
        ("\"X-Api-Key\"", "X-Api-Key", true),
        ("\"PASS\\u0057ORD\"", "PASSWORD", true),
        ("\"monkey\"", "monkey", false),
        ("\"tokens\"", "tokens", false),
        ("\"\"", "", false),
        ("\"\\u0000\"", "\u{0}", false),
    ];
    Ok(match bytes.int_in_range(0..=5_u8)? {
        0 if room > 0 => {
            let (mut text, mut fields) = (Vec::new(), Map::new());
            for _ in 0..bytes.int_in_range(0..=3_u8)? {
                let (written, name, is_secret) = *bytes.choose(&NAMES)?;
                // The same name twice is another question.
                if fields.contains_key(name) {
                    continue;
                }
                if is_secret {
                    let secret = json!([CANARY, {"n": 1}]).to_string();
                    text.push(format!("{written}:{secret}"));
                    fields.insert(name.to_owned(), json!("********"));
                } else {
                    let (inner, value) = masked(bytes, room - 1)?;
                    text.push(format!("{written}:{inner}"));
                    fields.insert(name.to_owned(), value);
                }
            }
            (format!("{{{}}}", text.join(",")), Value::Object(fields))
        }
        1 if room > 0 => {
            let (mut text, mut items) = (Vec::new(), Vec::new());
            for _ in 0..bytes.int_in_range(0..=3_u8)? {
                let (inner, value) = masked(bytes, room - 1)?;
                text.push(inner);
                items.push(value);
            }
            (format!("[{}]", text.join(",")), Value::Array(items))
        }
        2 => ("\"token\"".to_owned(), json!("token")),
        3 => ("null".to_owned(), Value::Null),
        4 => ("17".to_owned(), json!(17)),
        _ => ("\"\\u006bey\"".to_owned(), json!("key")),
    })
}

/// Exactly the values of the names of secrets are hidden, however the names are spelled.
fn masks(bytes: &mut Unstructured<'_>) -> Result<bool> {
    let words = ["token", "Key", "password"].map(str::to_owned);
    let (text, expected) = masked(bytes, 3)?;
    let hidden = Masks::new(&words).hide_text(&text).expect("JSON");
    let is_hidden = hidden.is_some();
    let shown = hidden.unwrap_or_else(|| text.clone());
    assert!(!shown.contains(CANARY), "{text} is shown as {shown}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown, expected, "{text}");
    Ok(is_hidden)
}
