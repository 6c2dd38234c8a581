//! All access to the database.
//!
//! One file per noun; SQL is in named constants above the rows that it maps. Every call has a time
//! limit on this side of the wire: `statement_timeout` does not limit COMMIT, and an unreachable
//! server does not answer. A call that exceeds its limit drops its connection and has an *unknown*
//! outcome; callers read the state again by key (fences make this safe).

pub mod access;
pub mod audit;
pub mod author;
pub mod db;
pub mod error;
pub mod jobs;
pub mod maintenance;
pub mod protocol;
pub mod queries;
pub mod reach;
pub mod secrets;

pub use error::StoreError;

use crate::clock::Clock;
use crate::model::namespace::Reach;
use crate::store::author::Author;
use crate::store::db::database::Database;
use crate::store::db::pool::{Pools, pool_error};
use crate::store::db::session::{Session, Transaction};
use crate::store::db::unreadable::UnreadableRows;
use error::{During, both};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use uuid::Uuid;

/// The database, as the rest of the program sees it.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    /// The namespaces that its statements see.
    reach: Reach,
    /// What the pool is called in the metrics.
    pool_name: &'static str,
    clock: Clock,
    call_timeout: Duration,
    /// What it cannot read.
    unreadable: UnreadableRows,
    /// Who holds how many of this node's slots.
    shares: protocol::shares::Shares,
    /// What its clock said last.
    clock_watch: maintenance::clock_jumps::ClockWatch,
    /// What this node did since it last wrote it down.
    activity_counter: queries::activity::ActivityCounter,
    /// Who changes what it changes.
    author: Author,
    /// Refused attempts.
    refusals: audit::refusals::Refusals,
    /// What the rows of one request may take.
    budget: Option<Arc<db::budget::Budget>>,
}

/// The statements of the hot path, for the test of their plans: lease, settle,
/// take over; and those of commands about many executions.
pub fn hot_statements() -> Vec<&'static str> {
    vec![
        protocol::locking::LOCK_MEMBERSHIP,
        protocol::locking::LOCK_DUE,
        protocol::locking::LOOK_AHEAD,
        protocol::acquire::PEEK,
        jobs::job_rows::BY_IDS.sql(),
        protocol::apply::INSERT,
        protocol::apply::INSERT_OR_SKIP,
        protocol::own::INSERT_OWN,
        protocol::own::SKIP_OWN,
        protocol::apply::RESUME,
        protocol::apply::MOVE_ON,
        protocol::apply::LIST,
        protocol::apply::REMOVE,
        protocol::skipped::RECORD_SKIPPED,
        protocol::complete::SETTLE,
        protocol::failing::MARK,
        protocol::failing::CLEAR,
        protocol::complete::RETRY,
        protocol::overlap::RELEASE_BUFFERED,
        protocol::complete::ALREADY_SETTLED,
        protocol::overlap::IN_FLIGHT,
        protocol::fixed_delay::REARM_FIXED_DELAY,
        protocol::complete::END_LEASES,
        protocol::hand_over::LEASES,
        protocol::cluster_view::CLUSTER_VIEW,
        protocol::takeover::LOCK_GONE,
        protocol::hand_over::TAKE_OVER,
        protocol::hand_over::NEXT_ATTEMPTS,
        protocol::reclaim::RECLAIM,
        jobs::cancellations::LOCK_TRIGGERS.sql(),
        jobs::cancellations::CANCEL_PENDING.sql(),
        jobs::cancellations::CANCEL_RETRYING.sql(),
        jobs::cancellations::REQUEST.sql(),
        jobs::reruns::CANDIDATES.sql(),
        jobs::reruns::INSERT.sql(),
        jobs::reruns::OF.sql(),
    ]
}

impl Store {
    /// A store on pools of at most `connections` each, which the runtime of the caller drives.
    /// Nothing connects yet.
    pub fn new(
        database: &Database,
        connections: usize,
        call_timeout: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            pools: pools(database, connections, call_timeout, Handle::current()),
            reach: Reach::All,
            pool_name: "firing",
            clock,
            call_timeout,
            unreadable: UnreadableRows::default(),
            shares: protocol::shares::Shares::default(),
            clock_watch: maintenance::clock_jumps::ClockWatch::default(),
            activity_counter: queries::activity::ActivityCounter::default(),
            author: Author::node("horolog"),
            refusals: audit::refusals::Refusals::default(),
            budget: None,
        }
    }

    /// The same database for the API: with connections of its own, on a runtime of its own, so that
    /// no request can make firing wait. What firing remembers it shows.
    #[must_use]
    pub fn for_requests(&self, database: &Database, connections: usize, runtime: Handle) -> Self {
        let pools = pools(database, connections, self.call_timeout, runtime);
        Self {
            pools,
            pool_name: "requests",
            ..self.clone()
        }
    }

    /// The same database for the secrets of attempts: with one connection of its own, which is
    /// opened when a job refers to a secret.
    #[must_use]
    pub fn for_secrets(&self, database: &Database) -> Self {
        Self {
            pools: pools(database, 1, self.call_timeout, Handle::current()),
            pool_name: "secrets",
            ..self.clone()
        }
    }

    /// The clock that statements are asked with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who holds how many of this node's slots.
    pub fn shares(&self) -> &protocol::shares::Shares {
        &self.shares
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.bounded("ping", async {
            let session = self.session().await?;
            session.simple_query("select 1").await.during("ping")?;
            session.release();
            Ok(())
        })
        .await
    }

    /// Runs one call under the bound. When it is cut off, its [`Session`] is
    /// dropped with it and the connection is closed, not reused.
    async fn bounded<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.call_timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Timeout {
                call,
                after: self.call_timeout,
            }),
        }
    }

    async fn session(&self) -> Result<Session, StoreError> {
        let asked = Instant::now();
        let pool = match &self.reach {
            Reach::All => &self.pools.cluster,
            Reach::Namespaces(_) => &self.pools.bounded,
        };
        let client = pool.get().await.map_err(pool_error)?;
        metrics::histogram!("horolog_pool_wait_seconds", "pool" => self.pool_name)
            .record(asked.elapsed().as_secs_f64());
        let session = Session::new(client);
        self.reach_out(&session).await?;
        Ok(session)
    }

    /// Says of rows that could not be written, once, that they are left as they are.
    fn note_odd(&self, table: &'static str, odd: Vec<(Uuid, StoreError)>) {
        for (id, error) in odd {
            let reason = format!("it cannot be written: {}", error.in_words());
            self.unreadable.note(&StoreError::Unreadable {
                table,
                id: id.to_string(),
                reason,
            });
        }
    }

    /// A transaction on a session of its own.
    async fn begin(&self, call: &'static str) -> Result<Transaction, StoreError> {
        let transaction = Transaction::new(self.session().await?, self.author.clone());
        transaction.begin().await.during(call)?;
        Ok(transaction)
    }
}

fn pools(database: &Database, connections: usize, timeout: Duration, runtime: Handle) -> Pools {
    Pools::new(database, connections, timeout, runtime, reach::VIEWS)
}
