//! The steps of a lease, and of reclaiming a lease without an answer.

use crate::database::{Attempt, Due, ExecutionId, Name, NodeId};
use crate::model::Protocol;
use crate::node::{Body, Former, Lease, Process, Slot, Stage};
use crate::safeguards::Safeguard;
use crate::state::{State, Violation};

impl Protocol {
    pub(crate) fn polls(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        if !process.reaches(&state.database)
            || process.unsure
            || self.owes(process)
            || state.database.tables.due().next().is_none()
        {
            return None;
        }
        // The right to lease is checked here and not at the lock: a freeze may lie between the two.
        let node = process.may_lease(self.has(Safeguard::Deadline))?;
        state.process_mut(name).lease = Lease::Asking(node);
        Some(())
    }

    /// Whether the first statement finds a member: None while it waits.
    fn is_member(&self, state: &State, node: NodeId) -> Option<bool> {
        // `FOR KEY SHARE` on the node's row waits for the takeover's `FOR UPDATE`.
        if self.has(Safeguard::LockOnNode) && state.is_being_taken_over(node) {
            return None;
        }
        Some(!self.has(Safeguard::LeaseWhileActive) || state.database.tables.age(node).is_some())
    }

    pub(crate) fn lease_locks(&self, state: &mut State, name: Name, due: Due) -> Option<()> {
        let process = state.process(name);
        let Lease::Asking(node) = process.lease else {
            return None;
        };
        // `SKIP LOCKED`: a trigger that another lease holds is not taken.
        let free = !state.processes.iter().any(|process| process.locks(due));
        if !process.reaches(&state.database) || !free || !self.is_member(state, node)? {
            return None;
        }
        state.process_mut(name).lease = Lease::Open(node, due);
        Some(())
    }

    /// The lease finds no member, or only triggers that another transaction holds.
    pub(crate) fn lease_ends(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        let Lease::Asking(node) = process.lease else {
            return None;
        };
        // The lease passes over a trigger only if another transaction holds the trigger.
        let any = state
            .database
            .tables
            .due()
            .any(|due: Due| !state.processes.iter().any(|process| process.locks(due)));
        if !process.reaches(&state.database) || any && self.is_member(state, node)? {
            return None;
        }
        state.process_mut(name).lease = Lease::Idle;
        Some(())
    }

    pub(crate) fn lease_commits(&self, state: &mut State, name: Name) -> Option<()> {
        if !state.process(name).reaches(&state.database) {
            return None;
        }
        // A crash between the two commits of the unsafe variant loses the fire time.
        let lease = match state.process(name).lease {
            Lease::Open(node, Due::Schedule(fire_time))
                if !self.has(Safeguard::OneLeaseTransaction) =>
            {
                self.commit(state, |state| state.database.tables.move_on(self.schedule));
                Lease::Moved(node, fire_time)
            }
            Lease::Open(node, due) => Lease::Answering(self.take(state, node, due)),
            Lease::Moved(node, fire_time) => {
                let id = self.id_of(state, fire_time);
                Lease::Answering(self.commit(state, |state| state.database.tables.insert(id, node)))
            }
            _ => return None,
        };
        state.process_mut(name).lease = lease;
        Some(())
    }

    /// The writes of a lease.
    fn take(&self, state: &mut State, node: NodeId, due: Due) -> Option<Attempt> {
        match due {
            Due::Next(id) => self.commit(state, |state| state.database.tables.resume(id, node)),
            Due::Schedule(fire_time) => {
                let id = self.id_of(state, fire_time);
                self.commit(state, |state| {
                    state.database.tables.move_on(self.schedule);
                    state.database.tables.insert(id, node)
                })
            }
        }
    }

    fn id_of(&self, state: &mut State, fire_time: u8) -> ExecutionId {
        if !self.has(Safeguard::DeterministicId) {
            // A second lease of the same fire time then gets another id, and no row blocks it.
            state.drawn += 1;
        }
        ExecutionId {
            fire_time,
            drawn: state.drawn,
        }
    }

    pub(crate) fn lease_answered(state: &mut State, name: Name) -> Option<()> {
        let process = state.process_mut(name);
        let Lease::Answering(attempt) = process.lease else {
            return None;
        };
        // A frozen process reads the answer after it wakes: the answer waits in the socket.
        if process.body != Body::Alive || process.cut_off {
            return None;
        }
        process.lease = Lease::Idle;
        // An attempt that was leased under a former id is dropped.
        let own = attempt.filter(|attempt| process.id == Some(attempt.node));
        process.slot = own.map(|attempt| Slot {
            attempt,
            stage: Stage::Leased,
            may_overlap: process.broken_off,
        });
        Some(())
    }

    /// A COMMIT whose node no longer waits for the answer.
    pub(crate) fn late_commit(&self, state: &mut State, name: Name) -> Option<()> {
        let (node, due) = state.process_mut(name).late.take()?;
        self.take(state, node, due);
        Some(())
    }

    pub(crate) fn reclaims(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        let node = process.may_lease(self.has(Safeguard::Deadline))?;
        let between = match process.lease {
            Lease::Idle => true,
            // The lease has committed, and the node does not know its attempts yet: a reclaim now
            // would put back attempts that are about to start.
            Lease::Answering(_) => !self.has(Safeguard::ReclaimBetweenLeases),
            _ => false,
        };
        if !between
            || !process.reaches(&state.database)
            || !(process.unsure || self.has(Safeguard::AuditAgain))
        {
            return None;
        }
        let held = process.slot.map(|slot| slot.attempt.id);
        // A COMMIT that is still in transit may add attempts afterwards: later audits find them.
        state.process_mut(name).unsure = false;
        self.reclaim(state, node, held);
        Some(())
    }

    /// Reclaims under the former id, before the node leases under the new one: started attempts,
    /// and attempts to settle, are left to a takeover. The lock on the node's row waits for an
    /// abandoned lease.
    pub(crate) fn reclaims_former(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        let Former { node, started } = process.former?;
        let waits = state
            .processes
            .iter()
            .any(|process| process.leases_for(node))
            || state.is_being_taken_over(node);
        if !self.owes(process)
            || process.lease != Lease::Idle
            || waits
            || !process.reaches(&state.database)
        {
            return None;
        }
        let process = state.process_mut(name);
        (process.former, process.hindered) = (None, process.broken_off);
        // A former id that was declared dead holds nothing: the takeover has handed over all.
        if state.database.tables.age(node).is_some() {
            self.reclaim(state, node, started);
        }
        Some(())
    }

    /// Whether a member has still to reclaim under an earlier id.
    fn owes(&self, process: &Process) -> bool {
        process.id.is_some() && process.former.is_some() && self.has(Safeguard::ReclaimAfterFence)
    }

    fn reclaim(&self, state: &mut State, node: NodeId, kept: Option<ExecutionId>) {
        let started = state
            .counted_to(node)
            .any(|row| Some(row.id) != kept && state.has_started(row));
        // A failover may bring back the row of an attempt that ended long ago.
        if started && !state.set_back {
            state.violation = Some(Violation::ReclaimedStarted);
        }
        // Without a row to change there is no transaction, and a standby loses nothing.
        if state.database.tables.holds_other_than(node, kept) {
            self.commit(state, |state| state.database.tables.reclaim(node, kept));
        }
    }
}
