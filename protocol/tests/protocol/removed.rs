//! Without a safeguard something goes wrong, and this is how.

use crate::{assert_gets_stuck, assert_holds, assert_violates};
use horolog_protocol::model::Protocol;
use horolog_protocol::properties::{
    ACCOUNTED, DEAD_HOLD_NOTHING, FENCED, NO_OVERLAP, ONE_ID, ONLY_UNSTARTED, TOKEN_GROWS,
    UNSTARTED_IS_RECLAIMED, WHO_RUNS_LIVES,
};
use horolog_protocol::safeguards::Safeguard;
use horolog_protocol::{Recovery, Schedule};

fn violates(safeguard: Safeguard, property: &'static str) {
    assert_violates(
        &format!("without {safeguard}"),
        &Protocol::whole(1, 1).without(safeguard),
        property,
    );
}

fn gets_stuck(safeguard: Safeguard, protocol: &Protocol) {
    assert_gets_stuck(
        &format!("without {safeguard}"),
        &protocol.clone().without(safeguard),
    );
}

#[test]
fn without_the_fence_a_dead_node_settles() {
    violates(Safeguard::FenceOnSettlement, FENCED);
}

#[test]
fn without_the_lock_on_the_node_a_dead_node_leases() {
    violates(Safeguard::LockOnNode, DEAD_HOLD_NOTHING);
    gets_stuck(Safeguard::LockOnNode, &Protocol::whole(1, 1));
}

#[test]
fn without_a_check_of_its_state_a_dead_node_leases() {
    violates(Safeguard::LeaseWhileActive, DEAD_HOLD_NOTHING);
    gets_stuck(Safeguard::LeaseWhileActive, &Protocol::whole(1, 1));
}

#[test]
fn without_the_deadline_a_node_that_cannot_renew_runs_on() {
    violates(Safeguard::Deadline, NO_OVERLAP);
}

#[test]
fn without_the_deterministic_id_what_is_repeated_has_another_name() {
    let protocol = Protocol::whole(1, 1)
        .with_failover()
        .without(Safeguard::DeterministicId);
    assert_violates("without the deterministic execution id", &protocol, ONE_ID);
}

#[test]
fn without_attestation_a_stuck_node_keeps_what_it_holds() {
    gets_stuck(Safeguard::Attestation, &Protocol::whole(1, 1));
}

#[test]
fn without_a_seasoned_observer_a_restart_of_the_database_kills_the_living() {
    let protocol = Protocol::on_belief_alone(1, 1).without(Safeguard::SeasonedObserver);
    assert_violates("without one TTL of unbroken session", &protocol, NO_OVERLAP);
}

/// What the code had before: the node's own belief, checked before the call.
#[test]
fn an_observer_that_does_not_know_yet_of_a_restart_kills_the_living() {
    let what = "with one TTL of unbroken session by the node's clock alone";
    assert_violates(what, &Protocol::on_belief_alone(1, 1), WHO_RUNS_LIVES);
    assert_violates(what, &Protocol::on_belief_alone(1, 1), NO_OVERLAP);
}

/// … and with two faults also one that knows: it suspected A before the restart,
/// and checks again after it.
#[test]
fn a_suspicion_from_before_a_restart_kills_the_living_after_it() {
    assert_holds(
        "belief alone, where all notice, a fault",
        &Protocol::on_belief_alone(2, 1).where_all_notice(),
    );
    let protocol = Protocol::on_belief_alone(1, 2).where_all_notice();
    assert_violates(
        "belief alone, where all notice, two faults",
        &protocol,
        WHO_RUNS_LIVES,
    );
}

/// The node's own check is then only an optimization.
#[test]
fn what_the_database_attests_needs_no_belief() {
    let protocol = Protocol::whole(1, 1).without(Safeguard::SeasonedObserver);
    assert_holds(
        "without the node's own check of the age of its session",
        &protocol,
    );
}

#[test]
fn without_a_second_check_a_node_that_came_back_is_declared_dead() {
    violates(Safeguard::StillGone, NO_OVERLAP);
}

#[test]
fn reclaimed_during_a_lease_an_attempt_overlaps_the_next() {
    violates(Safeguard::ReclaimBetweenLeases, NO_OVERLAP);
    violates(Safeguard::ReclaimBetweenLeases, TOKEN_GROWS);
}

#[test]
fn without_a_second_audit_a_late_commit_is_never_found() {
    gets_stuck(Safeguard::AuditAgain, &Protocol::whole(1, 1));
}

#[test]
fn without_reclaiming_after_a_fence_an_unstarted_attempt_is_lost() {
    violates(Safeguard::ReclaimAfterFence, UNSTARTED_IS_RECLAIMED);
}

#[test]
fn without_remembering_what_has_started_a_fence_reclaims_what_ran() {
    let protocol = Protocol::whole(1, 1)
        .with_recovery(Recovery::MarkLost)
        .without(Safeguard::RememberStarted);
    assert_violates(
        "without remembering what has started",
        &protocol,
        ONLY_UNSTARTED,
    );
}

#[test]
fn without_a_young_heartbeat_of_the_observer_a_jump_of_the_clock_kills_the_living() {
    let protocol = Protocol::whole(1, 1)
        .with_clock_jumps()
        .without(Safeguard::YoungObserver);
    assert_violates(
        "without a young heartbeat of the observer",
        &protocol,
        WHO_RUNS_LIVES,
    );
}

#[test]
fn without_its_owner_a_fire_time_is_lost_in_a_command() {
    let protocol = Protocol::whole(1, 0)
        .with_commands(1)
        .without(Safeguard::OwnedFireTimes);
    assert_violates(
        "without a version's claim to its fire times",
        &protocol,
        ACCOUNTED,
    );
}

#[test]
fn in_two_transactions_a_lease_loses_the_fire_time() {
    gets_stuck(Safeguard::OneLeaseTransaction, &Protocol::whole(1, 1));
}

#[test]
fn in_two_transactions_a_settlement_stops_the_fixed_delay() {
    let protocol = Protocol::whole(2, 1).with_schedule(Schedule::FixedDelay);
    gets_stuck(Safeguard::OneSettlementTransaction, &protocol);
}
