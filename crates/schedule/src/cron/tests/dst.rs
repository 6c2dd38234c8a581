//! Changes of the clock, as tables of instants.

use super::{CronOptions, at, in_zone, parse};
use crate::cron::{DstGap, DstOverlap};
use std::iter::successors;

/// Zone, expression, instant asked about, the next fire times in UTC.
type Vector = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

fn check(vectors: &[Vector], change: impl Fn(&mut CronOptions)) {
    for (zone, expression, after, expected) in vectors {
        let mut options = in_zone(zone);
        change(&mut options);
        let schedule = parse(expression, &options);
        let times: Vec<_> = successors(schedule.next_after(at(after)), |last| {
            schedule.next_after(*last)
        })
        .take(expected.len())
        .collect();
        let expected: Vec<_> = expected.iter().copied().map(at).collect();
        assert_eq!(times, expected, "{expression} in {zone} after {after}");
    }
}

/// semantics §7.
#[test]
fn the_vectors_of_the_specification() {
    let vectors: [Vector; 6] = [
        (
            NEW_YORK,
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "30 1 * * *",
            "2026-11-01T04:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "*/30 * * * *",
            "2026-11-01T04:30:00Z",
            &[
                "2026-11-01T05:00:00Z",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:00:00Z",
                "2026-11-01T06:30:00Z",
                "2026-11-01T07:00:00Z",
            ],
        ),
        (
            LORD_HOWE,
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            LORD_HOWE,
            "*/15 * * * *",
            "2026-04-04T14:15:00Z",
            &[
                "2026-04-04T14:30:00Z",
                "2026-04-04T14:45:00Z",
                "2026-04-04T15:00:00Z",
                "2026-04-04T15:15:00Z",
                "2026-04-04T15:30:00Z",
            ],
        ),
        (
            LORD_HOWE,
            "45 1 * * *",
            "2026-04-04T12:00:00Z",
            &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
    ];
    check(&vectors, |_| ());
}

/// Once, however many times it swallowed, and not twice with what runs at its
/// end anyway.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn by_default_what_a_gap_swallows_of_fixed_hours_fires_at_its_end() {
    let vectors: [Vector; 14] = [
        (
            NEW_YORK,
            "0,15,30,45 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "*/30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "0 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "0 2,3 * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "*/30 * * * *",
            "2026-03-08T06:00:00Z",
            &[
                "2026-03-08T06:30:00Z",
                "2026-03-08T07:00:00Z",
                "2026-03-08T07:30:00Z",
            ],
        ),
        (
            NEW_YORK,
            "0 * * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"],
        ),
        (
            NEW_YORK,
            "30 0,2,12 * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-08T16:30:00Z"],
        ),
        (
            NEW_YORK,
            "* 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "59 59 2 * * ?",
            "2026-03-08T06:59:59Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:59:59Z"],
        ),
        (
            NEW_YORK,
            "0 30 2 8 3 ? 2026",
            "2026-01-01T00:00:00Z",
            &["2026-03-08T07:00:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2027-03-27T12:00:00Z",
            &["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"],
        ),
        // A gap at midnight, a whole day that Samoa left out, and a permanent change.
        (
            "America/Havana",
            "0 0 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"],
        ),
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T10:00:00Z",
            &[
                "2011-12-29T19:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-30T19:00:00Z",
            ],
        ),
        (
            "Asia/Pyongyang",
            "45 23 * * *",
            "2018-05-04T00:00:00Z",
            &["2018-05-04T15:00:00Z", "2018-05-05T14:45:00Z"],
        ),
    ];
    check(&vectors, |_| ());
}

/// As Debian's cron, croner and Quartz have it: an hour that does not exist is no reason for
/// another run.
#[test]
fn by_default_a_gap_adds_no_run_to_hours_with_a_star_a_range_or_a_step() {
    let vectors: [Vector; 8] = [
        (
            "Europe/London",
            "7 * * * *",
            "2025-03-30T00:00:00Z",
            &[
                "2025-03-30T00:07:00Z",
                "2025-03-30T01:07:00Z",
                "2025-03-30T02:07:00Z",
            ],
        ),
        (
            NEW_YORK,
            "30 * * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"],
        ),
        (
            NEW_YORK,
            "15,45 * * * *",
            "2026-03-08T06:30:00Z",
            &["2026-03-08T06:45:00Z", "2026-03-08T07:15:00Z"],
        ),
        (
            NEW_YORK,
            "30 0-4 * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"],
        ),
        (
            NEW_YORK,
            "0 */2 * * *",
            "2026-03-08T05:30:00Z",
            &["2026-03-08T08:00:00Z", "2026-03-08T10:00:00Z"],
        ),
        (
            NEW_YORK,
            "30 0,2-2 * * *",
            "2026-03-08T05:45:00Z",
            &["2026-03-09T04:30:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "0 30 0/2 * * ?",
            "2026-03-08T05:45:00Z",
            &["2026-03-08T08:30:00Z", "2026-03-08T10:30:00Z"],
        ),
        (
            LORD_HOWE,
            "15 * * * *",
            "2026-10-03T14:30:00Z",
            &["2026-10-03T14:45:00Z", "2026-10-03T16:15:00Z"],
        ),
    ];
    check(&vectors, |_| ());
    let mut options = in_zone(NEW_YORK);
    options.dst_gap = DstGap::ShiftByGap;
    let shifted = parse("0 */2 * * *", &options);
    assert_eq!(
        shifted.next_after(at("2026-03-08T05:30:00Z")),
        Some(at("2026-03-08T07:00:00Z")),
        "the policy overrides"
    );
}

