//! A state of the whole cluster, and what the checker remembers of its past.

use crate::database::{
    Database, Execution, FIRE_TIMES, JobState, LIVES, NODES, Name, NodeId, Status, Tables, Trigger,
};
use crate::node::{Body, Former, Lease, Process};
use std::fmt;

/// What no state shows afterwards, so that it is written down when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A settlement was written that was not the current attempt's.
    SettledByFenced,
    /// A fire time ran under two execution ids.
    AnotherId,
    /// An attempt started after a later one, with nothing to explain it.
    TokenWentBack,
    /// An attempt was counted as lost that its node, which lives, had not started.
    CountedUnstarted,
    /// An attempt was reclaimed that had started.
    ReclaimedStarted,
}

/// What a target has seen of a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// Attempts that started; more than two count as two.
    pub starts: u8,
    /// The highest attempt that started.
    pub attempt: u8,
    /// What was drawn beside the id under which it started first.
    pub drawn: u8,
}

/// Everything, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The server that takes writes.
    pub database: Database,
    /// The processes.
    pub processes: [Process; NODES],
    /// Faults that may still happen.
    pub faults_left: u8,
    /// Commands that may still be given.
    pub commands_left: u8,
    /// Fire times whose instants have passed.
    pub passed: u8,
    /// What the target has seen.
    pub seen: [Seen; FIRE_TIMES as usize],
    /// Ids drawn, when they are drawn.
    pub drawn: u8,
    /// Whether the database has forgotten something.
    pub set_back: bool,
    /// The violation of a property that no state shows afterwards.
    pub violation: Option<Violation>,
}

impl State {
    /// A healthy cluster, and a fire time that is due.
    pub fn healthy(faults: u8, commands: u8, fire_times: u8) -> Self {
        let first = |life: usize| life == 0;
        let ages = [std::array::from_fn(|life| first(life).then_some(0)); NODES];
        let sessions = [std::array::from_fn(first); NODES];
        let trigger = Trigger {
            fire_time: 0,
            end: fire_times,
            parked: false,
            job: JobState::Active,
        };
        let tables = Tables {
            ages,
            trigger,
            log: [None; _],
        };
        Self {
            database: Database {
                up: true,
                tables,
                previous: None,
                sessions,
                watched: Default::default(),
            },
            processes: [Process::member(Name(0)), Process::member(Name(1))],
            faults_left: faults,
            commands_left: commands,
            passed: 1,
            seen: [Seen::default(); FIRE_TIMES as usize],
            drawn: 0,
            set_back: false,
            violation: None,
        }
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = Name> {
        [Name(0), Name(1)].into_iter()
    }

    /// A process.
    pub fn process(&self, name: Name) -> &Process {
        &self.processes[name.at()]
    }

    /// A process, to change it.
    pub fn process_mut(&mut self, name: Name) -> &mut Process {
        &mut self.processes[name.at()]
    }

    /// The node row that somebody's take-over has locked.
    pub fn is_being_taken_over(&self, node: NodeId) -> bool {
        let locks = |process: &Process| {
            process
                .take_over
                .is_some_and(|it| it.open && it.suspect == node)
        };
        self.processes.iter().any(locks)
    }

    /// What the log counts to a node.
    pub fn counted_to(&self, node: NodeId) -> impl Iterator<Item = &Execution> {
        self.database
            .tables
            .executions()
            .filter(move |row| row.status == Status::Running(node))
    }

    /// Whether the current attempt of an execution has started.
    pub fn has_started(&self, row: &Execution) -> bool {
        self.seen[usize::from(row.id.fire_time)].attempt >= row.attempt
    }

    /// Lets go of ids that were given up and under which nothing unstarted is counted to anybody,
    /// nor can be: to give back under them would change nothing.
    pub fn drop_formers(&mut self) {
        let leases = |node: NodeId| {
            self.processes
                .iter()
                .any(|it| it.leases_for(node) || it.asks_as(node))
        };
        let owed =
            |it: &Former| self.database.holds_other_than(it.node, it.started) || leases(it.node);
        let over = self
            .processes
            .each_ref()
            .map(|process| process.former.is_some_and(|former| !owed(&former)));
        for (process, over) in self.processes.iter_mut().zip(over) {
            process.former = process.former.filter(|_| !over);
        }
    }

    /// An id of which nothing speaks.
    pub fn fresh_id(&self, name: Name) -> NodeId {
        let lives = (0u8..).take(LIVES).map(|life| NodeId { name, life });
        let unused = |id: &NodeId| {
            !self.database.mentions(*id) && !self.processes.iter().any(|it| it.mentions(*id))
        };
        lives
            .into_iter()
            .find(unused)
            .expect("no name has more lives at once than LIVES")
    }

    /// Whether somebody is there who could do everything alone.
    pub fn somebody_lives(&self) -> bool {
        self.processes
            .iter()
            .any(|process| process.body == Body::Alive && !process.cut_off)
    }

    /// Whether everything is settled and nothing is on its way: whatever happens
    /// now, the log stays as it is.
    pub fn is_quiet(&self) -> bool {
        let idle = |it: &Process| {
            let takes = matches!(
                it.lease,
                Lease::Open(..) | Lease::Moved(..) | Lease::Answering(Some(_))
            );
            it.slot.is_none() && !takes && it.late.is_none()
        };
        self.database.tables.all_settled() && self.processes.iter().all(idle)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.database.tables.executions() {
            write!(f, "{row}; ")?;
        }
        for (name, process) in Self::names().zip(&self.processes) {
            match process.id {
                Some(id) => write!(f, "{name} is node {id}, {:?}", process.body)?,
                None => write!(f, "{name} is no member, {:?}", process.body)?,
            }
            if let Some(slot) = process.slot {
                write!(
                    f,
                    ", holds {} attempt {} ({:?})",
                    slot.attempt.id, slot.attempt.attempt, slot.stage
                )?;
            }
            f.write_str("; ")?;
        }
        Ok(())
    }
}
