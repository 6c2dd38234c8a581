//! What calendars judge.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn calendar(zone: &str, rules: serde_json::Value) -> Result<Calendar, CalendarError> {
    let rules = serde_json::from_value(rules).expect("rules");
    Calendar::new("test", Zone::named(zone).expect("a zone"), &rules)
}

fn utc(rules: serde_json::Value) -> Calendar {
    calendar("UTC", rules).expect("valid")
}

fn is_open(calendar: &Calendar, times: &[&str]) -> Vec<bool> {
    times
        .iter()
        .map(|time| calendar.is_open(at(time)))
        .collect()
}

#[test]
fn what_is_excluded_does_not_count_and_everything_else_does() {
    let holidays =
        utc(serde_json::json!({"excludeDates": ["12-25", "2026-04-03", "2026-12-24/2027-01-01"]}));
    let times = [
        "2030-12-25T10:00:00Z",
        "2026-04-03T23:59:59Z",
        "2027-04-03T00:00:00Z",
        "2026-12-31T12:00:00Z",
    ];
    assert_eq!(is_open(&holidays, &times), [false, false, true, false]);
    let weekdays = utc(
        serde_json::json!({"excludeWeekdays": ["SATURDAY", "SUNDAY"], "includeDates": ["2026-11-28"]}),
    );
    let times = [
        "2026-11-27T10:00:00Z",
        "2026-11-28T10:00:00Z",
        "2026-11-29T10:00:00Z",
    ];
    assert_eq!(
        is_open(&weekdays, &times),
        [true, true, false],
        "a date beats a weekday"
    );
}

#[test]
fn what_is_included_is_all_that_counts() {
    let workdays =
        utc(serde_json::json!({"includeWeekdays": ["MONDAY"], "excludeDates": ["2026-11-30"]}));
    let times = [
        "2026-11-23T10:00:00Z",
        "2026-11-24T10:00:00Z",
        "2026-11-30T10:00:00Z",
    ];
    assert_eq!(is_open(&workdays, &times), [true, false, false]);
    let trading = utc(serde_json::json!({"includeDates": ["2026-11-24", "2026-11-26/2026-11-27"]}));
    let times = [
        "2026-11-24T10:00:00Z",
        "2026-11-25T10:00:00Z",
        "2026-11-27T10:00:00Z",
    ];
    assert_eq!(is_open(&trading, &times), [true, false, true]);
}

#[test]
fn windows_are_half_open_local_and_may_pass_midnight() {
    let office = calendar(
        "Europe/Berlin",
        serde_json::json!({"includeWindows": [{"from": "09:00", "to": "17:30"}], "excludeWindows": [{"from": "12:00", "to": "13:00"}]}),
    );
    let office = office.expect("valid");
    let times = [
        "07:59:59", "08:00:00", "10:59:59", "11:00:00", "12:00:00", "16:29:59", "16:30:00",
    ];
    let times = times.map(|time| format!("2026-11-24T{time}Z"));
    let open: Vec<bool> = times.iter().map(|time| office.is_open(at(time))).collect();
    assert_eq!(open, [false, true, true, false, true, true, false]);
    let night = utc(
        serde_json::json!({"excludeWindows": [{"from": "22:00", "to": "06:00", "weekdays": ["FRIDAY"]}]}),
    );
    let times = [
        "2026-11-27T23:00:00Z",
        "2026-11-28T05:59:59Z",
        "2026-11-28T06:00:00Z",
        "2026-11-28T23:00:00Z",
    ];
    assert_eq!(
        is_open(&night, &times),
        [false, false, true, true],
        "it belongs to the day it began"
    );
    assert!(
        utc(serde_json::json!({"includeWindows": [{"from": "00:00", "to": "24:00"}]}))
            .is_open(at(times[0]))
    );
}

#[test]
fn a_closed_calendar_opens_at_an_edge_or_never() {
    let weekdays = calendar(
        "America/New_York",
        serde_json::json!({"excludeWeekdays": ["SATURDAY", "SUNDAY"]}),
    );
    let opens = weekdays
        .expect("valid")
        .open_again(at("2026-03-07T12:00:00Z"), Timestamp::MAX_UTC);
    assert_eq!(
        opens,
        Some(at("2026-03-09T04:00:00Z")),
        "the clock went forward in between"
    );
    let spring = calendar(
        "America/New_York",
        serde_json::json!({"includeWindows": [{"from": "02:30", "to": "04:00"}]}),
    );
    let opens = spring
        .expect("valid")
        .open_again(at("2026-03-08T05:00:00Z"), Timestamp::MAX_UTC);
    assert_eq!(
        opens,
        Some(at("2026-03-08T07:00:00Z")),
        "02:30 does not exist: the window opens at the end of the gap"
    );
    let never = utc(serde_json::json!({"includeDates": ["2020-01-01"]}));
    let now = at("2026-11-24T00:00:00Z");
    assert_eq!(never.open_again(now, Calendar::sight(now)), None);
}

