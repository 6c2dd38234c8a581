//! All access to the database.
//!
//! One file per noun; SQL is in named constants above the rows that it maps. Every call has a time
//! limit on this side of the wire: `statement_timeout` does not limit COMMIT, and an unreachable
//! server does not answer. A call that exceeds its limit drops its connection and has an *unknown*
//! outcome; callers read the state again by key (fences make this safe).

pub mod activity;
mod admission;
pub mod backfills;
pub mod blackouts;
pub mod budget;
pub mod bulk;
pub mod calendars;
pub mod cancellations;
pub mod changes;
pub mod clock_jumps;
pub mod cluster_pause;
pub mod commands;
mod conditions;
pub mod connect;
pub mod exclusions;
pub mod execution_list;
pub mod execution_search;
pub mod executions;
pub mod failing;
mod fire_times;
pub mod job_list;
pub mod job_states;
pub mod jobs;
pub mod leases;
pub mod listener;
pub mod load;
pub mod migrate;
pub mod nodes;
pub mod outcomes;
pub mod overview;
pub mod partitions;
mod parts;
mod passed;
pub mod pauses;
mod pool;
mod pooler;
pub mod reclaim;
pub mod repairs;
pub mod reruns;
pub mod resting;
pub mod retention;
mod row;
mod session;
pub mod settlements;
pub mod sweep;
pub mod takeovers;
mod timeline;
mod tls;
mod unreadable;
pub mod upcoming;
mod zones;

use crate::clock::Clock;
use connect::Database;
use parking_lot::Mutex;
use pool::{Pool, pool, pool_error};
use session::{Session, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use unreadable::UnreadableRows;
use uuid::Uuid;

/// How long leases are wary of fire times that were taken before, once there was one.
const CONFLICTS_EXPECTED_FOR: Duration = Duration::from_mins(1);

/// Channel of the wake-up hints; they carry no data.
pub const WAKE_UP_CHANNEL: &str = "horolog_wakeup";
/// Channel of the hints that a node has come, drains or has gone (migration V8).
pub const MEMBERSHIP_CHANNEL: &str = "horolog_membership";

/// The database, as the rest of the program sees it.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    /// What the pool is called in the metrics.
    pool_name: &'static str,
    clock: Clock,
    call_timeout: Duration,
    /// What it cannot read.
    unreadable: UnreadableRows,
    /// Until when a lease expects fire times that were taken before.
    conflicts_expected_until: Arc<Mutex<Option<Instant>>>,
    /// The jobs that this node has cached.
    job_cache: leases::JobCache,
    /// Where the next scan of the due triggers starts.
    scan_cursor: leases::ScanCursor,
    /// Whether a change of calendars or blackouts has kept the last lease out.
    turn: exclusions::Turn,
    /// Who holds how many of this node's slots.
    shares: leases::Shares,
    /// What its clock said last.
    clock_watch: clock_jumps::ClockWatch,
    /// What this node did since it last wrote it down.
    activity_counter: activity::ActivityCounter,
    /// What the rows of one request may take.
    budget: Option<Arc<budget::Budget>>,
}

/// The statements of the hot path, for the test of their plans: lease, settle,
/// take over; and those of commands about many executions.
pub fn hot_statements() -> Vec<&'static str> {
    vec![
        leases::LOCK_MEMBERSHIP,
        leases::LOCK_DUE,
        leases::LOOK_AHEAD,
        leases::PEEK,
        jobs::BY_IDS,
        leases::INSERT,
        leases::INSERT_OR_SKIP,
        leases::INSERT_OWN,
        leases::SKIP_OWN,
        leases::RESUME,
        leases::MOVE_ON,
        leases::LIST,
        leases::REMOVE,
        leases::RECORD_SKIPPED,
        settlements::SETTLE,
        failing::MARK,
        failing::CLEAR,
        settlements::RETRY,
        settlements::RELEASE_BUFFERED,
        settlements::ALREADY_SETTLED,
        leases::IN_FLIGHT,
        settlements::REARM_FIXED_DELAY,
        settlements::END_LEASES,
        takeovers::LEASES,
        takeovers::CLUSTER_VIEW,
        takeovers::LOCK_GONE,
        takeovers::TAKE_OVER,
        takeovers::NEXT_ATTEMPTS,
        reclaim::RECLAIM,
        cancellations::LOCK_TRIGGERS,
        cancellations::CANCEL_PENDING,
        cancellations::CANCEL_RETRYING,
        cancellations::REQUEST,
        reruns::CANDIDATES,
        reruns::INSERT,
        reruns::OF,
    ]
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Each server of the URL is one that cannot be used as it is: waiting does not help.
    #[error("the database cannot be used")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The call took longer than its bound; whether it took effect is unknown.
    #[error("the database did not answer `{call}` within {after:?}")]
    Timeout {
        /// The call, as it is named in the log.
        call: &'static str,
        /// The bound.
        after: Duration,
    },
    /// The database refused a statement or the connection broke.
    #[error("the database refused `{call}`")]
    Refused {
        /// The call, as it is named in the log.
        call: &'static str,
        /// What it said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The rows take more memory than the request may have.
    #[error("the rows take more than {max} bytes")]
    TooLarge {
        /// What it may have.
        max: usize,
    },
    /// A row holds something that this binary does not understand.
    #[error("row {id} of {table} cannot be understood: {reason}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// What is odd.
        reason: String,
    },
}

