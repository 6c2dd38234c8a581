//! The same questions to others: a walk through every minute of the wall clock
//! with jiff, the crate `cron` itself, and croner.

use super::{CronOptions, CronSchedule, at, cron, in_zone, parse};
use crate::Timestamp;
use crate::cron::{DstGap, DstOverlap};
use crate::zone::tests::jiff as jiff_zone;
use chrono::TimeDelta;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::iter::successors;

/// One of each kind: both hemispheres, gaps at midnight, half hours, quarter
/// hours, none, an island that left out a day, a base that moves by two hours.
const ZONES: [&str; 14] = [
    "America/New_York",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/St_Johns",
    "Pacific/Apia",
    "America/Havana",
    "Pacific/Chatham",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Antarctica/Troll",
    "UTC",
];

fn between(schedule: &CronSchedule, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let times = successors(schedule.next_after(from - TimeDelta::seconds(1)), |last| {
        schedule.next_after(*last)
    });
    times.take_while(|time| *time < to).collect()
}

/// What the rule of semantics §7 says, minute by minute: no search, no periods.
struct Walk<'a> {
    matches: &'a dyn Fn(DateTime) -> bool,
    zone: &'a TimeZone,
    gap: DstGap,
    /// Whether the hours are `*`, so that nothing is made up for a gap.
    every_hour: bool,
    /// First and second.
    passes: (bool, bool),
}

impl Walk<'_> {
    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut found = BTreeSet::new();
        let civil = |time: Timestamp| {
            jiff::Timestamp::constant(time.timestamp(), 0)
                .to_zoned(TimeZone::UTC)
                .datetime()
        };
        let mut wall = civil(from - TimeDelta::hours(40));
        while wall < civil(to + TimeDelta::hours(40)) {
            if (self.matches)(wall) {
                found.extend(self.instants(wall));
            }
            wall = wall.checked_add(1.minute()).expect("in range");
        }
        found
            .into_iter()
            .filter(|time| (from..to).contains(time))
            .collect()
    }

    fn instants(&self, wall: DateTime) -> Vec<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        let by = |offset: jiff::tz::Offset| offset.to_timestamp(wall).expect("in range");
        let instants = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => vec![by(offset)],
            AmbiguousOffset::Fold { before, after } => {
                let passes = [
                    self.passes.0.then(|| by(before)),
                    self.passes.1.then(|| by(after)),
                ];
                passes.into_iter().flatten().collect()
            }
            AmbiguousOffset::Gap { before, .. } => match self.gap {
                DstGap::Skip => vec![],
                DstGap::ShiftByGap => vec![by(before)],
                DstGap::RunAtGapEnd if self.every_hour => vec![],
                DstGap::RunAtGapEnd => {
                    let just_before = by(before) - SignedDuration::from_hours(25);
                    let mut changes = self
                        .zone
                        .following(just_before)
                        .map(|change| change.timestamp());
                    let moves = |change: &jiff::Timestamp| {
                        let earlier = *change - SignedDuration::from_secs(1);
                        self.zone.to_offset(*change) > self.zone.to_offset(earlier)
                    };
                    vec![changes.rfind_before(by(before), &moves)]
                }
            },
        };
        instants
            .iter()
            .map(|time| Timestamp::from_timestamp(time.as_second(), 0).expect("in range"))
            .collect()
    }
}

/// The last change of the clock forward at or before an instant.
trait LastChange {
    fn rfind_before(
        &mut self,
        end: jiff::Timestamp,
        moves: &dyn Fn(&jiff::Timestamp) -> bool,
    ) -> jiff::Timestamp;
}

impl<I: Iterator<Item = jiff::Timestamp>> LastChange for I {
    fn rfind_before(
        &mut self,
        end: jiff::Timestamp,
        moves: &dyn Fn(&jiff::Timestamp) -> bool,
    ) -> jiff::Timestamp {
        self.take_while(|change| *change <= end)
            .filter(moves)
            .last()
            .expect("a gap has a change")
    }
}

