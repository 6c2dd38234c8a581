//! What Quartz itself said: 400 expressions, in six zones, printed by
//! Quartz 2.3.2 with the next five fire times each, away from clock changes.

use super::{CronSchedule, at, in_zone};

const VECTORS: &str = include_str!("../../../../../tests/data/quartz-cron.tsv");

/// Refused by Quartz for want of a `?`, where a lone `*` can mean nothing else.
const FRIENDLIER: [&str; 4] = [
    "7 23-30/3 13-18 * * 2L",
    "* 24,35,39 */11 * JAN-MAR *",
    "0 * 13,20 L-3W APR *",
    "0 35/12 */6 * NOV-FEB MON#4",
];

#[test]
fn quartz_names_the_same_fire_times() {
    let mut compared = 0;
    for vector in VECTORS.lines() {
        let [expression, zone, after, expected] = vector.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a vector: {vector}");
        };
        let parsed = CronSchedule::parse(expression, &in_zone(zone));
        if expected == "REJECT" {
            assert_eq!(
                parsed.is_ok(),
                FRIENDLIER.contains(&expression),
                "{expression}"
            );
            continue;
        }
        let schedule = parsed.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let times = std::iter::successors(schedule.next_after(at(after)), |last| {
            schedule.next_after(*last)
        });
        // `never` ends the list of one whose years are over.
        let expected: Vec<_> = expected
            .split(',')
            .filter(|time| *time != "never")
            .map(at)
            .collect();
        assert_eq!(
            times.take(5).collect::<Vec<_>>(),
            expected,
            "{expression} in {zone} after {after}"
        );
        compared += 1;
    }
    assert_eq!(compared, 376);
}
