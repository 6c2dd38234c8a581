//! What other schedulers take: the refusal names what says the same here.

use super::refusal;
use crate::cron::{CronOptions, CronSchedule};

fn check(cases: &[(&str, &str)]) {
    for (expression, answer) in cases {
        let refusal = refusal(expression);
        assert!(refusal.contains(answer), "{expression:?}: {refusal}");
        is_taken(expression, &refusal);
    }
}

/// The way out is one: what an answer says to write is taken.
fn is_taken(typed: &str, refusal: &str) {
    if let Some((_, expression)) = refusal.split_once(": write `") {
        let (expression, _) = expression.split_once('`').expect(refusal);
        assert!(
            CronSchedule::parse(expression, &CronOptions::default()).is_ok(),
            "{typed:?}: {refusal}"
        );
    }
}

#[test]
fn intervals_are_a_fixed_rate_and_instants_run_once() {
    let cases = [
        (
            "@every 5m",
            "`@every 5m` is not a cron expression: use scheduleType FIXED_RATE with \
             intervalSeconds 300",
        ),
        ("@every 1h30m10s", "intervalSeconds 5410"),
        ("@every 1h 30m", "intervalSeconds 5400"),
        ("@every 1 hour and 30 minutes", "intervalSeconds 5400"),
        ("@EVERY 90s", "intervalSeconds 90"),
        ("@every 1.5h", "intervalSeconds 5400"),
        ("@every 5m/1m", "intervalSeconds 300"),
        ("@every 5m /usr/bin/x", "intervalSeconds 300"),
        ("@every_5_minutes", "intervalSeconds 300"),
        ("@every5m", "intervalSeconds 300"),
        ("@every_hour", "intervalSeconds 3600"),
        (
            "@every 300ms",
            "FIXED_RATE with intervalSeconds, a whole number of seconds from 1 to 316224000",
        ),
        (
            "@every now",
            "FIXED_RATE with intervalSeconds, a whole number of seconds",
        ),
        (
            "@every 0s",
            "FIXED_RATE with intervalSeconds, a whole number of seconds",
        ),
        ("\"@every 5m\"", "intervalSeconds 300"),
        ("TZ=UTC @every 5m", "intervalSeconds 300"),
        ("@every 5m # often", "intervalSeconds 300"),
        ("every 5 minutes", "intervalSeconds 300"),
        ("Every 5 Minutes", "intervalSeconds 300"),
        ("every minute", "intervalSeconds 60"),
        ("30s", "intervalSeconds 30"),
        ("PT15M", "intervalSeconds 900"),
        ("P1DT12H", "intervalSeconds 129600"),
        ("R/PT5M", "intervalSeconds 300"),
        ("P1M", "must have 5 fields"),
        (
            "rate(5 minutes)",
            "`rate(5 minutes)` is not a cron expression: use scheduleType FIXED_RATE with \
             intervalSeconds 300",
        ),
        ("RATE (1 day)", "intervalSeconds 86400"),
        (
            "rate(5)",
            "FIXED_RATE with intervalSeconds, a whole number of seconds",
        ),
        (
            "at(2027-01-01T09:00:00)",
            "use scheduleType ONCE with startAt",
        ),
        ("2027-01-01T09:00:00Z", "use scheduleType ONCE with startAt"),
        (
            "@at 2027-01-01T00:00:00Z",
            "use scheduleType ONCE with startAt",
        ),
    ];
    check(&cases);
}

#[test]
fn nicknames_of_others_have_an_expression_or_name_no_time() {
    let cases = [
        (
            "@reboot",
            "`@reboot` names no time, and a cluster has no start of its own",
        ),
        ("@Reboot /usr/bin/x", "`@reboot` names no time"),
        ("@never", "`@never` names no time"),
        ("-", "`-` names no time"),
        ("@minutely", "write `* * * * *`"),
        ("@quarterly", "write `0 0 1 1,4,7,10 *`"),
        ("daily", "write `@daily`"),
        (
            "@daily 5",
            "does not belong to the expression but into target: write `@daily`",
        ),
        (
            "@daily /usr/bin/backup --all",
            "into target: write `@daily`",
        ),
        (
            "@daily Europe/Berlin",
            "write `@daily`, and `Europe/Berlin` in timeZone",
        ),
        (
            "@hourly # at all times",
            "a comment does not belong to an expression: write `@hourly`",
        ),
    ];
    check(&cases);
}

