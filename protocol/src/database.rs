//! What PostgreSQL holds: rows, sessions, and the writes of each transaction.
//!
//! A row of a node that was declared dead is simply gone: a heartbeat and a lease
//! check for `ACTIVE` and cannot tell the two apart. Row locks are no rows: who
//! is half-way through a transaction holds them (`crate::node`).

use crate::{Recovery, Schedule};
use std::fmt;

/// Nodes that can live at once.
pub const NODES: usize = 2;
/// Lives that one name can have in rows and messages at the same time.
pub const LIVES: usize = 4;
/// Most fire times of the job.
pub const FIRE_TIMES: u8 = 2;
/// Executions of the log; more than fire times only when ids are drawn.
const ROWS: usize = 4;
/// Age of a heartbeat at which a node is dead, in ticks.
pub const TTL: u8 = 3;

/// The name under which nodes live one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(pub u8);

/// One life of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// Whose life.
    pub name: Name,
    /// Which; taken again only when nothing speaks of it any more.
    pub life: u8,
}

/// The id of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecutionId {
    /// The fire time, which is all of a deterministic id.
    pub fire_time: u8,
    /// What was drawn beside it; 0 when nothing is.
    pub drawn: u8,
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Held by a node.
    Running(NodeId),
    /// Between two attempts: its next one is a one-off trigger.
    Retrying,
    /// Ended by its holder.
    Settled,
    /// Ended by a take-over.
    Lost,
    /// Not run: recorded by a command.
    Skipped,
    /// Ended with its job.
    Cancelled,
}

/// What a person has made of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Its schedule fires.
    Active,
    /// Its schedule rests; what was leased goes on.
    Paused,
    /// It never fires again.
    Deleted,
}

/// A row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Execution {
    /// The primary key.
    pub id: ExecutionId,
    /// The fencing token.
    pub attempt: u8,
    /// How it stands.
    pub status: Status,
}

/// One try of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Of what.
    pub id: ExecutionId,
    /// Its number.
    pub attempt: u8,
    /// By whom.
    pub node: NodeId,
}

/// A trigger that a lease can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Due {
    /// The job's schedule, at this fire time.
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
    /// Whether a fixed delay awaits the end of its execution.
    pub parked: bool,
    /// How its job stands.
    pub job: JobState,
}

/// What is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tables {
    /// Ages of the heartbeats of those that are not dead.
    pub ages: [[Option<u8>; LIVES]; NODES],
    /// The job's schedule.
    pub trigger: Trigger,
    /// The executions.
    pub log: [Option<Execution>; ROWS],
}

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Database {
    /// Whether it answers.
    pub up: bool,
    /// What it holds.
    pub tables: Tables,
    /// What an asynchronous standby holds that has not heard of the last transaction.
    pub previous: Option<Tables>,
    /// Nodes whose membership session lives: whose advisory lock is held.
    pub sessions: [[bool; LIVES]; NODES],
    /// Nodes that joined under the eyes of the other name's session, which lasts since, and have
    /// had no other session.
    pub watched: [[bool; LIVES]; NODES],
}

impl Name {
    /// Its place in arrays.
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

    /// Nodes that are not dead.
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

