//! What is refused, and in which words: the message is all that the person who
//! typed the expression gets to see.

use super::{CronOptions, CronSchedule, refusal};

fn check(cases: &[(&str, &str)]) {
    for (expression, message) in cases {
        let refusal = refusal(expression);
        assert!(refusal.contains(message), "{expression:?}: {refusal}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_refusal_names_field_part_position_and_what_is_allowed() {
    let cases = [
        (
            "60 * * * *",
            "minutes: `60` at position 1 is out of range 0-59",
        ),
        (
            "0 0 99 * * ?",
            "hours: `99` at position 5 is out of range 0-23",
        ),
        (
            "  0 0 99 * * ?",
            "hours: `99` at position 7 is out of range 0-23",
        ),
        (
            "0 0 1,2,24 * * ?",
            "hours: `24` at position 9 is out of range 0-23",
        ),
        (
            "61 * * * * ?",
            "seconds: `61` at position 1 is out of range 0-59",
        ),
        (
            "0 0 0 * *",
            "day of month: `0` at position 5 is out of range 1-31",
        ),
        (
            "0 0 1-32 * *",
            "day of month: `32` at position 7 is out of range 1-31",
        ),
        (
            "0 0 * 13 *",
            "month: `13` at position 7 is out of range 1-12 or JAN-DEC",
        ),
        (
            "0 0 * JAN-FOO *",
            "month: `FOO` at position 11 is not valid, allowed is 1-12 or JAN-DEC",
        ),
        ("0 0 * JA *", "month: `JA` at position 7 is not valid"),
        (
            "0 0 * * 8",
            "day of week: `8` at position 9 is out of range 0-7",
        ),
        (
            "0 0 0 ? * 0",
            "day of week: `0` at position 11 is out of range 1-7 or SUN-SAT",
        ),
        (
            "0 0 0 ? * 8",
            "day of week: `8` at position 11 is out of range 1-7 or SUN-SAT",
        ),
        (
            "0 0 0 1 1 ? 1969",
            "year: `1969` at position 13 is out of range 1970-2199",
        ),
        (
            "0 0 0 1 1 ? 2030-2027",
            "year: `2030-2027` at position 13 runs backwards, allowed is 1970-2199",
        ),
        (
            "0 0 0 1 1 ? ?",
            "year: `?` at position 13 is allowed only in day of month and day of week",
        ),
        (
            "* * * * ? ?",
            "month: `?` at position 9 is allowed only in day of month and day of week",
        ),
        (
            "0 0 0 ?,5 * ?",
            "day of month: `?` at position 7 must stand alone in its field",
        ),
        (
            "? 0 * * *",
            "minutes: `?` at position 1 is allowed only in day of month and day of week",
        ),
        (
            "0 0 ?,5 * *",
            "day of month: `?` at position 5 must stand alone in its field",
        ),
        (
            "0 0 * * +",
            "day of week: nothing stands at position 10, wanted is 0-7 or SUN-SAT",
        ),
        (
            "0 0 +13 * FRI",
            "day of month: `+13` at position 5 is not valid",
        ),
        (
            "0 0 * * +8",
            "day of week: `8` at position 10 is out of range 0-7",
        ),
        (
            "0 22-2 * * *",
            "hours: `22-2` at position 3 runs backwards: only in six or seven fields",
        ),
        (
            "0 0 * * FRI-MON",
            "day of week: `FRI-MON` at position 9 runs backwards",
        ),
        (
            "*/0 * * * *",
            "minutes: `0` at position 3 is out of range 1-60 for a step",
        ),
        (
            "*/61 * * * *",
            "minutes: `61` at position 3 is out of range 1-60 for a step",
        ),
        (
            "0 */60 * * * ?",
            "minutes: `60` at position 5 is out of range 1-59 for a step",
        ),
        (
            "*/x * * * *",
            "minutes: `x` at position 3 is not a step, allowed is 1-60",
        ),
        (
            "5/ * * * *",
            "minutes: nothing stands at position 3, wanted is a step of 1-60",
        ),
        (
            "/15 * * * *",
            "minutes: nothing stands at position 1, wanted is 0-59",
        ),
        (
            "1,,2 * * * *",
            "minutes: nothing stands at position 3, wanted is 0-59",
        ),
        (
            "0 5- * * *",
            "hours: nothing stands at position 5, wanted is 0-23",
        ),
        (
            "0 -5 * * *",
            "hours: nothing stands at position 3, wanted is 0-23",
        ),
        (
            "1/2/3 * * * *",
            "minutes: `1/2/3` at position 1 has more than one `/`",
        ),
        (
            "1--100000000 * * * *",
            "minutes: `1--100000000` at position 1 has more than one `-`",
        ),
        (
            "0-99999999999999999999 * * * *",
            "minutes: `99999999999999999999` at position 3 is out of range 0-59",
        ),
        (
            "*/99999999999999999999 * * * *",
            "minutes: `99999999999999999999` at position 3 is out of range 1-60",
        ),
        (
            "+5 * * * *",
            "minutes: `+5` at position 1 is not valid, allowed is 0-59",
        ),
        (
            "ä\u{7} ö * * *",
            "minutes: `ä\\u{7}` at position 1 is not valid, allowed is 0-59",
        ),
        (
            "0 ö * * *",
            "hours: `ö` at position 3 is not valid, allowed is 0-23",
        ),
        (
            "0\u{200b}x * * * *",
            "minutes: `0\\u{200b}x` at position 1 is not valid",
        ),
        (
            "0 0 0 15 * 2",
            "day of week: `2` at position 12 does not go with day of month `15`: with six or seven",
        ),
        ("0 0 0 */2 * MON", "one of the two must be `?`"),
        (
            "0 0 0 ? * ?",
            "day of week: `?` at position 11 does not go with day of month `?`",
        ),
        ("", "must not be empty"),
        (" \t ", "must not be empty"),
        (
            "0 2 * *",
            "must have 5 fields (minute hour day-of-month month day-of-week), 6 (second first) or \
             7 (year last), has 4",
        ),
        ("0 2 ?", "or 7 (year last), has 3"),
        (
            "@decennially",
            "`@decennially` is not a known nickname, allowed are @hourly, @daily, @midnight, \
             @weekly",
        ),
    ];
    check(&cases);
}

#[test]
fn the_length_is_checked_first() {
    assert_eq!(
        refusal(&"1,".repeat(200)),
        "must be at most 255 characters long"
    );
    let longest = format!("{}1 * * * *", "1,".repeat(123));
    assert!(
        CronSchedule::parse(&longest, &CronOptions::default()).is_ok(),
        "255 characters are allowed"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_refusal_of_a_special_day_or_a_hash_says_how_it_is_written() {
    let cases = [
        (
            "0 0 0 L-31 * ?",
            "day of month: `L-31` at position 7 is out of range L-0 to L-30",
        ),
        (
            "0 0 0 L3 * ?",
            "day of month: `L3` at position 7 is not valid, allowed with `L` is L, L-n, LW or L-nW",
        ),
        (
            "0 0 0 1,L/2 * ?",
            "day of month: `L/2` at position 9 is not valid, allowed with `L` is",
        ),
        (
            "0 0 0 1-15W * ?",
            "day of month: `1-15W` at position 7 is not valid: `W` follows one day, as in \
             15W or LW",
        ),
        (
            "0 0 0 32W * ?",
            "day of month: `32` at position 7 is out of range 1-31",
        ),
        (
            "0 0 0 x * ?",
            "allowed is 1-31, L (the last), L-3, LW, L-3W, 15W (the weekday nearest the 15th)",
        ),
        (
            "0 0 0 ? * 3#1,6#3",
            "day of week: `3#1` at position 11 must stand alone in its field: make a job for each",
        ),
        (
            "0 0 0 ? * MON,FRIL",
            "day of week: `FRIL` at position 15 must stand alone",
        ),
        (
            "0 0 0 ? * 6#6",
            "day of week: `6` at position 13 is out of range 1-5 after `#`",
        ),
        (
            "0 0 0 ? * 6#",
            "day of week: nothing stands at position 13, wanted is 1-5, or L for the last, \
             after `#`",
        ),
        (
            "0 0 * * #",
            "day of week: nothing stands at position 10, wanted is 1-5, or L for the last, \
             after `#`",
        ),
        (
            "0 0 * * #2",
            "day of week: nothing stands at position 9, wanted is 0-7 or SUN-SAT",
        ),
        ("0 0 * * *#2", "day of week: `*` at position 9 is not valid"),
        (
            "0 0 * * MON#-1",
            "day of week: `-1` at position 13 is out of range 1-5 after `#`, where L is the last",
        ),
        (
            "0 0 * * MON,8#1",
            "day of week: `8` at position 13 is out of range 0-7",
        ),
        (
            "0 0 5#2 * *",
            "day of month: `5#2` at position 5 is not valid",
        ),
        (
            "0 0 * * L",
            "day of week: `L` at position 9 needs a weekday: FRIL is the last Friday of the month",
        ),
        (
            "0 0 1 * +l",
            "day of week: `l` at position 10 needs a weekday",
        ),
        (
            "0 0 * * MON,L",
            "day of week: `L` at position 13 needs a weekday",
        ),
        (
            "0 0 0 ? * MON-FRI#1",
            "day of week: `MON-FRI` at position 11 is not valid",
        ),
        (
            "0 0 0 ? * 6#1#2",
            "day of week: `6#1#2` at position 11 has more than one `#`",
        ),
        (
            "0 0 0 ? * #2",
            "day of week: nothing stands at position 11, wanted is 1-7 or SUN-SAT",
        ),
        (
            "0 0 0 ? * 0#2",
            "day of week: `0` at position 11 is out of range 1-7 or SUN-SAT",
        ),
        (
            "0 0 0 ? * 8L",
            "day of week: `8` at position 11 is out of range 1-7 or SUN-SAT",
        ),
        (
            "0 0 0 ? * FUNL",
            "day of week: `FUN` at position 11 is not valid, allowed is 1-7 or SUN-SAT",
        ),
        (
            "0 0 * * 8#1",
            "day of week: `8` at position 9 is out of range 0-7",
        ),
        (
            "0 0 0 15W * FRI",
            "day of week: `FRI` at position 13 does not go with day of month `15W`",
        ),
        (
            "0 L * * *",
            "hours: `L` at position 3 is not valid, allowed is 0-23",
        ),
        (
            "HH * * * *",
            "minutes: `HH` at position 1 is not valid, allowed is H, H(a-b) or 0-59",
        ),
        (
            "H(5) * * * *",
            "minutes: `5` at position 3 is not a range: `H` takes two ends, as in H(0-29)",
        ),
        (
            "H(9-5) * * * *",
            "minutes: `9-5` at position 3 runs backwards, which `H` cannot",
        ),
        (
            "0 H(0-24) * * *",
            "hours: `24` at position 7 is out of range 0-23",
        ),
        ("H() * * * *", "minutes: `` at position 3 is not a range"),
        (
            "0 0 0 1 1 ? H",
            "year: `H` at position 13 is not valid, allowed is 1970-2199",
        ),
    ];
    check(&cases);
}