#[test]
fn a_closed_season_is_leapt_over_whatever_the_number_of_windows() {
    let half_hours: Vec<_> = (0..24)
        .map(|hour| serde_json::json!({"from": format!("{hour:02}:00"), "to": format!("{hour:02}:30")}))
        .collect();
    let season = utc(
        serde_json::json!({"excludeWindows": half_hours, "excludeDates": ["2026-11-29/2027-02-28"]}),
    );
    let now = at("2026-11-29T10:00:00Z");
    assert_eq!(
        season.open_again(now, Calendar::sight(now)),
        Some(at("2027-03-01T00:30:00Z"))
    );
    let leap_days = utc(serde_json::json!({"includeDates": ["02-29"]}));
    let now = at("2096-03-01T00:00:00Z");
    assert_eq!(
        leap_days.open_again(now, Calendar::sight(now)),
        Some(at("2104-02-29T00:00:00Z"))
    );
}

#[test]
fn rules_that_overlap_are_one_rule() {
    let dates = [
        "2026-01-10/2026-01-20",
        "2026-01-01/2026-01-31",
        "2026-01-15",
        "2026-01-31/2026-02-02",
    ];
    let windows: Vec<_> = [
        ("08:00", "12:00"),
        ("09:00", "10:00"),
        ("11:00", "13:00"),
        ("22:00", "02:00"),
    ]
    .iter()
    .map(|(from, to)| serde_json::json!({"from": from, "to": to}))
    .collect();
    let calendar = utc(serde_json::json!({"excludeDates": dates, "excludeWindows": windows}));
    let times = [
        "2025-12-31T15:00:00Z",
        "2026-01-25T15:00:00Z",
        "2026-02-02T15:00:00Z",
        "2026-02-03T15:00:00Z",
    ];
    assert_eq!(is_open(&calendar, &times), [true, false, false, true]);
    let times = [
        "01:59:59", "02:00:00", "08:00:00", "10:30:00", "12:59:59", "13:00:00", "21:59:59",
        "22:00:00",
    ];
    let times = times.map(|time| format!("2026-03-02T{time}Z"));
    let open: Vec<bool> = times
        .iter()
        .map(|time| calendar.is_open(at(time)))
        .collect();
    assert_eq!(open, [false, true, false, false, false, true, true, false]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let cases = [
        (
            "excludeDates.0",
            serde_json::json!({"excludeDates": ["25.12.2026"]}),
        ),
        (
            "excludeDates.1",
            serde_json::json!({"excludeDates": ["12-25", "2026-02-30"]}),
        ),
        (
            "includeDates.0",
            serde_json::json!({"includeDates": ["2026-12-25/2026-12-24"]}),
        ),
        (
            "includeDates.0",
            serde_json::json!({"includeDates": ["\u{202e}"]}),
        ),
        (
            "excludeWindows.0.from",
            serde_json::json!({"excludeWindows": [{"from": "25:00", "to": "26:00"}]}),
        ),
        (
            "includeWindows.0.from",
            serde_json::json!({"includeWindows": [{"from": "9", "to": "17:00"}]}),
        ),
        (
            "excludeDates",
            serde_json::json!({"excludeDates": vec!["12-25"; 1_001]}),
        ),
    ];
    for (field, rules) in cases {
        assert_eq!(calendar("UTC", rules).expect_err(field).field, field);
    }
}

proptest! {
    /// What is prepared of windows that overlap is what they say one by one.
    #[test]
    fn windows_count_as_they_say(
        included in prop::collection::vec((0_i64..24, 0_i64..24, prop::array::uniform7(any::<bool>())), 0..4),
        excluded in prop::collection::vec((0_i64..24, 0_i64..24, prop::array::uniform7(any::<bool>())), 0..4),
        day in 0_usize..7, hour in 0_i64..24,
    ) {
        let windows = |hours: &[(i64, i64, [bool; 7])]| -> Vec<Window> {
            hours.iter().map(|(from, to, weekdays)| Window { from: from * 3_600, to: to * 3_600, weekdays: *weekdays }).collect()
        };
        let (included, excluded) = (windows(&included), windows(&excluded));
        let second = hour * 3_600;
        let holds = |window: &Window| {
            let over_midnight = window.to <= window.from;
            let today = window.weekdays[day] && second >= window.from && (over_midnight || second < window.to);
            today || over_midnight && window.weekdays[(day + 6) % 7] && second < window.to
        };
        let counts = (included.is_empty() || included.iter().any(holds)) && !excluded.iter().any(holds);
        let open = open_stretches(day, &included, &excluded);
        prop_assert_eq!(open.iter().any(|stretch| stretch.contains(&second)), counts);
    }

    /// Minute by minute: the next opening is the first open minute.
    #[test]
    fn the_next_opening_is_the_first_open_minute(
        start in 0_i64..525_600, from in 0_u32..1_440, to in 0_u32..1_440, day in 0_usize..7, zone in 0_usize..4,
    ) {
        let zone = ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"][zone];
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let day = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"][day];
        let rules = serde_json::json!({
            "excludeWeekdays": [day], "includeWindows": [{"from": time(from), "to": time(to)}],
        });
        let calendar = calendar(zone, rules).expect("valid");
        let start = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(start);
        let minutes = (1..=4 * 1_440).map(|minute| start + TimeDelta::minutes(minute));
        let first = minutes.into_iter().find(|minute| calendar.is_open(*minute));
        // Asked of a closed instant, as the schedules do.
        prop_assume!(!calendar.is_open(start));
        prop_assert_eq!(calendar.open_again(start, Calendar::sight(start)), first);
    }
}