#[test]
fn by_default_an_overlap_fires_once_unless_interval_like() {
    let vectors: [Vector; 6] = [
        (
            NEW_YORK,
            "0,30 1 * * *",
            "2026-11-01T04:00:00Z",
            &["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"],
        ),
        (
            NEW_YORK,
            "30 0-3 * * *",
            "2026-11-01T04:00:00Z",
            &[
                "2026-11-01T04:30:00Z",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:30:00Z",
                "2026-11-01T07:30:00Z",
                "2026-11-01T08:30:00Z",
            ],
        ),
        (
            NEW_YORK,
            "30 1 * * *",
            "2026-11-01T05:30:00Z",
            &["2026-11-02T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "30 1 * * *",
            "2026-11-01T06:10:00Z",
            &["2026-11-02T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "0 2 * * *",
            "2026-11-01T05:59:59Z",
            &["2026-11-01T07:00:00Z", "2026-11-02T07:00:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
    ];
    check(&vectors, |_| ());
}

#[test]
fn a_gap_can_be_skipped() {
    let vectors: [Vector; 3] = [
        (
            NEW_YORK,
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-09T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "30 * * * *",
            "2026-03-08T06:00:00Z",
            &["2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"],
        ),
        (
            LORD_HOWE,
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            &["2026-10-04T15:15:00Z"],
        ),
    ];
    check(&vectors, |options| options.dst_gap = DstGap::Skip);
    let mut options = in_zone(NEW_YORK);
    options.dst_gap = DstGap::Skip;
    let never = parse("0 30 2 8 3 ? 2026", &options);
    assert_eq!(never.next_after(at("1970-01-01T00:00:00Z")), None);
}

#[test]
fn a_gap_can_shift_what_it_swallowed() {
    let vectors: [Vector; 5] = [
        (
            NEW_YORK,
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            NEW_YORK,
            "*/20 2 * * *",
            "2026-03-07T12:00:00Z",
            &[
                "2026-03-08T07:00:00Z",
                "2026-03-08T07:20:00Z",
                "2026-03-08T07:40:00Z",
                "2026-03-09T06:00:00Z",
            ],
        ),
        (
            NEW_YORK,
            "0 2,3 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
        ),
        (
            NEW_YORK,
            "30 2,3 * * *",
            "2026-03-08T07:10:00Z",
            &["2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            LORD_HOWE,
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"],
        ),
    ];
    check(&vectors, |options| options.dst_gap = DstGap::ShiftByGap);
}

#[test]
fn an_overlap_can_take_either_pass_or_both() {
    let half_past_one = |times: &'static [&'static str]| -> [Vector; 1] {
        [(NEW_YORK, "30 1 * * *", "2026-11-01T04:00:00Z", times)]
    };
    let check_as = |overlap: DstOverlap, vectors: &[Vector]| {
        check(vectors, |options| options.dst_overlap = overlap);
    };
    check_as(
        DstOverlap::First,
        &half_past_one(&["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
    );
    check_as(
        DstOverlap::Second,
        &half_past_one(&["2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"]),
    );
    check_as(
        DstOverlap::Both,
        &half_past_one(&[
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:30:00Z",
            "2026-11-02T06:30:00Z",
        ]),
    );
    let half_hours = "*/30 * * * *";
    let first: [Vector; 2] = [
        (
            NEW_YORK,
            half_hours,
            "2026-11-01T05:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"],
        ),
        (
            NEW_YORK,
            half_hours,
            "2026-11-01T06:10:00Z",
            &["2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"],
        ),
    ];
    check_as(DstOverlap::First, &first);
    let second: [Vector; 2] = [
        (
            NEW_YORK,
            half_hours,
            "2026-11-01T04:30:00Z",
            &["2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"],
        ),
        (
            NEW_YORK,
            half_hours,
            "2026-11-01T05:10:00Z",
            &["2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"],
        ),
    ];
    check_as(DstOverlap::Second, &second);
}

#[test]
fn names_in_the_api_are_those_of_the_contract() {
    assert_eq!(DstGap::default().to_string(), "RUN_AT_GAP_END");
    assert_eq!("SHIFT_BY_GAP".parse(), Ok(DstGap::ShiftByGap));
    assert_eq!(DstOverlap::default().to_string(), "AUTO");
    assert_eq!("SECOND".parse(), Ok(DstOverlap::Second));
}
