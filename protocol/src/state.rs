//! A state of the whole cluster, and the checker's notes of the past.

use crate::database::{
    Database, Execution, FIRE_TIMES, JobState, LIVES, NODES, Name, NodeId, Status, Tables, Trigger,
};
use crate::node::{Body, Former, Lease, Process};
use std::fmt;

/// Violations that no later state shows; noted when they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A settlement was written that was not the current attempt's.
    SettledByFenced,
    /// A fire time ran under two execution ids.
    AnotherId,
    /// An attempt started after a later one, without a fault that explains the order.
    TokenWentBack,
    /// An attempt counts as lost although its node lives and had not started the attempt.
    CountedUnstarted,
    /// A started attempt was reclaimed.
    ReclaimedStarted,
}

/// The target's view of a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// Number of started attempts; more than two count as two.
    pub starts: u8,
    /// The highest attempt that started.
    pub attempt: u8,
    /// The random part of the id under which the fire time started first.
    pub drawn: u8,
}

/// The whole cluster at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The server that takes writes.
    pub database: Database,
    /// The processes, by name.
    pub processes: [Process; NODES],
    /// Number of faults that may still happen.
    pub faults_left: u8,
    /// Number of commands that may still be given.
    pub commands_left: u8,
    /// Number of fire times whose instants have passed.
    pub passed: u8,
    /// The target's view of each fire time.
    pub seen: [Seen; FIRE_TIMES as usize],
    /// Number of random ids that were drawn, when ids are random.
    pub drawn: u8,
    /// Whether the database has forgotten something.
    pub set_back: bool,
    /// The violation of a property that no later state shows.
    pub violation: Option<Violation>,
}

impl State {
    /// A healthy cluster, and a fire time that is due.
    pub fn healthy(faults: u8, commands: u8, fire_times: u8) -> Self {
        let ages = [std::array::from_fn(|life| (life == 0).then_some(0)); NODES];
        let sessions = [std::array::from_fn(|life| life == 0); NODES];
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

    /// Both names of nodes.
    pub fn names() -> impl Iterator<Item = Name> {
        [Name(0), Name(1)].into_iter()
    }

    /// The process of a name.
    pub fn process(&self, name: Name) -> &Process {
        &self.processes[name.at()]
    }

    /// The process of a name, to change it.
    pub fn process_mut(&mut self, name: Name) -> &mut Process {
        &mut self.processes[name.at()]
    }

    /// Whether a takeover has locked the row of the node.
    pub fn is_being_taken_over(&self, node: NodeId) -> bool {
        self.processes.iter().any(|process| {
            process
                .take_over
                .is_some_and(|it| it.open && it.suspect == node)
        })
    }

    /// Executions that the log counts to a node.
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

    /// Drops former ids without an unstarted attempt, now or later: to reclaim under them would
    /// change nothing.
    pub fn drop_formers(&mut self) {
        let over = self
            .processes
            .each_ref()
            .map(|process| process.former.is_some_and(|former| !self.owes(former)));
        for (process, over) in self.processes.iter_mut().zip(over) {
            process.former = process.former.filter(|_| !over);
        }
    }

    fn owes(&self, former: Former) -> bool {
        let mut processes = self.processes.iter();
        // A lease in transit may still commit attempts under the former id.
        self.database.holds_other_than(former.node, former.started)
            || processes.any(|it| it.leases_for(former.node) || it.asks_as(former.node))
    }

    /// An id that nothing refers to.
    pub fn fresh_id(&self, name: Name) -> NodeId {
        // The number of a life is reused: growing numbers would make the states infinite.
        let lives = (0u8..).take(LIVES).map(|life| NodeId { name, life });
        lives
            .into_iter()
            .find(|id| {
                !self.database.mentions(*id) && !self.processes.iter().any(|it| it.mentions(*id))
            })
            .expect("no name has more lives at once than LIVES")
    }

    /// Whether a process is there that could do everything alone.
    pub fn somebody_lives(&self) -> bool {
        self.processes
            .iter()
            .any(|process| process.body == Body::Alive && !process.cut_off)
    }

    /// Whether everything is settled and no message is in transit: no later step changes the log.
    pub fn is_quiet(&self) -> bool {
        self.database.tables.all_settled()
            && self.processes.iter().all(|it| {
                let takes = matches!(
                    it.lease,
                    Lease::Open(..) | Lease::Moved(..) | Lease::Answering(Some(_))
                );
                // A lease that only asks takes nothing when everything is settled.
                it.slot.is_none() && !takes && it.late.is_none()
            })
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
