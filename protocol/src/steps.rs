//! The steps of a behaviour, and their texts.

use crate::database::{Due, Name, NodeId};
use std::fmt;

/// A fault of a process, of the network or of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `kill -9` of the process.
    Crash(Name),
    /// SIGSTOP, a stalled machine.
    Freeze(Name),
    /// Packets vanish; both ends live.
    CutOff(Name),
    /// A critical actor makes no more progress; the heartbeat continues.
    GetsStuck(Name),
    /// The membership session alone is broken off.
    SessionBreaks(Name),
    /// The answer to a lease is lost, or its COMMIT is delayed.
    LeaseAnswerLost(Name),
    /// The answer to a settlement is lost.
    SettleAnswerLost(Name),
    /// PostgreSQL goes away and loses nothing.
    DatabaseRestarts,
    /// A standby is promoted that lacks the last transaction.
    FailsOver,
    /// The database's clock jumps ahead by more than a TTL.
    ClockJumps,
}

/// A command of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// The schedule of the job rests.
    Pause,
    /// The schedule fires again.
    Resume,
    /// A new version without a remaining fire time.
    Edit,
    /// The job never fires again.
    Delete,
}

/// A step of a behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// One tick of time passes.
    Tick,
    /// A fault of the budget happens.
    Fault(Fault),
    /// A command of the budget commits.
    Command(Command),
    /// PostgreSQL accepts connections again.
    DatabaseReturns,
    /// A frozen process wakes.
    Wakes(Name),
    /// Packets of the process pass again.
    Reconnects(Name),
    /// The service manager starts a process for a name without one.
    Restarts(Name),
    /// A process whose actor is stuck exits.
    GivesUp(Name),
    /// A node renews its membership.
    Heartbeat(Name),
    /// A node whose trust ran out while it was frozen cancels its attempts.
    Fences(Name),
    /// A process becomes a node.
    Joins(Name),
    /// The acquirer sees that it may lease, and asks.
    Polls(Name),
    /// The lease's transaction holds the node's row and a trigger.
    LeaseLocks(Name, Due),
    /// The lease takes nothing.
    LeaseEnds(Name),
    /// The lease of the node commits.
    LeaseCommits(Name),
    /// The answer to the lease is there.
    LeaseAnswered(Name),
    /// An abandoned lease commits nevertheless.
    LateCommit(Name),
    /// An abandoned lease is rolled back.
    LateEnds(Name),
    /// The acquirer reclaims attempts that it does not hold.
    Reclaims(Name),
    /// The acquirer reclaims attempts that had not started under the former id.
    ReclaimsFormer(Name),
    /// The attempt in the slot starts.
    Starts(Name),
    /// The attempt has ended on its own.
    Ends(Name),
    /// The end of the attempt is settled.
    Settles(Name),
    /// Only without one transaction per settlement.
    Rearms(Name),
    /// The Reconciler finds a node that looks dead.
    Suspects(Name, NodeId),
    /// The takeover has the suspect's row, or spares the suspect.
    TakeOverLocks(Name),
    /// The suspect is dead, and its executions are handed over.
    TakeOverCommits(Name),
    /// PostgreSQL ends the open transactions of a silent client.
    IdleEnds(Name),
}

impl Step {
    /// Whether the step is part of the protocol: no fault, and no help from outside.
    pub const fn is_own(self) -> bool {
        !matches!(
            self,
            Self::Fault(_)
                | Self::Command(_)
                | Self::Wakes(_)
                | Self::Reconnects(_)
                | Self::Restarts(_)
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FAULT: ")?;
        match self {
            Self::Crash(name) => write!(f, "{name} is killed"),
            Self::Freeze(name) => write!(f, "{name} freezes"),
            Self::CutOff(name) => write!(f, "{name} is cut off from the database"),
            Self::GetsStuck(name) => write!(f, "a critical actor of {name} makes no more progress"),
            Self::SessionBreaks(name) => {
                write!(f, "the membership session of {name} is broken off")
            }
            Self::LeaseAnswerLost(name) => write!(f, "the answer to {name}'s lease is lost"),
            Self::SettleAnswerLost(name) => write!(f, "{name} settles, and the answer is lost"),
            Self::DatabaseRestarts => f.write_str("PostgreSQL goes away; all sessions end"),
            Self::FailsOver => f.write_str(
                "a standby takes over that lacks the last transaction; all sessions end",
            ),
            Self::ClockJumps => {
                f.write_str("the database's clock jumps ahead: all heartbeats are old")
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "the job is paused",
            Self::Resume => "the job is resumed",
            Self::Edit => "the job is edited: no fire time of its new version is left",
            Self::Delete => "the job is deleted",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => f.write_str("time passes"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::DatabaseReturns => f.write_str("PostgreSQL answers again"),
            Self::Wakes(name) => write!(f, "{name} wakes"),
            Self::Reconnects(name) => write!(f, "{name} reaches the database again"),
            Self::Restarts(name) => write!(f, "{name} is started again"),
            Self::GivesUp(name) => write!(f, "{name} makes no progress and gives itself up"),
            Self::Heartbeat(name) => write!(f, "{name} sends a heartbeat"),
            Self::Fences(name) => {
                write!(f, "{name} no longer trusts itself and cancels what it runs")
            }
            Self::Joins(name) => write!(f, "{name} joins under a new id"),
            Self::Polls(name) => write!(f, "{name} may lease, and asks"),
            Self::LeaseLocks(name, due) => write!(f, "{name}'s lease holds its node row and {due}"),
            Self::LeaseEnds(name) => write!(f, "{name}'s lease takes nothing"),
            Self::LeaseCommits(name) => write!(f, "{name}'s lease commits"),
            Self::LeaseAnswered(name) => write!(f, "{name} has the answer to its lease"),
            Self::LateCommit(name) => write!(f, "{name}'s lease, given up, commits all the same"),
            Self::LateEnds(name) => write!(f, "{name}'s lease, given up, is rolled back"),
            Self::Reclaims(name) => write!(
                f,
                "{name} reclaims what is counted to it and it does not hold"
            ),
            Self::ReclaimsFormer(name) => write!(
                f,
                "{name} reclaims what had not started under its earlier id"
            ),
            Self::Starts(name) => write!(f, "{name} starts its attempt"),
            Self::Ends(name) => write!(f, "{name}'s attempt ends by itself"),
            Self::Settles(name) => write!(f, "{name} settles its attempt"),
            Self::Rearms(name) => write!(f, "{name} makes the next fixed delay due"),
            Self::Suspects(name, node) => write!(f, "{name} finds that node {node} looks dead"),
            Self::TakeOverLocks(name) => write!(
                f,
                "{name}'s take-over looks at its suspect's row under the lock"
            ),
            Self::TakeOverCommits(name) => write!(f, "{name}'s take-over commits"),
            Self::IdleEnds(name) => write!(f, "PostgreSQL ends the open transaction of {name}"),
        }
    }
}