#[test]
fn the_order_of_event_bridge_is_put_right() {
    let cases = [
        (
            "cron(0 9 * * ? *)",
            "six fields begin with seconds here: write `0 0 9 * * ? *`",
        ),
        (
            "cron(15 10 ? * 6L 2026-2030)",
            "write `0 15 10 ? * 6L 2026-2030`",
        ),
        ("cron('0 9 * * ? *')", "write `0 0 9 * * ? *`"),
        (
            "CRON( 0/5 8-17 ? * MON-FRI * )",
            "write `0 0/5 8-17 ? * MON-FRI *`",
        ),
        // By itself it would be a minute of every hour.
        ("cron(0 9 * * * *)", "write `0 0 9 * * * *`"),
        (
            "cron(0 9 * * *)",
            "`cron(…)` around it does not belong to an expression: write `0 9 * * *`",
        ),
        ("cron(0 0 9 * * ?)", "write `0 0 9 * * ?`"),
        (
            "cron(0 99 * * ? *)",
            "and what is left, `0 99 * * ? *`, is refused: minutes: `99`",
        ),
        (
            "0 9 * * ? *",
            "six fields begin with seconds here: write `0 0 9 * * ? *`",
        ),
        ("30 6 ? * MON-FRI 2027", "write `0 30 6 ? * MON-FRI 2027`"),
        ("\"0 9 * * ? *\"", "write `0 0 9 * * ? *`"),
    ];
    check(&cases);
}

#[test]
fn a_zone_belongs_into_its_own_field() {
    let cases = [
        (
            "TZ=Europe/Berlin 0 9 * * *",
            "the time zone does not belong to the expression: write `0 9 * * *`, and \
             `Europe/Berlin` in timeZone",
        ),
        (
            "CRON_TZ=Asia/Tokyo 0 0 9 * * ?",
            "write `0 0 9 * * ?`, and `Asia/Tokyo` in timeZone",
        ),
        (
            "cron_tz='UTC'\n@daily",
            "write `@daily`, and `UTC` in timeZone",
        ),
        (
            "TZ = Europe/Berlin 0 9 * * *",
            "write `0 9 * * *`, and `Europe/Berlin` in timeZone",
        ),
        (
            "TZ=:Europe/Berlin;0 9 * * *",
            "write `0 9 * * *`, and `Europe/Berlin` in timeZone",
        ),
        (
            "TZ=\"UTC 0 9 * * *\"",
            "write `0 9 * * *`, and `UTC` in timeZone",
        ),
        (
            "TZ= 0 9 * * *",
            "does not belong to the expression: write `0 9 * * *`",
        ),
        (
            "TZ=Berlin 0 9 * * *",
            "but `Berlin` is not an IANA time zone: did you mean Europe/Berlin?",
        ),
        (
            "TZ=UTC 0 99 * * *",
            "and what is left, `0 99 * * *`, is refused: hours: `99` at position 3",
        ),
        ("TZ=UTC", "and no expression is left"),
        (
            "TZ=UTC 0 9 * * * /usr/bin/x",
            "into target: write `0 9 * * *`, and `UTC` in timeZone",
        ),
        (
            "0 9 * * * Europe/Berlin",
            "write `0 9 * * *`, and `Europe/Berlin` in timeZone",
        ),
        (
            "0 0 9 * * ? America/New_York",
            "write `0 0 9 * * ?`, and `America/New_York` in timeZone",
        ),
        (
            "0 9 * * * (UTC)",
            "write `0 9 * * *`, and `UTC` in timeZone",
        ),
        ("0 9 * * * GMT+3", "but `GMT+3` is not an IANA time zone"),
    ];
    check(&cases);
}