impl StoreError {
    /// Whether a row is there already.
    fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether a row of a batch is the reason, so that the others would go through without it: the
    /// row cannot be read, or the database does not take it (a value, a constraint, a limit of the
    /// server, a trigger that raises).
    pub fn is_of_a_row(&self) -> bool {
        const CLASSES: [&str; 9] = ["21", "22", "23", "2B", "38", "39", "44", "54", "P0"];
        match self {
            Self::Unreadable { .. } => true,
            Self::Refused { source, .. } => match source.code() {
                Some(code) => CLASSES.iter().any(|class| code.code().starts_with(class)),
                None => is_unsendable(source),
            },
            Self::Unavailable(_)
            | Self::Unfit(_)
            | Self::Timeout { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// What it says of a row that could not be read or written, for people. The server's detail is
    /// left out: it may repeat the whole row.
    pub fn in_words(&self) -> String {
        match self {
            Self::Refused { source, .. } => match source.as_db_error() {
                Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
                None => source.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Whether it says only that a statement before it in the transaction failed.
    fn is_echo(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }

    /// Whether the call took longer than it may.
    fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether a lock could not be had in time.
    fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether it may work later as it is: the API says `UNAVAILABLE`.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Timeout { .. } => true,
            Self::Refused { source, .. } => is_passing(source),
            Self::Unfit(_) | Self::Unreadable { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// Connection lost, server starting or stopping, out of resources, lost a race
/// for locks: classes 08, 53, 57, 40, and lock timeout.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    !is_unsendable(error)
        && (error.is_closed()
            || error.code().is_none_or(|code| {
                *code == SqlState::LOCK_NOT_AVAILABLE
                    || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                    || ["08", "53", "57", "40"]
                        .iter()
                        .any(|class| code.code().starts_with(class))
            }))
}

/// Whether the driver could not turn a value into what the server takes. It has no kind of its own
/// for that, only the text.
fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    error.code().is_none() && error.to_string().starts_with("error serializing parameter")
}

/// Both answers of statements that were sent together. Of two errors the cause: after one the
/// server refuses what follows in the transaction, and says no more than that.
fn both<A, B>(
    one: Result<A, StoreError>,
    other: Result<B, StoreError>,
) -> Result<(A, B), StoreError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(one), Err(other)) => Err(if one.is_echo() { other } else { one }),
    }
}

/// Names the call that an error of the driver belongs to.
trait During<T> {
    fn during(self, call: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, call: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Refused { call, source })
    }
}

impl Store {
    /// A store on a pool of at most `connections`, which the runtime of the caller drives. Nothing
    /// connects yet.
    pub fn new(
        database: &Database,
        connections: usize,
        call_timeout: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            pool: pool(database, connections, call_timeout, Handle::current()),
            pool_name: "firing",
            clock,
            call_timeout,
            unreadable: UnreadableRows::default(),
            conflicts_expected_until: Arc::default(),
            job_cache: leases::JobCache::default(),
            scan_cursor: leases::ScanCursor::default(),
            turn: exclusions::Turn::default(),
            shares: leases::Shares::default(),
            clock_watch: clock_jumps::ClockWatch::default(),
            activity_counter: activity::ActivityCounter::default(),
            budget: None,
        }
    }

    /// The same database for the API: with connections of its own, on a runtime of its own, so that
    /// no request can make firing wait. What firing remembers it shows.
    #[must_use]
    pub fn for_requests(&self, database: &Database, connections: usize, runtime: Handle) -> Self {
        let pool = pool(database, connections, self.call_timeout, runtime);
        Self {
            pool,
            pool_name: "requests",
            ..self.clone()
        }
    }

    /// The clock that statements are asked with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who holds how many of this node's slots.
    pub fn shares(&self) -> &leases::Shares {
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

    fn expects_conflicts(&self) -> bool {
        let until = *self.conflicts_expected_until.lock();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// For a while: where there is one, there are more.
    fn expect_conflicts(&self) {
        *self.conflicts_expected_until.lock() = Some(Instant::now() + CONFLICTS_EXPECTED_FOR);
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
        let client = self.pool.get().await.map_err(pool_error)?;
        metrics::histogram!("horolog_pool_wait_seconds", "pool" => self.pool_name)
            .record(asked.elapsed().as_secs_f64());
        Ok(Session::new(client))
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
        let transaction = Transaction::new(self.session().await?);
        transaction.begin().await.during(call)?;
        Ok(transaction)
    }
}
