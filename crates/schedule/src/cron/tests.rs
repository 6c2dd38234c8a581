//! What a cron expression promises, as tables; Quartz itself, changes of the
//! clock, other evaluators and random input are asked in the files below.

mod dst;
mod foreign;
mod oracle;
mod quartz;
mod random;
mod refusals;
mod words;

use super::{CronError, CronOptions, CronSchedule};
use crate::Timestamp;
use chrono::{Datelike, TimeDelta, Timelike};
use std::collections::BTreeSet;
use uuid::Uuid;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn in_zone(zone: &str) -> CronOptions {
    CronOptions {
        zone: zone.parse().expect(zone),
        ..CronOptions::default()
    }
}

fn parse(expression: &str, options: &CronOptions) -> CronSchedule {
    CronSchedule::parse(expression, options).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn cron(expression: &str) -> CronSchedule {
    parse(expression, &CronOptions::default())
}

fn refusal(expression: &str) -> String {
    let parsed = CronSchedule::parse(expression, &CronOptions::default());
    parsed.map_or_else(
        |error| error.to_string(),
        |_| panic!("{expression:?} was accepted"),
    )
}

fn fire_times(expression: &str, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let schedule = cron(expression);
    std::iter::successors(schedule.next_after(after), |last| {
        schedule.next_after(*last)
    })
    .take(count)
    .collect()
}

/// Days of the first two weeks of June 2026 (the 1st is a Monday) that fire.
fn june_days(expression: &str) -> Vec<u32> {
    let end = at("2026-06-15T00:00:00Z");
    let times = fire_times(expression, at("2026-05-31T23:59:59Z"), 20);
    times
        .into_iter()
        .take_while(|time| *time < end)
        .map(|time| time.day())
        .collect()
}

#[test]
fn expressions_name_the_expected_next_fire_time() {
    // After Monday, 2026-11-23T07:15:30Z.
    let cases = [
        ("* * * * *", "2026-11-23T07:16:00Z"),
        ("0 2 * * *", "2026-11-24T02:00:00Z"),
        ("  0 2 * * *\n", "2026-11-24T02:00:00Z"),
        ("0\t2  *\t*  *", "2026-11-24T02:00:00Z"),
        ("0 */24 * * *", "2026-11-24T00:00:00Z"),
        ("5/20 * * * *", "2026-11-23T07:25:00Z"),
        ("*,30 * * * *", "2026-11-23T07:16:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("0 9 * * mon-Fri", "2026-11-23T09:00:00Z"),
        ("0 9 * jan MONDAY", "2027-01-04T09:00:00Z"),
        ("0 0 13 * fri", "2026-11-27T00:00:00Z"),
        ("0/10 * * * * ?", "2026-11-23T07:15:40Z"),
        ("/15 * * * * ?", "2026-11-23T07:15:45Z"),
        ("0 /15 * * * ?", "2026-11-23T07:30:00Z"),
        ("* * * * * *", "2026-11-23T07:15:31Z"),
        ("0 0 12 15 * *", "2026-12-15T12:00:00Z"),
        ("0 0 12 * * 1", "2026-11-29T12:00:00Z"),
        ("0 0 12 ? * 7", "2026-11-28T12:00:00Z"),
        ("0 0 22-2/2 * * ?", "2026-11-23T22:00:00Z"),
        ("0 0 0 30-2 * ?", "2026-11-30T00:00:00Z"),
        ("0 0 0 1 1 ? 2030/5", "2030-01-01T00:00:00Z"),
        ("0 0 0 1 1 ? 2100", "2100-01-01T00:00:00Z"),
        ("@hourly", "2026-11-23T08:00:00Z"),
        ("@daily", "2026-11-24T00:00:00Z"),
        ("@MIDNIGHT", "2026-11-24T00:00:00Z"),
        ("@weekly", "2026-11-29T00:00:00Z"),
        ("@monthly", "2026-12-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ];
    for (expression, next) in cases {
        let schedule = cron(expression);
        assert_eq!(
            schedule.next_after(at("2026-11-23T07:15:30Z")),
            Some(at(next)),
            "{expression}"
        );
        assert_eq!(schedule.expression(), expression.trim());
    }
}

#[test]
fn a_fire_time_is_a_whole_second_strictly_after() {
    let every_second = cron("* * * * * ?");
    for after in [
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00.001Z",
        "2026-11-23T10:00:00.500Z",
    ] {
        assert_eq!(
            every_second.next_after(at(after)),
            Some(at("2026-11-23T10:00:01Z")),
            "{after}"
        );
    }
    assert_eq!(
        cron("0 10 * * *").next_after(at("2026-11-23T09:59:59.999Z")),
        Some(at("2026-11-23T10:00:00Z"))
    );
}

#[test]
fn a_schedule_that_cannot_fire_is_refused_and_one_that_is_over_has_no_next() {
    let impossible = [
        "0 0 0 31 2 ?",
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 0 29 2 ? 2027",
        "0 0 0 L-30 2 ?",
        "0 0 0 31W 4 ?",
        "0 0 0 ? 2 1#5 2027",
        "0 0 */31 2 8-14",
    ];
    for expression in impossible.iter().take(7) {
        assert!(
            refusal(expression).starts_with("never fires: no day of the years 1970-2199"),
            "{expression}"
        );
    }
    assert!(refusal(impossible[7]).contains("out of range 0-7"));
    assert_eq!(
        cron("0 0 0 1 1 ? 2020").next_after(at("2026-11-23T07:15:30Z")),
        None
    );
}

#[test]
fn the_ends_of_time_have_a_first_and_no_next() {
    let every_second = cron("* * * * * ?");
    assert_eq!(every_second.next_after(Timestamp::MAX_UTC), None);
    assert_eq!(every_second.next_after(at("2199-12-31T23:59:59Z")), None);
    assert_eq!(
        every_second.next_after(at("2199-12-31T23:59:58Z")),
        Some(at("2199-12-31T23:59:59Z"))
    );
    assert_eq!(
        every_second.next_after(Timestamp::MIN_UTC),
        Some(at("1970-01-01T00:00:00Z"))
    );
    assert_eq!(
        every_second.next_after(at("1969-12-31T23:59:59.9Z")),
        Some(at("1970-01-01T00:00:00Z"))
    );
    for zone in [
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "America/New_York",
    ] {
        let zoned = parse("* * * * * ?", &in_zone(zone));
        assert!(
            zoned
                .next_after(Timestamp::MIN_UTC)
                .is_some_and(|first| first.year() == 1970),
            "{zone}"
        );
        assert_eq!(zoned.next_after(at("2200-01-02T00:00:00Z")), None, "{zone}");
    }
    assert_eq!(
        cron("0 0 29 2 *").next_after(at("2096-02-29T00:00:00Z")),
        Some(at("2104-02-29T00:00:00Z"))
    );
}

#[test]
fn restricted_days_of_unix_are_alternatives() {
    let cases: [(&str, &[u32]); 12] = [
        ("0 0 2,10 * FRI", &[2, 5, 10, 12]),
        ("0 0 1-3 * 3", &[1, 2, 3, 10]),
        ("0 0 5 * FRI", &[5, 12]),
        ("0 0 */5 * *", &[1, 6, 11]),
        ("0 0 */2 * MON", &[1]), // starts with `*`: both must match
        ("0 0 1-7 * */3", &[3, 6, 7]),
        ("0 0 *,5 * FRI", &[5, 12]),
        // `?` is `*` in both fields for days.
        ("0 0 ? * FRI", &[5, 12]),
        ("0 0 5,6 * ?", &[5, 6]),
        (
            "0 0 ? * ?",
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        ),
        ("0 0 1-3 * MON#2,3", &[1, 2, 3, 8, 10]),
        ("0 0 L-27 * MONL", &[3]),
    ];
    for (expression, days) in cases {
        assert_eq!(june_days(expression), days, "{expression}");
    }
}

#[test]
fn a_weekday_with_a_plus_must_match_as_well() {
    let cases: [(&str, &[u32]); 10] = [
        ("0 0 2,5,12 * +FRI", &[5, 12]),
        ("0 0 1-7 * +MON,tue", &[1, 2]),
        ("0 0 6-12 * +5#2", &[12]),
        ("0 0 1-14 * +FRI#1,SUN", &[5, 7, 14]),
        ("0 0 * * +FRI", &[5, 12]),
        ("0 0 12 * +?", &[12]),
        ("0 0 0 5,6 * +FRI", &[5]),
        ("0 0 0 1-13 * +6#2", &[12]),
        ("0 0 0 ? * +FRI", &[5, 12]),
        ("0 0 0 8-14 * +2-4 2026", &[8, 9, 10]),
    ];
    for (expression, days) in cases {
        assert_eq!(june_days(expression), days, "{expression}");
    }
}

#[test]
fn any_white_space_separates() {
    for expression in [
        "0\u{a0}2 * * *",
        "0\u{2009}2\u{202f}* *\u{3000}*",
        "\u{a0}0 2 *\n*\r\n* \u{a0}",
        "0\t2\u{b}*\u{c}* *",
    ] {
        assert_eq!(
            fire_times(expression, at("2026-11-23T07:15:30Z"), 1),
            [at("2026-11-24T02:00:00Z")],
            "{expression:?}"
        );
    }
    assert!(refusal("0\u{a0}99 * * *").starts_with("hours: `99` at position 3"));
}

#[test]
fn a_stored_last_day_of_the_week_is_saturday_as_before() {
    let stored =
        CronSchedule::stored("0 0 * * L", &CronOptions::default()).expect("it was taken once");
    assert_eq!(
        stored.next_after(at("2026-11-23T00:00:00Z")),
        Some(at("2026-11-28T00:00:00Z"))
    );
    refusal("0 0 * * L");
}

#[test]
fn unix_counts_weekdays_from_sunday_0_and_quartz_from_sunday_1() {
    let cases: [(&str, &[u32]); 18] = [
        ("0 0 * * 0", &[7, 14]),
        ("0 0 * * 7", &[7, 14]),
        ("0 0 * * sUn", &[7, 14]),
        ("0 0 * * 1", &[1, 8]),
        ("0 0 * * 6", &[6, 13]),
        ("0 0 * * 5-7", &[5, 6, 7, 12, 13, 14]),
        ("0 0 * * FRI-SUN", &[5, 6, 7, 12, 13, 14]),
        ("0 0 * * 0-1,3", &[1, 3, 7, 8, 10, 14]),
        ("0 0 * * 1-7/3", &[1, 4, 7, 8, 11, 14]),
        ("0 0 * * */2", &[2, 4, 6, 7, 9, 11, 13, 14]),
        ("0 0 * * 2/3", &[2, 5, 9, 12]),
        ("0 0 0 ? * 1", &[7, 14]),
        ("0 0 0 ? * 2", &[1, 8]),
        ("0 0 0 ? * 7", &[6, 13]),
        ("0 0 0 ? * 6-2", &[1, 5, 6, 7, 8, 12, 13, 14]),
        ("0 0 0 ? * SAT-MON/2", &[1, 6, 8, 13]),
        ("0 0 0 ? * 2/3", &[1, 4, 8, 11]),
        ("0 0 0 ? * tue,Thu", &[2, 4, 9, 11]),
    ];
    for (expression, days) in cases {
        assert_eq!(june_days(expression), days, "{expression}");
    }
}

#[test]
fn special_days_are_those_of_quartz() {
    // Days of August 2026 (a Saturday first, a Monday last) and of February 2027 (Monday to
    // Sunday).
    let cases: [(&str, &[u32], &[u32]); 27] = [
        ("L * ?", &[31], &[28]),
        ("l-3 * ?", &[28], &[25]),
        ("L-0 * ?", &[31], &[28]),
        ("L-28 * ?", &[3], &[]),
        ("LW * ?", &[31], &[26]),
        ("L-3W * ?", &[28], &[25]),
        ("L-1W * ?", &[31], &[26]),
        ("L-30W * ?", &[3], &[]),
        ("1W * ?", &[3], &[1]),
        ("15w * ?", &[14], &[15]),
        ("16W * ?", &[17], &[16]),
        ("28W * ?", &[28], &[26]),
        ("30W * ?", &[31], &[]),
        ("31W * ?", &[31], &[]),
        ("L,15 * ?", &[15, 31], &[15, 28]),
        ("1W,15W,20-21 * ?", &[3, 14, 20, 21], &[1, 15, 20, 21]),
        ("? * L", &[1, 8, 15, 22, 29], &[6, 13, 20, 27]),
        ("? * 6L", &[28], &[26]),
        ("? * FRIL", &[28], &[26]),
        ("? * sunl", &[30], &[28]),
        ("? * 2L", &[31], &[22]),
        ("? * 7L", &[29], &[27]),
        ("? * 6#3", &[21], &[19]),
        ("? * FRI#3", &[21], &[19]),
        ("? * 7#5", &[29], &[]),
        ("? * MON#5", &[31], &[]),
        ("* * SUN#1", &[2], &[7]),
    ];
    for (days, august, february) in cases {
        let (expression, options) = (format!("0 0 0 {days}"), CronOptions::default());
        for (month, expected) in [("2026-08", august), ("2027-02", february)] {
            let begin = at(&format!("{month}-01T00:00:00Z")) - TimeDelta::seconds(1);
            let schedule = parse(&expression, &options);
            let times = std::iter::successors(schedule.next_after(begin), |last| {
                schedule.next_after(*last)
            });
            let inside =
                times.take_while(|time| *time < begin + TimeDelta::days(31) && time.day() <= 31);
            let inside = inside.filter(|time| time.month() == (begin + TimeDelta::days(9)).month());
            let found: Vec<_> = inside.map(|time| time.day()).collect();
            assert_eq!(found, expected, "{expression} in {month}");
        }
    }
}

#[test]
fn special_days_go_with_five_fields_and_the_numbers_of_unix() {
    let cases: [(&str, &[u32]); 19] = [
        ("0 0 * * 5#2", &[12]),
        ("0 0 * * FRI#2", &[12]),
        ("0 0 * * 0#1", &[7]),
        ("0 0 * * 7#2", &[14]),
        ("0 0 6W * *", &[5]),
        ("0 0 6W * 5#2", &[5, 12]),
        ("0 0 L-27,2 * *", &[2, 3]),
        ("0 0 */2 * 5#1", &[5]),
        ("0 0 * * MON#1,MON#2", &[1, 8]),
        ("0 0 * * tue#1,7#2", &[2, 14]),
        ("0 0 * * 1,2,3#1", &[1, 2, 3, 8, 9]),
        ("0 0 * * 1-2,5#2,5#1", &[1, 2, 5, 8, 9, 12]),
        ("0 0 * * MON-WED#1", &[1, 2, 3]),
        ("0 0 * * 5-7#1,MON#2", &[5, 6, 7, 8]),
        ("0 0 10 * MON#1,FRI#1", &[1, 5, 10]),
        ("0 0 * * SAT,SUNL", &[6, 13]),
        ("0 0 ? * 5#1", &[5]),
        ("0 0 * * 0#1,0#2", &[7, 14]),
        ("0 0 * * MON#3,FRI#1", &[5]),
    ];
    for (expression, days) in cases {
        assert_eq!(june_days(expression), days, "{expression}");
    }
}

#[test]
fn the_last_weekday_has_two_spellings_and_lists() {
    let last_days = |expression: &str| -> Vec<u32> {
        let end = at("2026-07-01T00:00:00Z");
        let times = fire_times(expression, at("2026-05-31T23:59:59Z"), 31);
        times
            .into_iter()
            .take_while(|time| *time < end)
            .map(|time| time.day())
            .collect()
    };
    // June 2026 ends with a Tuesday, the 30th.
    let cases: [(&str, &[u32]); 9] = [
        ("0 0 * * FRIL", &[26]),
        ("0 0 * * FRI#L", &[26]),
        ("0 0 * * fri#l", &[26]),
        ("0 0 * * 5#L", &[26]),
        ("0 0 * * 7#L", &[28]),
        ("0 0 * * MONL,FRIL", &[26, 29]),
        ("0 0 * * MON#1,TUE#L", &[1, 30]),
        ("0 0 * * 5-6#L", &[26, 27]),
        ("0 0 0 ? * FRI#L", &[26]),
    ];
    for (expression, days) in cases {
        assert_eq!(last_days(expression), days, "{expression}");
    }
}

#[test]
fn hashes_belong_to_the_job_and_stay_within_their_bounds() {
    let after = at("2026-11-23T00:00:00Z");
    let of = |expression: &str, job: u128| {
        let options = CronOptions {
            seed: Some(Uuid::from_u128(job)),
            ..CronOptions::default()
        };
        let schedule = parse(expression, &options);
        schedule.next_after(after).expect("it fires")
    };
    assert_eq!(of("H H * * *", 7), of("h h * * *", 7));
    let minutes: BTreeSet<_> = (0..2_000)
        .map(|job| of("H * * * *", job).minute())
        .collect();
    assert_eq!(minutes.len(), 60);
    let minutes: BTreeSet<_> = (0..500)
        .map(|job| of("H(10-19) * * * *", job).minute())
        .collect();
    assert_eq!(minutes, (10..=19).collect());
    let days: BTreeSet<_> = (0..1_000)
        .map(|job| of("0 0 0 H 12 ?", job).day())
        .collect();
    assert_eq!(days, (1..=28).collect());
    let weekdays: BTreeSet<_> = (0..200)
        .map(|job| of("0 0 * * H", job).weekday().num_days_from_sunday())
        .collect();
    assert_eq!(weekdays, (0..=6).collect());
    for job in 0..50 {
        let options = CronOptions {
            seed: Some(Uuid::from_u128(job)),
            ..CronOptions::default()
        };
        let schedule = parse("H/15 8 * * *", &options);
        let minutes: Vec<_> = std::iter::successors(schedule.next_after(after), |last| {
            schedule.next_after(*last)
        })
        .take(4)
        .map(|time| time.minute())
        .collect();
        assert!(
            minutes[0] < 15 && minutes.windows(2).all(|pair| pair[1] == pair[0] + 15),
            "{minutes:?}"
        );
        assert!((30..40).contains(&of("H(30-59)/10 8 * * *", job).minute()));
    }
}

#[test]
fn the_crate_takes_every_number_that_our_bounds_allow() {
    for expression in [
        "0-59 0-23 1-31 1-12 *",
        "0-59 0-23 * 1-12 0-7",
        "0/60 0/24 1/31 1/12 7/7",
    ] {
        cron(expression);
    }
    for expression in [
        "0-59 0-59 0-23 1-31 1-12 ? 1970-2199",
        "0/59 0/59 0/23 ? 1/12 1-7 1970/230",
    ] {
        cron(expression);
    }
}

#[test]
fn equal_by_expression_and_readable_in_logs() {
    assert_eq!(cron(" 0 2 * * * "), cron("0 2 * * *"));
    assert_ne!(cron("0 2 * * *"), cron("0 3 * * *"));
    assert_ne!(
        cron("0 2 * * *"),
        parse("0 2 * * *", &in_zone("Europe/Berlin"))
    );
    let shown = format!(
        "{:?}",
        parse("0 2 * * *", &in_zone("Europe/Berlin")).clone()
    );
    assert!(
        shown.contains("\"0 2 * * *\"") && shown.contains("Europe/Berlin"),
        "{shown}"
    );
}