/// Which days a walk shall find, told without any code of the module.
#[derive(Debug, Clone, Copy)]
enum Day {
    Every,
    Weekday(u32),
    OfMonth(u32),
    Last,
}

fn day_matches(day: Day, wall: DateTime) -> bool {
    match day {
        Day::Every => true,
        Day::Weekday(day) => i64::from(wall.weekday().to_sunday_zero_offset()) == i64::from(day),
        Day::OfMonth(day) => i64::from(wall.day()) == i64::from(day),
        Day::Last => wall.day() == wall.days_in_month(),
    }
}

fn day_text(day: Day) -> String {
    match day {
        Day::Every => "* * ?".to_owned(),
        Day::Weekday(day) => format!("? * {}", day + 1),
        Day::OfMonth(day) => format!("{day} * ?"),
        Day::Last => "L * ?".to_owned(),
    }
}

fn day() -> impl Strategy<Value = Day> {
    prop_oneof![
        4 => Just(Day::Every),
        2 => (0_u32..7).prop_map(Day::Weekday),
        1 => (1_u32..=31).prop_map(Day::OfMonth),
        1 => Just(Day::Last),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Four days around each of the next four changes of the clock, and four more.
    #[test]
    fn a_walk_through_every_minute_finds_the_same(
        minutes in prop::collection::btree_set(0_u32..60, 1..4), hours in prop::collection::btree_set(0_u32..5, 1..4),
        all_hours in any::<bool>(), stepped in any::<bool>(), day in day(), year in 2010_i64..2060,
        gap in prop_oneof![Just(DstGap::RunAtGapEnd), Just(DstGap::Skip), Just(DstGap::ShiftByGap)],
        overlap in prop_oneof![Just(DstOverlap::Auto), Just(DstOverlap::First), Just(DstOverlap::Second), Just(DstOverlap::Both)],
        name in prop::sample::select(&ZONES[..]),
    ) {
        let text = |numbers: &BTreeSet<u32>| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let minute_text = if stepped { "0/20".to_owned() } else { text(&minutes) };
        let hour_text = if all_hours { "*".to_owned() } else { text(&hours) };
        let expression = format!("0 {minute_text} {hour_text} {}", day_text(day));
        let options = CronOptions { dst_gap: gap, dst_overlap: overlap, ..in_zone(name) };
        let schedule = parse(&expression, &options);
        let matches = |wall: DateTime| {
            let (minute, hour) = (u32::try_from(wall.minute()).expect("≥ 0"), u32::try_from(wall.hour()).expect("≥ 0"));
            (if stepped { minute % 20 == 0 } else { minutes.contains(&minute) })
                && (all_hours || hours.contains(&hour)) && day_matches(day, wall)
        };
        let passes = match overlap {
            DstOverlap::Auto if all_hours || stepped => (true, true),
            DstOverlap::Auto | DstOverlap::First => (true, false),
            DstOverlap::Second => (false, true),
            DstOverlap::Both => (true, true),
        };
        let zone = jiff_zone(name);
        let walk = Walk { matches: &matches, zone: &zone, gap, every_hour: all_hours, passes };
        let start = at("1970-01-02T00:00:00Z") + TimeDelta::days((year - 1970) * 365);
        let first = jiff::Timestamp::constant(start.timestamp(), 0);
        let changes = zone.following(first).map(|change| change.timestamp().as_second()).take(4);
        for second in changes.chain([start.timestamp()]) {
            let middle = Timestamp::from_timestamp(second, 0).expect("in range");
            let (from, to) = (middle - TimeDelta::days(2), middle + TimeDelta::days(2));
            prop_assert_eq!(between(&schedule, from, to), walk.between(from, to), "{} in {}", expression, name);
        }
    }

    #[test]
    fn the_crate_finds_the_same_where_it_can(
        second in 0_u32..60, minutes in 1_u32..60, hour in 0_u32..24, month in 1_u32..=12, day in 1_u32..=7,
        after in 0_i64..4_000_000_000,
    ) {
        let after = Timestamp::from_timestamp(after, 0).expect("in range");
        for expression in [
            format!("{second} */{minutes} {hour} ? {month} {day}"),
            format!("{second},59 {minutes} * {day},28-31 */{day} ?"),
            format!("*/{minutes} * {hour}-23/{day} {month}-31 * ?"),
        ] {
            let theirs: cron::Schedule = expression.parse().expect("plain");
            let ours = cron(&expression);
            let times = successors(ours.next_after(after), |last| ours.next_after(*last));
            prop_assert!(times.take(20).eq(theirs.after(&after).take(20)), "{} after {}", expression, after);
        }
    }
}

/// A year of each expression in each zone.
#[test]
fn croner_finds_the_same_in_a_year_of_fourteen_zones() {
    let expressions = [
        "0 30 2 * * ?",
        "0 30 1 * * ?",
        "0 0 0 * * ?",
        "0 */30 * * * ?",
        "0 0 * * * ?",
        "0 0 */2 * * ?",
        "0 7 * * * ?",
        "0 30 1-3 * * ?",
        "0 15 2 ? * MON-FRI",
        "0 0 12 15W * ?",
        "0 45 23 L * ?",
        "0 5 0 LW * ?",
        "0 30 9 ? * 6L",
        "0 30 9 ? * 6#3",
        "0 30 2 ? * 6#L",
        "0 30 2 13 * +6",
        "0 0 3 1 */3 ?",
        "*/30 59 23 28-31 * ?",
    ];
    let parser = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    let (from, to) = (at("2026-11-23T00:00:00Z"), at("2027-11-23T00:00:00Z"));
    let mut compared = 0;
    for name in ZONES {
        let zone = jiff_zone(name);
        for expression in expressions {
            let theirs = parser.parse(expression).expect(expression);
            let ours = between(&parse(expression, &in_zone(name)), from, to);
            let start = jiff::Timestamp::constant(from.timestamp() - 1, 0).to_zoned(zone.clone());
            let mut times = theirs
                .iter_after(start)
                .map(|time| time.timestamp().as_second());
            for time in ours.iter().map(Timestamp::timestamp) {
                assert_eq!(times.next(), Some(time), "{expression} in {name}");
            }
            assert!(
                times.next().is_some_and(|time| time >= to.timestamp()),
                "{expression} in {name}: one more"
            );
            compared += ours.len();
        }
    }
    assert!(compared > 400_000, "{compared}");
}

#[test]
fn croner_finds_the_same_days_of_five_fields() {
    let parser = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .build();
    let start = jiff::Timestamp::constant(at("2026-11-23T00:00:00Z").timestamp(), 0)
        .to_zoned(TimeZone::UTC);
    for expression in [
        "30 9 * * MON#1,MON#3",
        "30 9 * * 1,2,3#1",
        "30 9 * * MON#L,FRI#L",
        "30 9 * * FRI#L",
        "30 9 * * 6-7#L",
        "30 9 * * MON-FRI#2",
        "30 9 13 * +FRI",
        "30 9 1-7 * +MON,TUE",
        "30 9 L * +FRI#L",
        "30 9 1,15,L * SUN#L",
        "30 9 5,L * 7#2",
        "30 9 1 * FRI#L,MON#1",
        "30 9 ? * FRI",
        "30 9 13 * FRI",
    ] {
        let theirs = parser.parse(expression).expect(expression);
        let ours = cron(expression);
        let times = successors(ours.next_after(at("2026-11-23T00:00:00Z")), |last| {
            ours.next_after(*last)
        });
        let times = times.take(100).map(|time| time.timestamp());
        assert!(
            times.eq(theirs
                .iter_after(start.clone())
                .take(100)
                .map(|time| time.timestamp().as_second())),
            "{expression}"
        );
    }
}
