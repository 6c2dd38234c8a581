//! Commands to the job: each is one transaction under the lock of the trigger.
//!
//! A fire time whose instant has passed belongs to the version of the job that named it: after any
//! command it runs, or is recorded.

use crate::database::{Due, JobState, Tables};
use crate::model::Protocol;
use crate::safeguards::Safeguard;
use crate::state::State;
use crate::steps::Command;

impl Protocol {
    pub(crate) fn command(&self, state: &mut State, command: Command) -> Option<()> {
        // A delete also waits for one-off triggers, because the command ends their executions. The
        // other commands lock the trigger of the schedule only.
        let waits = state
            .database
            .tables
            .due()
            .filter(|due| command == Command::Delete || matches!(due, Due::Schedule(_)))
            .any(|due: Due| state.processes.iter().any(|process| process.locks(due)));
        if !state.database.up || waits {
            return None;
        }
        // A resume is free: else a behaviour with one command would end with the pause.
        if command != Command::Resume {
            state.commands_left = state.commands_left.checked_sub(1)?;
        }
        let mut tables = state.database.tables;
        self.change(&mut tables, command)?;
        self.commit(state, |state| state.database.tables = tables);
        Some(())
    }

    /// None when the state of the job refuses the command.
    fn change(&self, tables: &mut Tables, command: Command) -> Option<()> {
        let job = tables.trigger.job;
        match command {
            Command::Pause if job == JobState::Active => {
                // A later resume does not fire a time that had passed before the pause.
                self.give_up_pending(tables);
                tables.trigger.job = JobState::Paused;
            }
            Command::Resume if job == JobState::Paused => tables.trigger.job = JobState::Active,
            Command::Edit if job != JobState::Deleted => {
                // Without the safeguard an edit drops a fire time whose instant has passed.
                let own = tables
                    .pending()
                    .filter(|_| self.has(Safeguard::OwnedFireTimes));
                tables.trigger.end = own.map_or(tables.trigger.fire_time, |pending| pending + 1);
                tables.trigger.parked = false;
            }
            Command::Delete if job != JobState::Deleted => {
                self.give_up_pending(tables);
                tables.cancel_retrying();
                // Running executions are left alone: a node may hold them, and settles them.
                tables.trigger.end = tables.trigger.fire_time;
                (tables.trigger.job, tables.trigger.parked) = (JobState::Deleted, false);
            }
            _ => return None,
        }
        Some(())
    }

    /// Records the fire time whose instant has passed, and moves the trigger on.
    fn give_up_pending(&self, tables: &mut Tables) {
        let Some(pending) = tables.pending() else {
            return;
        };
        // Without the safeguard the trigger moves on and no row tells of the fire time.
        if self.has(Safeguard::OwnedFireTimes) {
            tables.skip(pending);
        }
        tables.trigger.fire_time += 1;
    }
}
