//! Descriptions and warnings, as tables.

use super::{cron, parse};
use crate::cron::CronOptions;
use uuid::Uuid;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_expression_reads_as_english() {
    let cases = [
        ("0 9 * * MON-FRI", "at 09:00 on weekdays"),
        ("0/10 * * * * ?", "every 10 seconds"),
        (
            "0 30 2 ? * FRIL",
            "at 02:30 on the last Friday of the month",
        ),
        ("@daily", "at 00:00 every day"),
        ("@hourly", "every hour"),
        ("@weekly", "at 00:00 on Sunday"),
        ("@monthly", "at 00:00 on the 1st of the month"),
        ("@yearly", "at 00:00 on the 1st of January"),
        ("* * * * *", "every minute"),
        ("* * * * * ?", "every second"),
        ("*/5 * * * *", "every 5 minutes"),
        ("3/5 * * * * ?", "every 5 seconds from 3 on"),
        ("0 */2 * * *", "every 2 hours"),
        ("15 * * * *", "at minute 15 of every hour"),
        ("0,20 * * * *", "at minutes 0 and 20 of every hour"),
        ("15 */6 * * *", "at 00:15, 06:15, 12:15 and 18:15 every day"),
        ("30 */2 * * *", "at minute 30 of every second hour"),
        (
            "*/15 9-17 * * 1-5",
            "every 15 minutes from 09:00 to 17:59 on weekdays",
        ),
        ("0 9-17 * * *", "on the hour of hours 9 to 17"),
        (
            "0 22-23,0-2 * * *",
            "at 00:00, 01:00, 02:00, 22:00 and 23:00 every day",
        ),
        ("0 0 22-4 * * ?", "on the hour of hours 22 to 4"),
        ("* */5 * * * ?", "every second of every fifth minute"),
        ("15 * * * * ?", "at second 15 of every minute"),
        (
            "*/10 * 9-17 ? * 7,1",
            "every 10 seconds from 09:00 to 17:59 on weekends",
        ),
        ("15 30 9 * * ?", "at 09:30:15 every day"),
        (
            "0 0 9,12 1,15 * ?",
            "at 09:00 and 12:00 on the 1st and 15th of the month",
        ),
        ("0 0 9 L * ?", "at 09:00 on the last day of the month"),
        ("0 0 9 LW * ?", "at 09:00 on the last weekday of the month"),
        (
            "0 0 9 L-1 * ?",
            "at 09:00 on the day before the last of the month",
        ),
        (
            "0 0 9 L-3 * ?",
            "at 09:00 on the third day before the last of the month",
        ),
        (
            "0 0 9 L-3W * ?",
            "at 09:00 on the weekday nearest the third day before the last of the month",
        ),
        (
            "0 0 9 15W * ?",
            "at 09:00 on the weekday nearest the 15th of the month",
        ),
        (
            "0 0 9 1,L * ?",
            "at 09:00 on the 1st and the last day of the month",
        ),
        ("0 0 9 ? * 6#3", "at 09:00 on the third Friday of the month"),
        ("0 0 9 ? * L", "at 09:00 on Saturday"),
        ("0 9 * * FRI#L", "at 09:00 on the last Friday of the month"),
        (
            "0 9 * * MON#1,MON#3",
            "at 09:00 on the first Monday and the third Monday of the month",
        ),
        (
            "0 9 * * MONL,FRIL",
            "at 09:00 on the last Monday and the last Friday of the month",
        ),
        (
            "0 9 * 2 1-3,FRI#1",
            "at 09:00 from Monday to Wednesday and on the first Friday in February",
        ),
        ("0 9 * 2 FRI#1", "at 09:00 on the first Friday of February"),
        (
            "0 9 13 * +FRI",
            "at 09:00 on the 13th of the month if it is also on Friday",
        ),
        ("0 9 ? * FRI", "at 09:00 on Friday"),
        ("0 0 9 ? * FRI-MON", "at 09:00 from Friday to Monday"),
        (
            "0 0 9 ? * 2,4,6",
            "at 09:00 on Monday, Wednesday and Friday",
        ),
        (
            "0 0 13 * 5",
            "at 00:00 on the 13th of the month or on Friday",
        ),
        (
            "0 9 13 * +FRI,MON",
            "at 09:00 on the 13th of the month if it is also on Monday or Friday",
        ),
        // Either of them fires, and one is every day.
        ("0 9 1-31 * MON", "at 09:00 every day"),
        ("0 9 13,* * FRI", "at 09:00 every day"),
        ("0 9 13 * 0-7", "at 09:00 every day"),
        ("0 9 *,13 * FRI", "at 09:00 on Friday"),
        (
            "0 9 * * MON#1,MON#1",
            "at 09:00 on the first Monday of the month",
        ),
        (
            "0 0 */10 * 5",
            "at 00:00 on the 1st, 11th, 21st and 31st of the month if it is also on Friday",
        ),
        ("0 0 0 29 2 ? *", "at 00:00 on the 29th of February"),
        (
            "0 0 0 ? NOV-FEB MON",
            "at 00:00 on Monday from November to February",
        ),
        (
            "0 0 0 1 1,7 ? 2027-2030",
            "at 00:00 on the 1st of January and July from 2027 to 2030",
        ),
        (
            "0 0 0 ? 2,8 FRIL",
            "at 00:00 on the last Friday of February and August",
        ),
        ("0 0 13 1 5", "at 00:00 on the 13th or on Friday in January"),
        ("0 0 0 * 6-8 ?", "at 00:00 from June to August"),
        (
            "0 0 0 1 * ? 2027,2029",
            "at 00:00 on the 1st of the month in 2027 and 2029",
        ),
        (
            "0 0 0 ? * 2#1 2027",
            "at 00:00 on the first Monday of the month in 2027",
        ),
        (
            "15/20 10 9-17 * * ?",
            "every 20 seconds from 15 on of minute 10 of hours 9 to 17",
        ),
        ("1-59/2 * * * *", "every 2 minutes from 1 on"),
        ("0 */7 * * * ?", "at minutes 0, 7, … 56 of every hour"),
        (
            "0 0 12 2,3,22,23 * ?",
            "at 12:00 on the 2nd, 3rd, 22nd and 23rd of the month",
        ),
    ];
    for (expression, words) in cases {
        let description = cron(expression).description();
        assert_eq!(description, words, "{expression}");
    }
}