    /// The executions.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.log.iter().flatten()
    }

    fn execution_mut(&mut self, id: ExecutionId) -> Option<&mut Execution> {
        self.log.iter_mut().flatten().find(|row| row.id == id)
    }

    /// One execution.
    pub fn execution(&self, id: ExecutionId) -> Option<&Execution> {
        self.executions().find(|row| row.id == id)
    }

    /// What a lease could take.
    pub fn due(&self) -> impl Iterator<Item = Due> + '_ {
        let schedule = self.pending().map(Due::Schedule);
        let next = self
            .executions()
            .filter(|row| row.status == Status::Retrying)
            .map(|row| Due::Next(row.id));
        schedule.into_iter().chain(next)
    }

    /// The fire time whose instant has passed and which is not taken yet.
    pub fn pending(&self) -> Option<u8> {
        let Trigger {
            fire_time,
            end,
            parked,
            job,
        } = self.trigger;
        (job == JobState::Active && !parked && fire_time < end).then_some(fire_time)
    }

    /// Sends the schedule on to its next fire time, or to await the end of this one.
    pub fn move_on(&mut self, schedule: Schedule) {
        self.trigger.fire_time += 1;
        self.trigger.parked =
            schedule == Schedule::FixedDelay && self.trigger.fire_time < self.trigger.end;
    }

    /// Takes a fire time. A row that is there already stays as it is.
    pub fn insert(&mut self, id: ExecutionId, node: NodeId) -> Option<Attempt> {
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

    /// Writes the end of an attempt, if it is the current one or nothing asks.
    pub fn settle(&mut self, ended: Attempt, fence: bool) -> bool {
        let Some(row) = self.execution_mut(ended.id) else {
            return false;
        };
        let current = row.attempt == ended.attempt && row.status == Status::Running(ended.node);
        if current || !fence {
            row.status = Status::Settled;
        }
        current || !fence
    }

    /// Makes a fixed delay due after the end of what it awaits.
    pub fn rearm(&mut self) {
        self.trigger.parked = false;
    }

    /// Marks a node dead, and hands over or ends what it held.
    pub fn take_over(&mut self, dead: NodeId, recovery: Recovery) {
        self.set_age(dead, None);
        let held = |row: &&mut Execution| row.status == Status::Running(dead);
        for row in self.log.iter_mut().flatten().filter(held) {
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

    /// Puts back what is counted to a node and which it does not hold. What a deleted job has left
    /// ends.
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

    /// Whether a node counts as the holder of something that it does not hold.
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

    /// Records a fire time as one that is not run. A row that is there already stays as it is.
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

    /// Ends what waits for its next attempt.
    pub fn cancel_retrying(&mut self) {
        let waiting = |row: &&mut Execution| row.status == Status::Retrying;
        self.log
            .iter_mut()
            .flatten()
            .filter(waiting)
            .for_each(|row| row.status = Status::Cancelled);
    }
}

impl Database {
    /// Whether the membership session of a node lives.
    pub fn session(&self, node: NodeId) -> bool {
        self.sessions[node.name.at()][node.life as usize]
    }

    /// Opens or ends the membership session of a node. A new one has seen nobody join.
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

    /// Notes whether the other name's session sees this node join.
    pub fn note_who_sees(&mut self, node: NodeId) {
        let is_seen = self.sessions[1 - node.name.at()].contains(&true);
        self.watched[node.name.at()][node.life as usize] = is_seen;
    }

    /// Whether a node joined while the session of this observer lasted, and has had no other since.
    pub fn joined_under_eyes_of(&self, observer: Name, node: NodeId) -> bool {
        observer != node.name && self.watched[node.name.at()][node.life as usize]
    }

    /// Whether a node that is not dead looks so.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.tables
            .age(node)
            .is_some_and(|age| age >= TTL || !self.session(node))
    }

    /// Whether a node counts as the holder of something that it does not hold, here or at the
    /// standby.
    pub fn holds_other_than(&self, node: NodeId, held: Option<ExecutionId>) -> bool {
        self.tables.holds_other_than(node, held)
            || self
                .previous
                .is_some_and(|before| before.holds_other_than(node, held))
    }

    /// Forgets a node that holds nothing and of which no process speaks: its death
    /// would change nothing but its own row.
    pub fn sweep(&mut self, spoken_of: impl Fn(NodeId) -> bool) {
        for node in self.tables.nodes().collect::<Vec<_>>() {
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
        let in_tables = |tables: &Tables| {
            tables.age(node).is_some()
                || tables
                    .executions()
                    .any(|row| row.status == Status::Running(node))
        };
        in_tables(&self.tables)
            || self.previous.as_ref().is_some_and(in_tables)
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