#[test]
fn what_was_pasted_around_an_expression_is_taken_away() {
    let quotes = "the quotes around it do not belong to an expression: write `0 5 * * *`";
    let around = "what stands around it does not belong to an expression: write `0 5 * * *`";
    let cases = [
        ("\"0 5 * * *\"", quotes),
        ("'0 5 * * *'", quotes),
        ("`0 5 * * *`", quotes),
        ("\u{201c}0 5 * * *\u{201d}", quotes),
        ("\u{201e}0 5 * * *\u{201c}", quotes),
        ("\u{2039}0 5 * * *\u{203a}", quotes),
        ("\"\"0 5 * * *\"\"", quotes),
        ("\\\"0 5 * * *\\\"", quotes),
        ("0 5 * * *\"", quotes),
        ("'@daily'", "write `@daily`"),
        (
            "\"0 99 * * *\"",
            "and what is left, `0 99 * * *`, is refused: hours: `99` at position 3",
        ),
        ("[0 5 * * *]", around),
        ("\"0 5 * * *\",", around),
        ("0 5 * * *;", around),
        ("- 0 5 * * *", around),
        ("- cron: \"0 5 * * *\"", around),
        ("schedule: '0 5 * * *'", around),
        ("schedule: 0 5 * * *", around),
        ("\"cron\": \"0 5 * * *\",", around),
        ("@Scheduled(cron = \"0 0 5 * * ?\")", "write `0 0 5 * * ?`"),
        (
            "0 5 \\* \\* \\*",
            "`\\` does not belong to an expression: write `0 5 * * *`",
        ),
        ("\"0\" \"5\" \"*\" \"*\" \"*\"", "write `0 5 * * *`"),
    ];
    check(&cases);
}

#[test]
fn characters_that_only_look_like_those_of_an_expression_are_named() {
    let cases = [
        (
            "0 9 * * MON\u{2013}FRI",
            "`\u{2013}` (U+2013) only looks like `-`: write `0 9 * * MON-FRI`",
        ),
        ("0 9 \u{2217} * *", "write `0 9 * * *`"),
        ("\u{ff0a}/5 * * * *", "write `*/5 * * * *`"),
        ("0 9 * * 1\u{ff0c}2", "write `0 9 * * 1,2`"),
        (
            "\u{feff}0 9 * * *",
            "an invisible character, U+FEFF, does not belong to an expression: write `0 9 * * *`",
        ),
        (
            "0\u{200b}9 * * *",
            "U+200B, does not belong to an expression: write `0 9 * * *`",
        ),
        ("0 9 * * \u{200b}*", "write `0 9 * * *`"),
        (
            "0 9 * * MON, FRI",
            "a field holds no white space: write `0 9 * * MON,FRI`",
        ),
        ("0 9 * * MON - FRI", "write `0 9 * * MON-FRI`"),
        (
            "0 9 * * MON \u{2013} FRI",
            "`\u{2013}` (U+2013) only looks like `-`; a field holds no white space: write `0 9 * \
             * MON-FRI`",
        ),
        ("0 9 13 * + FRI", "write `0 9 13 * +FRI`"),
        ("0 9 * * MON #1", "write `0 9 * * MON#1`"),
        ("0 0 9 1, 15 * ?", "write `0 0 9 1,15 * ?`"),
    ];
    check(&cases);
}

#[test]
fn a_random_number_is_one_of_the_job() {
    let cases = [
        (
            "0~59 * * * *",
            "`0~59` is written `H(0-59)` here, a number of the job's own",
        ),
        ("0~59 * * * *", ": write `H(0-59) * * * *`"),
        ("~ 5 * * *", "write `H 5 * * *`"),
        ("~30 5 * * *", "write `H(0-30) 5 * * *`"),
        ("0 20~ * * *", "write `0 H(20-23) * * *`"),
        ("0~59/10 * * * *", "write `H(0-59)/10 * * * *`"),
        ("0~10,30~40 * * * *", "write `H(0-10),H(30-40) * * * *`"),
        ("0 9 * * MON~FRI", "write `0 9 * * H(MON-FRI)`"),
        ("0 0~5 9 * * ?", "write `0 H(0-5) 9 * * ?`"),
        ("~ 5 * * * /usr/bin/x", "into target: write `H 5 * * *`"),
        (
            "30~10 * * * *",
            "`30~10`: a random number is written `H` here",
        ),
    ];
    check(&cases);
}

