//! The state of PostgreSQL: rows, sessions, and the writes of each transaction.
//!
//! The row of a node that was declared dead is removed: a heartbeat and a lease check for `ACTIVE`,
//! and a dead row and no row are the same to them. Row locks are no rows: the process in the middle
//! of a transaction holds them (`crate::node`).

use crate::{Recovery, Schedule};
use std::fmt;

/// Most nodes alive at once.
pub const NODES: usize = 2;
/// Most lives of a name in rows and messages at the same time.
pub const LIVES: usize = 4;
/// Most fire times of the job.
pub const FIRE_TIMES: u8 = 2;
/// Executions of the log; more than fire times only when ids are drawn.
const ROWS: usize = 4;
/// Age of a heartbeat at which a node is dead, in ticks.
pub const TTL: u8 = 3;

/// A name under which nodes live one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(pub u8);

/// One life of a node under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// The name of the node.
    pub name: Name,
    /// The number of the life; reused only when no row and no message refers to it.
    pub life: u8,
}

/// The id of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecutionId {
    /// The fire time: all of a deterministic id.
    pub fire_time: u8,
    /// The random part of the id; 0 when ids are deterministic.
    pub drawn: u8,
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Held by a node.
    Running(NodeId),
    /// Between two attempts: the next one is a one-off trigger.
    Retrying,
    /// Ended by the node: success or failure.
    Settled,
    /// Ended by a take-over.
    Lost,
    /// Not run: recorded by a command.
    Skipped,
    /// Ended with a deleted job.
    Cancelled,
}

/// The state of the job, as commands left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// The schedule of the job fires.
    Active,
    /// The schedule rests; leased executions continue.
    Paused,
    /// The job never fires again.
    Deleted,
}

/// A row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Execution {
    /// The primary key of the row.
    pub id: ExecutionId,
    /// The number of the attempt: the fencing token.
    pub attempt: u8,
    /// The state of the execution.
    pub status: Status,
}

/// One try of an execution, by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The execution of the attempt.
    pub id: ExecutionId,
    /// The number of the attempt, from 1.
    pub attempt: u8,
    /// The node of the attempt.
    pub node: NodeId,
}

/// A trigger that a lease can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Due {
    /// The schedule of the job, at the fire time.
    Schedule(u8),
    /// The next attempt of an execution.
    Next(ExecutionId),
}

/// The job's trigger of kind `SCHEDULE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trigger {
    /// The pending fire time; past the last one the trigger rests.
    pub fire_time: u8,
    /// Fire times before the schedule ends.
    pub end: u8,
    /// Whether a fixed delay awaits the end of the execution.
    pub parked: bool,
    /// The state of the job.
    pub job: JobState,
}

/// The tables that a standby replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tables {
    /// Ages of the heartbeats of all nodes that are not dead.
    pub ages: [[Option<u8>; LIVES]; NODES],
    /// The trigger of the job's schedule.
    pub trigger: Trigger,
    /// The rows of the log, one for each execution.
    pub log: [Option<Execution>; ROWS],
}

/// The server with its tables and sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Database {
    /// Whether the server answers.
    pub up: bool,
    /// The tables of the primary.
    pub tables: Tables,
    /// The tables of an asynchronous standby that lacks the last transaction.
    pub previous: Option<Tables>,
    /// Nodes whose membership session, and with it their advisory lock, is alive.
    pub sessions: [[bool; LIVES]; NODES],
    /// Nodes that joined during the present session of the other name, and have had no other
    /// session.
    pub watched: [[bool; LIVES]; NODES],
}

impl Name {
    /// The index of the life in arrays.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl Tables {
    /// The heartbeat's age of a node that is not dead.
    pub fn age(&self, node: NodeId) -> Option<u8> {
        self.ages[node.name.at()][node.life as usize]
    }

    /// Writes a node's row.
    pub fn set_age(&mut self, node: NodeId, age: Option<u8>) {
        self.ages[node.name.at()][node.life as usize] = age;
    }

