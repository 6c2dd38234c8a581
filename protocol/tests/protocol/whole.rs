//! The whole protocol holds.

use crate::assert_holds;
use horolog_protocol::model::Protocol;
use horolog_protocol::{Recovery, Schedule};

#[test]
fn two_fire_times_and_a_fault() {
    assert_holds("two fire times, a fault", &Protocol::whole(2, 1));
}

#[test]
fn a_fire_time_and_two_faults() {
    assert_holds("a fire time, two faults", &Protocol::whole(1, 2));
}

#[test]
fn mark_lost_runs_at_most_once() {
    let protocol = Protocol::whole(2, 1).with_recovery(Recovery::MarkLost);
    assert_holds("MARK_LOST, two fire times, a fault", &protocol);
}

#[test]
fn a_fixed_delay_goes_on() {
    let protocol = Protocol::whole(2, 1).with_schedule(Schedule::FixedDelay);
    assert_holds("a fixed delay, two fire times, a fault", &protocol);
}

#[test]
fn a_fixed_delay_that_is_marked_lost_goes_on() {
    let protocol = Protocol::whole(2, 1)
        .with_schedule(Schedule::FixedDelay)
        .with_recovery(Recovery::MarkLost);
    assert_holds(
        "a fixed delay with MARK_LOST, two fire times, a fault",
        &protocol,
    );
}

#[test]
fn what_a_standby_lacks_runs_again_under_its_id() {
    assert_holds(
        "failover, a fire time, a fault",
        &Protocol::whole(1, 1).with_failover(),
    );
    assert_holds(
        "failover, two fire times, a fault",
        &Protocol::whole(2, 1).with_failover(),
    );
}

#[test]
fn a_clock_that_jumps_kills_nobody() {
    assert_holds(
        "a clock that may jump, a fire time, a fault",
        &Protocol::whole(1, 1).with_clock_jumps(),
    );
}

#[test]
fn a_young_observer_declares_nobody_dead_who_lives() {
    let protocol = Protocol::whole(1, 1).with_young_observers();
    assert_holds("young observers, a fire time, a fault", &protocol);
    assert_holds(
        "young observers, MARK_LOST, a fault",
        &protocol.with_recovery(Recovery::MarkLost),
    );
}

#[test]
fn every_fire_time_has_an_owner() {
    assert_holds(
        "two fire times, a fault, a command",
        &Protocol::whole(2, 1).with_commands(1),
    );
    let protocol = Protocol::whole(2, 1)
        .with_commands(1)
        .with_schedule(Schedule::FixedDelay);
    assert_holds(
        "a fixed delay, two fire times, a fault, a command",
        &protocol,
    );
}

#[test]
#[ignore = "a minute and three gigabytes: cargo test -p horolog-protocol -- --ignored --nocapture"]
fn failover_beside_another_fault() {
    assert_holds(
        "failover, a fire time, two faults",
        &Protocol::whole(1, 2).with_failover(),
    );
}

#[test]
#[ignore = "a minute and three gigabytes: cargo test -p horolog-protocol -- --ignored --nocapture"]
fn mark_lost_and_two_faults() {
    assert_holds(
        "MARK_LOST, a fire time, two faults",
        &Protocol::whole(1, 2).with_recovery(Recovery::MarkLost),
    );
}
