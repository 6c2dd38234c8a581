//! What holds for every input, valid or not.

use super::{CronError, CronOptions, CronSchedule, cron, in_zone};
use crate::Timestamp;
use chrono::{Datelike, TimeDelta, Timelike};
use proptest::prelude::*;

/// A field as a person could mean it; many are valid, few are sensible.
fn field(last: u32) -> impl Strategy<Value = String> {
    let value = 0..=last;
    let item = prop_oneof![
        3 => value.clone().prop_map(|a| a.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{a}-{b}")),
        1 => (value.clone(), value.clone(), 1..=last).prop_map(|(a, b, step)| format!("{a}-{b}/{step}")),
        1 => (value, 1..=last).prop_map(|(a, step)| format!("{a}/{step}")),
        1 => (1..=last).prop_map(|step| format!("*/{step}")),
        3 => Just("*".to_owned()),
    ];
    prop::collection::vec(item, 1..4).prop_map(|items| items.join(","))
}

fn expression() -> impl Strategy<Value = String> {
    let days = prop_oneof![
        field(7).prop_map(|day| ("?".to_owned(), day)),
        field(31).prop_map(|day| (day, "?".to_owned())),
        (field(31), field(7)),
    ];
    (
        any::<bool>(),
        field(59),
        field(59),
        field(23),
        days,
        field(12),
    )
        .prop_map(
            |(quartz, second, minute, hour, (day_of_month, day_of_week), month)| {
                let rest = format!("{minute} {hour} {day_of_month} {month} {day_of_week}");
                if quartz {
                    format!("{second} {rest}")
                } else {
                    rest.replace('?', "*")
                }
            },
        )
}

/// Any instant that PostgreSQL could hold near our days, to the millisecond.
fn instant() -> impl Strategy<Value = Timestamp> {
    (-1_000_000_000_000_i64..5_000_000_000_000)
        .prop_map(|millis| Timestamp::from_timestamp_millis(millis).expect("in range"))
}

fn never_panics(input: &str, after: Timestamp) -> Result<(), TestCaseError> {
    let options = in_zone(if input.len().is_multiple_of(2) {
        "America/New_York"
    } else {
        "UTC"
    });
    match CronSchedule::parse(input, &options) {
        Ok(schedule) => {
            prop_assert!(schedule.next_after(after).is_none_or(|next| next > after));
            prop_assert!(!schedule.description().is_empty() && schedule.warnings().len() < 1_000);
        }
        // What passes the bounds of this crate, the crate `cron` must accept.
        Err(error) => prop_assert!(!matches!(error, CronError::Unmatchable { .. }), "{}", error),
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(input in any::<String>(), after in instant()) {
        never_panics(&input, after)?;
    }

    #[test]
    fn text_of_the_right_letters_never_panics(input in "[-0-9*/?,#LWHSUNMOJAFEB@() \
         ]{0,40}", after in instant()) {
        never_panics(&input, after)?;
    }

    #[test]
    fn almost_fields_never_panic(input in "([-0-9*/?,LWH#]{1,5} \
         ){4,6}[-0-9*/?,LH#]{1,4}", after in instant()) {
        never_panics(&input, after)?;
    }

    #[test]
    fn fire_times_are_strictly_increasing_whole_seconds(input in expression(), after in instant()) {
        never_panics(&input, after)?;
        let mut last = after;
        let schedule = CronSchedule::parse(&input, &CronOptions::default()).ok();
        for _ in 0..20 {
            let Some(next) = schedule.as_ref().and_then(|schedule| schedule.next_after(last)) else { break };
            prop_assert!(next > last && next.nanosecond() == 0, "{} after {}", next, last);
            last = next;
        }
    }

    #[test]
    fn no_fire_time_is_left_out_or_invented(
        hour in 0_u32..24, first in 1_u32..32, second in 1_u32..32, weekday in 0_u32..8, after in 0_i64..4_000_000_000,
    ) {
        let after = Timestamp::from_timestamp(after, 0).expect("in range");
        let midnight = after.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let first_match = |matches: &dyn Fn(Timestamp) -> bool| {
            let hours = (0..40 * 24).map(|hours| midnight + TimeDelta::hours(hours));
            hours.filter(|time| time.hour() == hour && *time > after).find(|time| matches(*time))
        };
        let by_month = |time: Timestamp| time.day() == first || time.day() == second;
        let by_week = |time: Timestamp| time.weekday().num_days_from_sunday() == weekday % 7;

        let either = cron(&format!("0 {hour} {first},{second} * {weekday}"));
        prop_assert_eq!(either.next_after(after), first_match(&|time| by_month(time) || by_week(time)));
        let quartz = cron(&format!("0 0 {hour} ? * {}", weekday % 7 + 1));
        prop_assert_eq!(quartz.next_after(after), first_match(&by_week));
    }
}
