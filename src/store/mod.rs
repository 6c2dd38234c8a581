//! All access to the database.
//!
//! A file per noun; SQL is in named constants above the mapping of the rows. Every call has a time
//! limit on this side of the wire: `statement_timeout` does not limit COMMIT, and an unreachable
//! server does not answer. A call over the limit drops the connection and has an *unknown* outcome;
//! callers read the state again by key (fences make the repetition safe).

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
use crate::store::db::statement::Statement;
use crate::store::db::unreadable::UnreadableRows;
use error::{During, both};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use uuid::Uuid;

/// The database, for the rest of the program.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    /// The namespaces visible to the statements.
    reach: Reach,
    /// The name of the pool in the metrics.
    pool_name: &'static str,
    clock: Clock,
    call_timeout: Duration,
    /// Notes of rows that the program cannot read.
    unreadable: UnreadableRows,
    /// The holders of the node's slots.
    shares: protocol::shares::Shares,
    /// The last reading of the clock.
    clock_watch: maintenance::clock_jumps::ClockWatch,
    /// Counts since the last write.
    activity_counter: queries::activity::ActivityCounter,
    /// The author of changes.
    author: Author,
    /// Attempts that were refused, for the audit log.
    refusals: audit::refusals::Refusals,
    /// The memory budget for the rows of a request.
    budget: Option<Arc<db::budget::Budget>>,
}

const PING: Statement = Statement::new("-- ping\nselect 1");

/// The statements of the hot path, for the test of the plans: lease, settle, take over; and of
/// commands about many executions.
pub fn hot_statements() -> Vec<&'static str> {
    vec![
        protocol::lessee::LOCK_MEMBERSHIP.sql(),
        protocol::locking::LOCK_DUE.sql(),
        protocol::locking::LOOK_AHEAD.sql(),
        protocol::locking::LOCK_ROUTE.sql(),
        protocol::locking::LOOK_AHEAD_ROUTE.sql(),
        protocol::acquire::PEEK.sql(),
        jobs::job_rows::BY_IDS.sql(),
        protocol::apply::INSERT.sql(),
        protocol::apply::INSERT_OR_SKIP.sql(),
        protocol::own::INSERT_OWN.sql(),
        protocol::own::SKIP_OWN.sql(),
        protocol::apply::RESUME.sql(),
        protocol::apply::MOVE_ON.sql(),
        protocol::apply::LIST.sql(),
        protocol::apply::REMOVE.sql(),
        protocol::skipped::RECORD_SKIPPED.sql(),
        protocol::complete::SETTLE.sql(),
        protocol::failing::MARK.sql(),
        protocol::failing::CLEAR.sql(),
        protocol::complete::RETRY.sql(),
        protocol::overlap::RELEASE_BUFFERED.sql(),
        protocol::complete::ALREADY_SETTLED.sql(),
        protocol::overlap::IN_FLIGHT.sql(),
        protocol::fixed_delay::REARM_FIXED_DELAY.sql(),
        protocol::complete::END_LEASES.sql(),
        protocol::hand_over::LEASES.sql(),
        protocol::cluster_view::CLUSTER_VIEW.sql(),
        protocol::takeover::LOCK_GONE.sql(),
        protocol::hand_over::TAKE_OVER.sql(),
        protocol::hand_over::NEXT_ATTEMPTS.sql(),
        protocol::reclaim::RECLAIM.sql(),
        jobs::cancellations::LOCK_TRIGGERS.sql(),
        jobs::cancellations::CANCEL_PENDING.sql(),
        jobs::cancellations::CANCEL_RETRYING.sql(),
        jobs::cancellations::REQUEST.sql(),
        jobs::reruns::CANDIDATES.sql(),
        jobs::reruns::INSERT.sql(),
        jobs::reruns::OF.sql(),
        queries::pending_runs::OF_JOB.sql(),
    ]
}

impl Store {
    /// A store on pools of at most `connections` each, driven by the runtime of the caller. Nothing
    /// connects yet.
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

    /// The same database for the API: with separate connections, on a separate runtime, so no
    /// request can make firing wait. The state of firing is shared.
    #[must_use]
    pub fn for_requests(&self, database: &Database, connections: usize, runtime: Handle) -> Self {
        let pools = pools(database, connections, self.call_timeout, runtime);
        Self {
            pools,
            pool_name: "requests",
            ..self.clone()
        }
    }

    /// The same database for the secrets of attempts: with a single separate connection, opened for
    /// the first reference to a secret.
    #[must_use]
    pub fn for_secrets(&self, database: &Database) -> Self {
        Self {
            pools: pools(database, 1, self.call_timeout, Handle::current()),
            pool_name: "secrets",
            ..self.clone()
        }
    }

    /// The same database for workers: with connections of their own, so that no request of a person
    /// keeps a heartbeat waiting, and without the shares of the slots of this node.
    #[must_use]
    pub fn for_workers(&self, database: &Database, connections: usize, runtime: Handle) -> Self {
        Self {
            pools: pools(database, connections, self.call_timeout, runtime),
            pool_name: "workers",
            shares: protocol::shares::Shares::default(),
            ..self.clone()
        }
    }

    /// The clock that statements are asked with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The holders of the node's slots.
    pub fn shares(&self) -> &protocol::shares::Shares {
        &self.shares
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.bounded("ping", async {
            let session = self.session().await?;
            PING.batch(&session).await?;
            session.release();
            Ok(())
        })
        .await
    }

    /// Runs a call under the time limit. A call over the limit drops the [`Session`], and the
    /// connection is closed, not reused.
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
        // Also the time of opening a connection: a caller waits for both.
        metrics::histogram!("horolog_pool_wait_seconds", "pool" => self.pool_name)
            .record(asked.elapsed().as_secs_f64());
        let session = Session::new(client);
        self.reach_out(&session).await?;
        Ok(session)
    }

    /// Notes rows refused by the database, each once: the rows stay unchanged.
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

    /// A transaction on a separate session.
    async fn begin(&self, call: &'static str) -> Result<Transaction, StoreError> {
        let transaction = Transaction::new(self.session().await?, self.author.clone());
        transaction.begin().await.during(call)?;
        Ok(transaction)
    }
}

fn pools(database: &Database, connections: usize, timeout: Duration, runtime: Handle) -> Pools {
    Pools::new(database, connections, timeout, runtime, reach::VIEWS)
}