    /// All nodes that are not dead.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let ids = (0u8..).zip(&self.ages).flat_map(|(name, lives)| {
            (0u8..)
                .zip(lives)
                .filter(|(_, age)| age.is_some())
                .map(move |(life, _)| (name, life))
        });
        ids.map(|(name, life)| NodeId {
            name: Name(name),
            life,
        })
    }

    /// Whether a row of the node or of one of the executions is there.
    pub fn mention(&self, node: NodeId) -> bool {
        let mut executions = self.executions();
        self.age(node).is_some() || executions.any(|row| row.status == Status::Running(node))
    }

    /// All rows of the log.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.log.iter().flatten()
    }

    fn execution_mut(&mut self, id: ExecutionId) -> Option<&mut Execution> {
        self.log.iter_mut().flatten().find(|row| row.id == id)
    }

    /// One execution, by id.
    pub fn execution(&self, id: ExecutionId) -> Option<&Execution> {
        self.executions().find(|row| row.id == id)
    }

    /// All triggers that a lease could take.
    pub fn due(&self) -> impl Iterator<Item = Due> + '_ {
        let schedule = self.pending().map(Due::Schedule);
        let next = self
            .executions()
            .filter(|row| row.status == Status::Retrying)
            .map(|row| Due::Next(row.id));
        schedule.into_iter().chain(next)
    }

    /// The fire time whose instant has passed and that is not taken yet.
    pub fn pending(&self) -> Option<u8> {
        let Trigger {
            fire_time,
            end,
            parked,
            job,
        } = self.trigger;
        (job == JobState::Active && !parked && fire_time < end).then_some(fire_time)
    }

    /// Moves the schedule on to the next fire time, or lets a fixed delay await the end.
    pub fn move_on(&mut self, schedule: Schedule) {
        self.trigger.fire_time += 1;
        self.trigger.parked =
            schedule == Schedule::FixedDelay && self.trigger.fire_time < self.trigger.end;
    }

    /// Takes a fire time. An existing row stays unchanged.
    pub fn insert(&mut self, id: ExecutionId, node: NodeId) -> Option<Attempt> {
        // `ON CONFLICT DO NOTHING`: the deterministic id is the last guard against a second run.
        if self.execution(id).is_some() {
            return None;
        }
        let free = self
            .log
            .iter_mut()
            .find(|row| row.is_none())
            .expect("the log has room for every id that is drawn");
        *free = Some(Execution {
            id,
            attempt: 1,
            status: Status::Running(node),
        });
        Some(Attempt {
            id,
            attempt: 1,
            node,
        })
    }

    /// Starts the next attempt of an execution that waits for one.
    pub fn resume(&mut self, id: ExecutionId, node: NodeId) -> Option<Attempt> {
        let row = self
            .execution_mut(id)
            .filter(|row| row.status == Status::Retrying)?;
        row.attempt += 1;
        row.status = Status::Running(node);
        Some(Attempt {
            id,
            attempt: row.attempt,
            node,
        })
    }

    /// Writes the end of an attempt, if the attempt is the current one or the safeguard is off.
    pub fn settle(&mut self, ended: Attempt, fence: bool) -> bool {
        let Some(row) = self.execution_mut(ended.id) else {
            return false;
        };
        // The node is part of the fence: after a failover another node may have the same number.
        let current = row.attempt == ended.attempt && row.status == Status::Running(ended.node);
        if current || !fence {
            row.status = Status::Settled;
        }
        current || !fence
    }

    /// Makes a fixed delay due after the end of the awaited execution.
    pub fn rearm(&mut self) {
        self.trigger.parked = false;
    }

    /// Marks a node dead, and hands over or ends its executions.
    pub fn take_over(&mut self, dead: NodeId, recovery: Recovery) {
        self.set_age(dead, None);
        for row in self
            .log
            .iter_mut()
            .flatten()
            .filter(|row| row.status == Status::Running(dead))
        {
            match recovery {
                _ if self.trigger.job == JobState::Deleted => row.status = Status::Cancelled,
                Recovery::Rerun => row.status = Status::Retrying,
                Recovery::MarkLost => {
                    row.status = Status::Lost;
                    self.trigger.parked = false;
                }
            }
        }
    }

    /// Puts back executions that are counted to a node but not held there. Executions of a deleted
    /// job end.
    pub fn reclaim(&mut self, node: NodeId, held: Option<ExecutionId>) {
        let lost =
            |row: &&mut Execution| row.status == Status::Running(node) && Some(row.id) != held;
        let deleted = self.trigger.job == JobState::Deleted;
        let reclaimed = if deleted {
            Status::Cancelled
        } else {
            Status::Retrying
        };
        self.log
            .iter_mut()
            .flatten()
            .filter(lost)
            .for_each(|row| row.status = reclaimed);
    }

    /// Whether a node counts as the holder of an execution that is not held there.
    pub fn holds_other_than(&self, node: NodeId, held: Option<ExecutionId>) -> bool {
        self.executions()
            .any(|row| row.status == Status::Running(node) && Some(row.id) != held)
    }

    /// Whether every fire time was taken, or waits for a resume, and all executions have ended.
    pub fn all_settled(&self) -> bool {
        let Trigger {
            fire_time,
            end,
            job,
            ..
        } = self.trigger;
        let until = if job == JobState::Paused {
            fire_time.min(end)
        } else {
            end
        };
        fire_time >= until
            && self
                .executions()
                .all(|row| !matches!(row.status, Status::Running(_) | Status::Retrying))
            && (0..until).all(|at| self.has_row(at))
    }

    /// Whether a fire time has a row in the log.
    pub fn has_row(&self, fire_time: u8) -> bool {
        self.executions().any(|row| row.id.fire_time == fire_time)
    }

    /// Records a fire time as one that does not run. An existing row stays unchanged.
    pub fn skip(&mut self, fire_time: u8) {
        let id = ExecutionId {
            fire_time,
            drawn: 0,
        };
        if self.execution(id).is_none()
            && let Some(free) = self.log.iter_mut().find(|row| row.is_none())
        {
            *free = Some(Execution {
                id,
                attempt: 0,
                status: Status::Skipped,
            });
        }
    }

    /// Ends executions that wait for the next attempt.
    pub fn cancel_retrying(&mut self) {
        self.log
            .iter_mut()
            .flatten()
            .filter(|row| row.status == Status::Retrying)
            .for_each(|row| row.status = Status::Cancelled);
    }
}

