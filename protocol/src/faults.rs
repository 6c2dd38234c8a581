//! Faults, and their repair from outside.

use crate::database::{Database, Name};
use crate::model::Protocol;
use crate::node::{Body, Lease, Process, Slot, Stage};
use crate::safeguards::Safeguard;
use crate::state::State;
use crate::steps::Fault;

impl Protocol {
    pub(crate) fn fault(&self, state: &mut State, fault: Fault) -> Option<()> {
        state.faults_left = state.faults_left.checked_sub(1)?;
        match fault {
            Fault::Crash(name) => Self::crash(state, name),
            Fault::Freeze(name) => {
                let process = state.process_mut(name);
                process.body = Body::Frozen;
                // For the others the node looks dead, so a takeover is no violation.
                process.hindered = true;
                process.slot = process.slot.map(allow_overlap);
            }
            Fault::CutOff(name) => {
                let process = state.process_mut(name);
                (!std::mem::replace(&mut process.cut_off, true)).then_some(())?;
                process.hindered = true;
            }
            Fault::GetsStuck(name) => {
                let process = state.process_mut(name);
                (process.body, process.hindered) = (Body::Stuck, true);
            }
            Fault::SessionBreaks(name) => {
                // Without a session there is nothing to break off.
                let id = state
                    .process(name)
                    .id
                    .filter(|id| state.database.session(*id))?;
                state.database.set_session(id, false);
                let process = state.process_mut(name);
                (process.broken_off, process.hindered) = (true, true);
                process.slot = process.slot.map(allow_overlap);
            }
            Fault::LeaseAnswerLost(name) => Self::lose_answer(state.process_mut(name))?,
            Fault::SettleAnswerLost(name) => {
                self.write_settlement(state, name, false)?;
            }
            Fault::DatabaseRestarts => self.restart_database(state)?,
            Fault::FailsOver => self.fail_over(state)?,
            Fault::ClockJumps => {
                state
                    .database
                    .tables
                    .ages
                    .iter_mut()
                    .flatten()
                    .flatten()
                    .for_each(|age| *age = crate::database::TTL);
            }
        }
        if state.faults_left == 0 {
            // No failover can follow: states that differ only in the standby become equal.
            state.database.previous = None;
        }
        Some(())
    }

    /// The kernel closes the connections, if packets pass; messages that were sent are still in
    /// transit.
    fn crash(state: &mut State, name: Name) {
        let mut process = *state.process(name);
        if let Some(id) = process.id
            && !process.cut_off
        {
            state.database.set_session(id, false);
        }
        process = Process {
            // A COMMIT that was sent may take effect after the death of the client.
            late: process.late,
            ..Process::gone()
        };
        *state.process_mut(name) = process;
    }

    /// Without an answer the node cannot know whether the COMMIT took effect, or will.
    fn lose_answer(process: &mut Process) -> Option<()> {
        match process.lease {
            Lease::Open(node, due) if process.late.is_none() => process.late = Some((node, due)),
            Lease::Answering(_) => {}
            _ => return None,
        }
        (process.lease, process.unsure) = (Lease::Idle, true);
        Some(())
    }

    /// All sessions end, open transactions are rolled back, answers are lost. A process between two
    /// calls may not know yet.
    fn restart_database(&self, state: &mut State) -> Option<()> {
        state.database.up.then_some(())?;
        let sessions = Default::default();
        state.database = Database {
            up: false,
            sessions,
            ..state.database
        };
        for process in &mut state.processes {
            if process.lease != Lease::Idle {
                // The node cannot tell a rollback from a commit without an answer.
                (process.lease, process.unsure) = (Lease::Idle, true);
            }
            process.late = None;
            // A reset of the connection reaches only a process that is awake and not cut off.
            if self.all_notice && process.body != Body::Frozen && !process.cut_off {
                process.connected = false;
            }
            process.take_over = process.take_over.filter(|take_over| !take_over.open);
        }
        Some(())
    }

    /// The standby has every heartbeat but not the last transaction. A node whose death is missing
    /// there is alive again, with an old heartbeat.
    fn fail_over(&self, state: &mut State) -> Option<()> {
        let mut tables = state.database.previous.take()?;
        let now = state.database.tables.ages;
        for (age, now) in tables.ages.iter_mut().flatten().zip(now.iter().flatten()) {
            *age = age.map(|_| now.unwrap_or(crate::database::TTL));
        }
        self.restart_database(state)?;
        state.database.tables = tables;
        state.set_back = true;
        for process in &mut state.processes {
            process.slot = process.slot.map(allow_overlap);
        }
        Some(())
    }

    pub(crate) fn wakes(state: &mut State, name: Name) -> Option<()> {
        let process = state.process_mut(name);
        (process.body == Body::Frozen).then_some(())?;
        process.body = Body::Alive;
        Some(())
    }

    pub(crate) fn restarts(state: &mut State, name: Name) -> Option<()> {
        let process = state.process_mut(name);
        (process.body == Body::Down).then_some(())?;
        process.body = Body::Alive;
        Some(())
    }

    /// Exit code 70: as good as a crash.
    pub(crate) fn gives_up(&self, state: &mut State, name: Name) -> Option<()> {
        let stuck = state.process(name).body == Body::Stuck && self.has(Safeguard::Attestation);
        stuck.then(|| Self::crash(state, name))
    }
}

/// From now on the attempt may overlap with a later one.
fn allow_overlap(slot: Slot) -> Slot {
    Slot {
        may_overlap: matches!(slot.stage, Stage::Leased | Stage::Running) || slot.may_overlap,
        ..slot
    }
}