#[test]
fn the_command_of_a_crontab_line_belongs_into_the_target() {
    let line =
        "the command of a crontab line does not belong to the expression but into target: write ";
    let cases = [
        (
            "0 5 * * * /usr/bin/backup.sh --all > /dev/null 2>&1",
            "`0 5 * * *`",
        ),
        (
            "*/5 * * * * root cd / && run-parts --report /etc/cron.hourly",
            "`*/5 * * * *`",
        ),
        ("0 5 * * 1 backup", "`0 5 * * 1`"),
        ("0 5 * * 1 monitor", "`0 5 * * 1`"),
        ("0 5 * * * \"/bin/x y\"", "`0 5 * * *`"),
        ("0 5 * * ? /bin/x", "`0 5 * * ?`"),
        ("0 0 5 * * ? /bin/x", "`0 0 5 * * ?`"),
        ("0 5 * * FRI#L curl https://example.com", "`0 5 * * FRI#L`"),
    ];
    for (expression, write) in cases {
        check(&[(expression, &format!("{line}{write}"))]);
    }
    let others = [
        (
            "0 5 * * * # every morning",
            "a comment does not belong to an expression: write `0 5 * * *`",
        ),
        (
            "0 0 5 * * ? # every morning",
            "a comment does not belong to an expression: write `0 0 5 * * ?`",
        ),
        (
            "# 0 5 * * * /bin/x",
            "a comment does not belong to an expression; the command of a crontab line",
        ),
        (
            "0 5 * * 8 /bin/x",
            "and what is left, `0 5 * * 8`, is refused: day of week: `8`",
        ),
        (
            "*/90 * * * * /bin/x",
            "every 90 minutes is scheduleType FIXED_RATE with intervalSeconds 5400",
        ),
        ("\"0 5 * * * /bin/x\"", ": write `0 5 * * *`"),
    ];
    check(&others);
}

#[test]
fn a_step_that_is_longer_than_its_field_is_a_fixed_rate() {
    let cases = [
        (
            "*/90 * * * *",
            "for a step; every 90 minutes is scheduleType FIXED_RATE with intervalSeconds 5400",
        ),
        (
            "0 */36 * * *",
            "every 36 hours is scheduleType FIXED_RATE with intervalSeconds 129600",
        ),
        (
            "*/120 * * * * ?",
            "every 120 seconds is scheduleType FIXED_RATE with intervalSeconds 120",
        ),
        ("0 0/90 * * * ?", "intervalSeconds 5400"),
        (
            "0 0 */40 * *",
            "every 40 days is scheduleType FIXED_RATE with intervalSeconds 3456000",
        ),
    ];
    check(&cases);
}

/// A mistake in an expression is not taken for something foreign.
#[test]
fn other_refusals_stay_as_they_are() {
    let cases = [
        "0 0 9 ? * MONDY",
        "0 0 9 * * MONDY",
        "0 0 9 * * TUES-FRIDY",
        "0 0 12 * * 8",
        "0 0 99 * * ?",
        "0 99 * * *",
        "0 2 * *",
        "0 0 31 2 *",
        "* * * * ? ?",
        "0 */6 * JAN-FOO *",
        "*/99999999999 * * * *",
        "0 0 1 */13 *",
        "m h * * *",
        "0 0 0 ? * FUNL",
        "0 5 * * 8 backup",
        "0 99 * * *,",
        "# * * * *",
    ];
    for expression in cases {
        let refusal = refusal(expression);
        let foreign = [
            "FIXED_RATE",
            "ONCE",
            "crontab",
            "belong",
            "EventBridge",
            "written",
            "white space",
        ];
        assert!(
            foreign.iter().all(|word| !refusal.contains(word)),
            "{expression:?}: {refusal}"
        );
    }
}

#[test]
fn a_long_text_is_refused_without_a_search_for_a_way_out() {
    assert_eq!(
        refusal(&"\"0 5 * * *\" ".repeat(1_000)),
        "must be at most 255 characters long"
    );
    let quoted = format!("\"0 5 * * *\" {}", "'~' ".repeat(200));
    is_taken(&quoted, &refusal(&quoted));
}
