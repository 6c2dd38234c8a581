//! Time zones: IANA names and their offsets from UTC.
//!
//! A zone is a list of periods, each with one offset from UTC. Two periods meet at a clock change:
//! forward it leaves a gap in the local times, backward an overlap. The list reaches from 1970 to
//! 2200 and is read once per zone and process. A schedule uses nothing else: no search through
//! rules, and no answer that changes while a process runs.
//!
//! The rules come from the newer of two tz databases, that of the system and the one inside this
//! crate, or from the directory of `TZDIR`. The crate jiff reads them. chrono-tz is not used: its
//! data were a year and a half old in November 2026, so 15 zones were wrong by an hour.
//!
//! ```
//! use horolog_schedule::zone::{Zone, ZoneHint};
//!
//! let zone = Zone::named("europe/berlin")?;
//! assert_eq!(zone.name(), "Europe/Berlin");
//! assert_eq!(zone.local("2026-07-01T12:00:00Z".parse()?).to_rfc3339(), "2026-07-01T14:00:00+02:00");
//!
//! let refused = Zone::named("Berlin").unwrap_err();
//! assert_eq!(refused.hint, ZoneHint::Alike(vec!["Europe/Berlin"]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod tzdb;

pub use self::error::{ZoneError, ZoneHint};
pub use self::tzdb::{tzdb_edition, tzdb_version};

use crate::Timestamp;
use chrono::{DateTime, FixedOffset, Offset, Utc};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use uuid::Uuid;

/// Longest name that is searched; the longest name of IANA has 32 characters.
const NAME_CHARS_MAX: usize = 64;
/// Start of the list, 1969-12-31T00:00:00Z: no schedule fires before 1970.
const SECOND_MIN: i64 = -86_400;
/// End of the list, 2200-01-02T00:00:00Z: no schedule fires after 2199.
const SECOND_MAX: i64 = 7_258_204_800;
/// 2026-01-01T00:00:00Z. A correction of earlier rules changes no coming fire time. The constant
/// never changes: another start would be another hash of the same rules.
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
/// Zones in use, by the spelling of the tz database; its size bounds the map.
static ZONES: LazyLock<Mutex<HashMap<String, Zone>>> = LazyLock::new(Mutex::default);

/// An IANA time zone; a clone shares its rules. UTC by default.
#[derive(Clone)]
pub struct Zone(Arc<Rules>);

struct Rules {
    name: String,
    /// Never empty; the first starts at `i64::MIN`.
    periods: Vec<Period>,
    hash: i64,
}

struct Period {
    /// The first second, counted from 1970 in UTC.
    start: i64,
    /// Local time minus UTC, in seconds.
    offset: i64,
}

/// A period with the offsets around it, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first second in UTC.
    pub start: i64,
    /// The first second in UTC of the next period.
    pub end: i64,
    /// Local time minus UTC.
    pub offset: i64,
    /// The offset of the period before; its own, if there is none.
    pub offset_before: i64,
    /// The offset of the period after; its own, if there is none.
    pub offset_after: i64,
}

impl Zone {
    /// The zone of an IANA name, in any case. Links such as `US/Eastern` are accepted; offsets and
    /// POSIX rules are not.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::default());
        }
        let name = well_formed(name)
            .and_then(tzdb::canonical_name)
            .ok_or_else(|| ZoneError::new(name))?;
        // A thread that panicked left the map whole: it only inserts complete zones.
        let mut zones = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = zones.get(&name) {
            return Ok(zone.clone());
        }
        let rules = tzdb::read(&name).ok_or_else(|| ZoneError::new(&name))?;
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
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A hash of the rules from 2026 on. It is equal on two machines if their tz databases have the
    /// same rules, in any packaging and under any name. UTC has 0: no tz database changes it.
    pub fn rules_hash(&self) -> i64 {
        self.0.hash
    }

    /// The instant with the offset of the zone's clocks.
    pub fn local(&self, time: Timestamp) -> DateTime<FixedOffset> {
        let offset = self.stretch(self.index_at(time.timestamp())).offset;
        let offset = i32::try_from(offset).ok().and_then(FixedOffset::east_opt);
        time.with_timezone(&offset.unwrap_or_else(|| Utc.fix()))
    }

    /// The index of the period of a second of UTC.
    pub(crate) fn index_at(&self, second: i64) -> usize {
        self.0
            .periods
            .partition_point(|period| period.start <= second)
            .saturating_sub(1)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.periods.len()
    }

    /// A period by the index, which must be below `len`.
    pub(crate) fn stretch(&self, index: usize) -> Stretch {
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

/// The name, if it can be a relative path below a directory of zones.
fn well_formed(name: &str) -> Option<&str> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-+/".contains(&byte));
    let parts = name.split('/').all(|part| !part.is_empty());
    // Other entries of that directory: the zone of the system, two copies of all zones, and a
    // placeholder.
    let special = ["posix/", "right/", "localtime", "posixrules", "factory"];
    let lower = name.to_ascii_lowercase();
    let special = special.iter().any(|special| lower.starts_with(special));
    (letters && parts && !special && name.len() <= NAME_CHARS_MAX).then_some(name)
}

fn periods(rules: &jiff::tz::TimeZone) -> Vec<Period> {
    let start = jiff::Timestamp::constant(SECOND_MIN, 0);
    let mut periods = vec![Period {
        start: i64::MIN,
        offset: i64::from(rules.to_offset(start).seconds()),
    }];
    for change in rules.following(start) {
        let start = change.timestamp().as_second();
        let offset = i64::from(change.offset().seconds());
        if start >= SECOND_MAX {
            break;
        }
        // A change of the zone's abbreviation alone moves no clock.
        if periods.last().is_some_and(|last| last.offset != offset) {
            periods.push(Period { start, offset });
        }
    }
    periods
}

fn hash(periods: &[Period]) -> i64 {
    let later = periods.partition_point(|period| period.start <= HASHED_FROM);
    let mut changes: Vec<u8> = Vec::new();
    for (index, period) in periods[later.saturating_sub(1)..].iter().enumerate() {
        // The first period may have started at any time before.
        let start = if index == 0 {
            HASHED_FROM
        } else {
            period.start
        };
        changes.extend(start.to_be_bytes());
        changes.extend(period.offset.to_be_bytes());
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &changes)
        .as_u64_pair()
        .0
        .cast_signed()
}

#[cfg(test)]
pub(crate) mod tests;
