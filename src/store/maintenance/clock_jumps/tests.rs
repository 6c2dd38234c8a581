use super::*;

fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(1_000_000 + seconds))
}

fn reading(now: i64, sent: u64, received: u64) -> Reading {
    Reading {
        now: at(now),
        sent: moment(sent),
        received: moment(received),
    }
}

#[test]
fn what_follows_from_the_time_that_has_passed_is_no_jump() {
    let known = reading(0, 0, 1);
    for (now, sent, received) in [
        (5, 5, 6),
        (5, 5, 30),
        (25, 5, 30),
        (12, 2, 3),
        (-8, 1, 2),
        (3_600, 3_600, 3_601),
    ] {
        assert_eq!(
            known.jump(&reading(now, sent, received)),
            None,
            "{now} {sent} {received}"
        );
    }
    let day = known.jump(&reading(93_605, 5, 6)).expect("26 hours ahead");
    assert_eq!((day.from, day.to), (at(6), at(93_605)));
    let hour = known.jump(&reading(-3_595, 5, 6)).expect("an hour back");
    assert_eq!((hour.from, hour.to), (at(4), at(-3_595)));
    assert!(!day.may_be_accepted() && hour.may_be_accepted());
}

#[test]
fn a_clock_has_returned_when_it_says_what_a_wrong_one_does_not() {
    let ahead = Jump {
        from: at(0),
        to: at(93_600),
    };
    assert!(
        !ahead.has_returned(at(93_600))
            && !ahead.has_returned(at(93_700))
            && ahead.has_returned(at(5))
    );
    let back = Jump {
        from: at(0),
        to: at(-3_600),
    };
    assert!(
        !back.has_returned(at(-3_600))
            && !back.has_returned(at(-3_500))
            && back.has_returned(at(5))
    );
}

#[test]
fn a_lease_is_refused_until_the_pause_that_was_seen_is_over() {
    let watch = ClockWatch::default();
    let (sent, day) = (Moment::now(), TimeDelta::days(1));
    assert!(watch.admits(sent, at(0)));
    assert!(!watch.admits(sent, at(0) + day), "a day ahead");
    assert!(watch.admits(sent, at(0)), "it is back");

    let ClockVerdict::Jumped(jump) = watch.judge(sent, at(0) + day, None) else {
        panic!("a jump")
    };
    watch.state().paused_since = Some(Moment::now());
    assert!(
        !watch.admits(sent, at(0) + day),
        "what was sent before the pause has not seen it"
    );
    assert_eq!(
        watch.judge(sent, at(1) + day, Some(jump)),
        ClockVerdict::Waits(jump)
    );
    assert_eq!(
        watch.judge(sent, at(2), Some(jump)),
        ClockVerdict::Returned(jump)
    );
    assert_eq!(
        watch.judge(sent, at(3) + day, None),
        ClockVerdict::Good,
        "a person has resumed the cluster"
    );
    assert!(
        watch.admits(Moment::now(), at(4) + day),
        "the new time is the time"
    );
}

#[test]
fn a_clock_that_is_corrected_by_half_has_not_returned() {
    let watch = ClockWatch::default();
    let sent = Moment::now();
    assert_eq!(watch.judge(sent, at(0), None), ClockVerdict::Good);
    let ahead = Jump {
        from: at(0),
        to: at(93_600),
    };
    assert_eq!(
        watch.judge(sent, at(90_000), Some(ahead)),
        ClockVerdict::Waits(ahead),
        "an hour less"
    );
    assert_eq!(
        watch.judge(sent, at(1), Some(ahead)),
        ClockVerdict::Returned(ahead)
    );
    // A node that has joined since knows only what the pause says.
    assert_eq!(
        ClockWatch::default().judge(sent, at(90_000), Some(ahead)),
        ClockVerdict::Returned(ahead)
    );
}

#[test]
fn a_clock_that_was_set_back_is_accepted_after_a_while_and_a_day_ahead_never() {
    let watch = ClockWatch::default();
    watch.state().paused_since = Some(Moment(Moment::now().0.saturating_sub(PATIENCE)));
    let (back, ahead) = (
        Jump {
            from: at(0),
            to: at(-3_600),
        },
        Jump {
            from: at(0),
            to: at(93_600),
        },
    );
    assert_eq!(
        watch.judge(Moment::now(), at(-3_585), Some(back)),
        ClockVerdict::Accepted(back)
    );
    assert_eq!(
        watch.judge(Moment::now(), at(93_615), Some(ahead)),
        ClockVerdict::Waits(ahead)
    );
}
