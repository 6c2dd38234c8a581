//! Workers: members outside the process, which lease and settle over HTTP.
//!
//! A worker is a row of `cluster_node` without a session: its TTL alone decides about its death, by
//! the database's clock. The lease belongs to the worker; the node that it talks to holds nothing
//! for it. Takeover, recovery and the fence are those of nodes.
//!
//! An answer may be lost, and a request may arrive late, after others. So a worker numbers its
//! polls. A poll says which attempts the worker holds; whatever else the database counts to the
//! worker is reclaimed. Only the newest poll may do that, and only the newest poll may lease: an
//! older one knows nothing of what was leased since. Both take the worker's row first.

mod membership;
mod polls;
mod settle;

pub use membership::{JoinRefusal, WorkerProfile, WorkerRecord, WorkerRenewal};
pub use polls::StartedPoll;
pub use settle::{SettleCode, WorkerResult};

use crate::model::payload::Payload;
use crate::store::StoreError;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use uuid::Uuid;

/// Locks the row of a worker: no lease of the worker is under way, and no takeover.
const LOCK: Statement = Statement::new(
    "-- workers.lock
select state, poll, joined_by, namespace, handlers, slots
from cluster_node where id = $1 and kind = 'WORKER' for update",
);

/// A worker, as a request names it.
#[derive(Debug, Clone)]
pub struct WorkerKey {
    /// Id of its life.
    pub id: Uuid,
    /// Kind and id of the caller. Only the caller that joined speaks for the worker.
    pub caller: String,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No worker of this caller has the id.
    Unknown,
    /// The worker has left, or was declared dead.
    Ended,
    /// A newer poll of the worker has started.
    Superseded,
}

/// The answer to a call.
pub type Answer<T> = Result<T, Refusal>;

/// An attempt that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeldByWorker {
    /// Id of the execution.
    pub id: Uuid,
    /// Number of the attempt.
    pub attempt: i32,
}

/// What a worker says of a running attempt.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The attempt.
    pub held: HeldByWorker,
    /// Percent and message, as JSON. Display only.
    pub progress: Option<Payload>,
    /// What the next attempt gets.
    pub checkpoint: Option<Payload>,
}

/// The row of a worker that is a member.
struct Locked {
    is_draining: bool,
    poll: i64,
    namespace: String,
    handlers: Vec<String>,
    slots: i32,
}

async fn lock(transaction: &Transaction, worker: &WorkerKey) -> Result<Answer<Locked>, StoreError> {
    let Some(row) = LOCK.query_opt(transaction, &[&worker.id]).await? else {
        return Ok(Err(Refusal::Unknown));
    };
    let row = Values::of(LOCK.name(), &row);
    if row.get::<&str>("joined_by")? != worker.caller {
        return Ok(Err(Refusal::Unknown));
    }
    let is_draining = match row.get("state")? {
        "ACTIVE" => false,
        "DRAINING" => true,
        _ => return Ok(Err(Refusal::Ended)),
    };
    Ok(Ok(Locked {
        is_draining,
        poll: row.get("poll")?,
        namespace: row.get("namespace")?,
        handlers: row.get("handlers")?,
        slots: row.get("slots")?,
    }))
}