fn warn(cases: &[(&str, &str)]) {
    for (expression, warning) in cases {
        assert_eq!(
            cron(expression).warnings().join("; "),
            *warning,
            "{expression}"
        );
    }
}

#[test]
fn likely_mistakes_are_warned_of() {
    let cases = [
        (
            "*/40 * * * *",
            "`*/40` in minutes runs at :00 and :40, not every 40 minutes",
        ),
        (
            "0 0/40 * * * ?",
            "`0/40` in minutes runs at :00 and :40, not every 40 minutes",
        ),
        (
            "*/7 * * * *",
            "`*/7` in minutes runs at :00, :07, … :56, not every 7 minutes",
        ),
        ("50/20 * * * *", ""),
        (
            "50/40 * * * *",
            "`50/40` in minutes runs at :50 only, not every 40 minutes",
        ),
        (
            "0 */5 * * *",
            "`*/5` in hours runs at 0, 5, … 20, not every 5 hours",
        ),
        (
            "0 0 */2 * *",
            "`*/2` in day of month runs at 1, 3, … 31, not every 2 days",
        ),
        (
            "0 0 * * */2",
            "`*/2` in day of week runs at 0, 2, 4 and 6, not every 2 days",
        ),
        ("0 0 0 ? 7/6 MON", ""),
        (
            "* */5 * * * ?",
            "`*` in seconds fires every second of every fifth minute: write 0 there to fire once",
        ),
        (
            "* 0 9 * * ?",
            "`*` in seconds fires every second of that minute: write 0 there to fire once",
        ),
        (
            "* 1,2 * * * ?",
            "`*` in seconds fires every second of these minutes: write 0 there to fire once",
        ),
        (
            "* 2 * * *",
            "`*` in minutes fires every minute of that hour: write 0 there to fire once",
        ),
        (
            "H * * * *",
            "`H` is a number of the job's own, from its id: a job's times differ from these",
        ),
        (
            "0 0 2 * * ? 2027 x y",
            "`x` after the year is ignored, as by Quartz",
        ),
        ("* 9-17 * * *", ""),
        ("* * * * * ?", ""),
        ("*/15 * * * *", ""),
        ("10-50/7 * * * *", ""),
        ("0 0 0 1 1 ? 2026/4", ""),
    ];
    warn(&cases);
    let job = CronOptions {
        seed: Some(Uuid::from_u128(1)),
        ..CronOptions::default()
    };
    assert!(parse("H H * * *", &job).warnings().is_empty());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn days_that_others_count_or_combine_in_another_way_are_warned_of() {
    let cases = [
        (
            "0 0 9 ? * 1-5",
            "`1-5` in day of week is Sunday to Thursday here, where Sunday is 1: write MON-FRI if \
             that is meant",
        ),
        (
            "0 0 9 ? * 1,3,5 2027",
            "`1,3,5` in day of week is Sunday, Tuesday and Thursday here, where Sunday is 1: \
             write MON,WED,FRI if that is meant",
        ),
        (
            "0 0 9 ? * 1,2,3,4,5",
            "`1,2,3,4,5` in day of week is Sunday to Thursday here, where Sunday is 1: write \
             MON,TUE,WED,THU,FRI if that is meant",
        ),
        (
            "0 0 9 * * 5",
            "`5` in day of week is Thursday here, where Sunday is 1: write FRI if that is meant",
        ),
        (
            "0 0 9 * * 7",
            "`7` in day of week is Saturday here, where Sunday is 1: write SUN if that is meant",
        ),
        (
            "0 0 9 ? * 1-6",
            "`1-6` in day of week is Sunday to Friday here, where Sunday is 1: write MON-SAT if \
             that is meant",
        ),
        (
            "0 0 9 * * 5L",
            "`5L` in day of week is the last Thursday here, where Sunday is 1: write FRIL if that \
             is meant",
        ),
        (
            "0 0 9 * * 2#3",
            "`2#3` in day of week is the third Monday here, where Sunday is 1: write TUE#3 if \
             that is meant",
        ),
        ("0 0 9 ? * 6#3", ""),
        ("0 0 9 * * 1-7", ""),
        ("0 0 9 ? * 1,7", ""),
        (
            "0 9 */7 * MON",
            "`*/7` in day of month runs at 1, 8, … 29, not every 7 days; `*/7` in day of month \
             begins with `*`, so that both days must match, as in Vixie cron: write `1-31/7` if \
             one of the two is enough",
        ),
        (
            "0 9 13 * */2",
            "`*/2` in day of week runs at 0, 2, 4 and 6, not every 2 days; `*/2` in day of week \
             begins with `*`, so that both days must match, as in Vixie cron: write `0-6/2` if \
             one of the two is enough",
        ),
        (
            "0 9 */15 * */6",
            "`*/15` in day of month runs at 1, 16 and 31, not every 15 days; `*/6` in day of week \
             runs at 0 and 6, not every 6 days; `*/15` in day of month, and `*/6` in day of week \
             begins with `*`, so that both days must match, as in Vixie cron: write `1-31/15` and \
             `0-6/6` if one of the two is enough",
        ),
        ("0 9 *,13 * FRI", ""),
        ("0 9 1-31/7 * MON", ""),
        ("0 0 9 * * 2-6", ""),
        ("0 0 9 ? * 2-6", ""),
        ("0 0 9 ? * 6", ""),
        ("0 0 9 ? * MON-FRI", ""),
        (
            "0 0 9 13 * +6",
            "`6` in day of week is Friday here, where Sunday is 1: write SAT if that is meant",
        ),
        ("0 9 * * 1-5", ""),
        (
            "0 0 9 ? * L",
            "`L` alone in day of week is every Saturday, the last day of the week: write SAT, or \
             FRIL for the last Friday of the month",
        ),
    ];
    warn(&cases);
}