impl Database {
    /// Whether the membership session of a node lives.
    pub fn session(&self, node: NodeId) -> bool {
        self.sessions[node.name.at()][node.life as usize]
    }

    /// Opens or ends the membership session of a node. A new session has seen no node join.
    pub fn set_session(&mut self, node: NodeId, lives: bool) {
        self.sessions[node.name.at()][node.life as usize] = lives;
        if lives {
            self.watched[node.name.at()][node.life as usize] = false;
            self.watched[1 - node.name.at()] = Default::default();
        }
    }

    /// A node is gone for good.
    pub fn end(&mut self, node: NodeId) {
        self.set_session(node, false);
        self.watched[node.name.at()][node.life as usize] = false;
    }

    /// Notes whether the session of the other name sees the node join.
    pub fn note_who_sees(&mut self, node: NodeId) {
        let is_seen = self.sessions[1 - node.name.at()].contains(&true);
        self.watched[node.name.at()][node.life as usize] = is_seen;
    }

    /// Whether a node joined during the session of the observer, and has had no other session
    /// since.
    pub fn joined_under_eyes_of(&self, observer: Name, node: NodeId) -> bool {
        observer != node.name && self.watched[node.name.at()][node.life as usize]
    }

    /// Whether a node that is not dead looks dead.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.tables
            .age(node)
            .is_some_and(|age| age >= TTL || !self.session(node))
    }

    /// Whether a node counts as the holder of an execution that is not held there, at the primary
    /// or at the standby.
    pub fn holds_other_than(&self, node: NodeId, held: Option<ExecutionId>) -> bool {
        self.tables.holds_other_than(node, held)
            || self
                .previous
                .is_some_and(|before| before.holds_other_than(node, held))
    }

    /// Removes a node that holds nothing and that no process refers to: its death would change no
    /// other row.
    pub fn sweep(&mut self, spoken_of: impl Fn(NodeId) -> bool) {
        for node in self.tables.nodes().collect::<Vec<_>>() {
            // Without the sweep every rejoin would leave a row, and the lives of a name would have
            // no bound.
            if !spoken_of(node) && !self.holds_other_than(node, None) {
                self.tables.set_age(node, None);
                self.end(node);
                if let Some(before) = &mut self.previous {
                    before.set_age(node, None);
                }
            }
        }
    }

    /// Whether a row or a session speaks of a node.
    pub fn mentions(&self, node: NodeId) -> bool {
        let previous = self.previous.as_ref();
        self.tables.mention(node)
            || previous.is_some_and(|tables| tables.mention(node))
            || self.session(node)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'A' + self.0))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.life + 1)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.fire_time + 1)?;
        if self.drawn == 0 {
            Ok(())
        } else {
            write!(f, "-{}", self.drawn)
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule(fire_time) => write!(f, "the schedule's fire time #{}", fire_time + 1),
            Self::Next(id) => write!(f, "the next attempt of execution {id}"),
        }
    }
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "execution {} attempt {} ", self.id, self.attempt)?;
        match self.status {
            Status::Running(node) => write!(f, "RUNNING on {node}"),
            Status::Retrying => f.write_str("RETRYING"),
            Status::Settled => f.write_str("settled"),
            Status::Lost => f.write_str("LOST"),
            Status::Skipped => f.write_str("SKIPPED"),
            Status::Cancelled => f.write_str("CANCELLED"),
        }
    }
}
