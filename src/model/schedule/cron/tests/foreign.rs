//! What other schedulers take: the refusal names what says the same here.

use super::{cron, refusal};
use crate::model::schedule::zone::Zone;

#[test]
fn what_other_schedulers_take_is_answered_with_the_way_out() {
    let cases = [
        ("@every 5m", "`@every 5m` is not a cron expression: use scheduleType FIXED_RATE with intervalSeconds 300"),
        ("@every 1h30m10s", "intervalSeconds 5410"),
        ("@EVERY 90s", "intervalSeconds 90"),
        ("@every 1.5h", "intervalSeconds 5400"),
        ("@every 5m/1m", "intervalSeconds 300"),
        ("@every 300ms", "use scheduleType FIXED_RATE with intervalSeconds the seconds between"),
        ("@every now", "FIXED_RATE with intervalSeconds the seconds between"),
        ("every 5 minutes", "intervalSeconds 300"),
        ("30s", "intervalSeconds 30"),
        ("PT15M", "intervalSeconds 900"),
        (
            "rate(5 minutes)",
            "`rate(5 minutes)` is not a cron expression: use scheduleType FIXED_RATE with intervalSeconds 300",
        ),
        ("rate(1 day)", "intervalSeconds 86400"),
        ("at(2027-01-01T09:00:00)", "use scheduleType ONCE with startAt"),
        ("cron(0 9 * * ? *)", "six fields begin with seconds here: write `0 0 9 * * ? *`"),
        ("cron(15 10 ? * 6L 2026-2030)", "write `0 15 10 ? * 6L 2026-2030`"),
        ("cron(0 9 * * *)", "write what stands between the brackets, `0 9 * * *`"),
        ("0 9 * * ? *", "six fields begin with seconds here: write `0 0 9 * * ? *`"),
        ("30 6 ? * MON-FRI 2027", "write `0 30 6 ? * MON-FRI 2027`"),
        ("TZ=Europe/Berlin 0 9 * * *", "write the expression alone, `0 9 * * *`, and `Europe/Berlin` in timeZone"),
        ("CRON_TZ=Asia/Tokyo 0 0 9 * * ?", "alone, `0 0 9 * * ?`, and `Asia/Tokyo` in timeZone"),
        ("cron_tz='UTC'\n@daily", "alone, `@daily`, and `UTC` in timeZone"),
        ("@reboot", "`@reboot` names no time, and a cluster has no start of its own"),
        ("@reboot /usr/bin/x", "`@reboot` names no time"),
        ("@minutely", "write `* * * * *`"),
        ("@at 2027-01-01T00:00:00Z", "use scheduleType ONCE with startAt"),
        ("@daily 5", "`@daily` stands alone: what follows it"),
        ("@daily /usr/bin/backup --all", "`@daily` stands alone"),
        ("\"0 5 * * *\"", "the quotes around it do not belong to an expression: write `0 5 * * *`"),
        ("'@daily'", "write `@daily`"),
        ("`0 5 * * *`", "write `0 5 * * *`"),
        ("\u{201c}0 5 * * *\u{201d}", "write `0 5 * * *`"),
        ("0 5 * * *\"", "write `0 5 * * *`"),
        ("0~59 * * * *", "`0~59` is written `H(0-59)` here: a number of the job's own"),
        ("~ 5 * * *", "`~` is written `H` here"),
        (
            "0 5 * * * /usr/bin/backup.sh --all > /dev/null 2>&1",
            "the expression is `0 5 * * *`: the command does not belong",
        ),
        ("*/5 * * * * root cd / && run-parts --report /etc/cron.hourly", "the expression is `*/5 * * * *`"),
        ("0 5 * * 1 backup", "the expression is `0 5 * * 1`"),
        ("0 5 * * * # every morning", "a comment does not belong to an expression: write `0 5 * * *`"),
        ("0 0 5 * * ? # every morning", "a comment does not belong to an expression: write `0 0 5 * * ?`"),
        ("*/90 * * * *", "for a step; every 90 minutes is scheduleType FIXED_RATE with intervalSeconds 5400"),
        ("0 */36 * * *", "every 36 hours is scheduleType FIXED_RATE with intervalSeconds 129600"),
        ("*/120 * * * * ?", "every 120 seconds is scheduleType FIXED_RATE with intervalSeconds 120"),
        ("0 0/90 * * * ?", "intervalSeconds 5400"),
        ("0 0 */40 * *", "every 40 days is scheduleType FIXED_RATE with intervalSeconds 3456000"),
    ];
    for (expression, answer) in cases {
        let refusal = refusal(expression);
        assert!(refusal.contains(answer), "{expression:?}: {refusal}");
    }
}

/// A mistake in an expression is not taken for something foreign.
#[test]
fn other_refusals_stay_as_they_are() {
    let cases = [
        "0 0 9 ? * MONDY",
        "0 0 12 * * 8",
        "0 0 99 * * ?",
        "0 99 * * *",
        "0 2 * *",
        "0 0 31 2 *",
        "* * * * ? ?",
        "0 */6 * JAN-FOO *",
        "*/99999999999 * * * *",
        "0 0 1 */13 *",
    ];
    for expression in cases {
        let refusal = refusal(expression);
        let foreign = ["FIXED_RATE", "ONCE", "crontab", "belong", "EventBridge", "written"];
        assert!(foreign.iter().all(|word| !refusal.contains(word)), "{expression:?}: {refusal}");
    }
}

/// The way out is one.
#[test]
fn what_the_answers_name_is_taken() {
    for expression in
        ["* * * * *", "* * * * * ?", "0 0 9 * * ? *", "0 15 10 ? * 6L 2026-2030", "H(0-59) * * * *", "0 5 * * *"]
    {
        cron(expression);
    }
    assert!(Zone::named("Europe/Berlin").is_ok());
}
