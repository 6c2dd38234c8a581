//! Membership: joining, heartbeats, and the session as the proof of life. Writes `cluster_node` (a
//! takeover writes the end of a node).
//!
//! The membership session is a separate connection, and holds the node's advisory lock for the
//! whole session. When the process dies, the kernel closes the connection, PostgreSQL releases the
//! lock, and the predecessor in the ring of nodes notices the end within milliseconds. The wait of
//! the predecessor has a separate connection as well: a backend waiting for a lock does not notice
//! the end of the client.

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::access::Caller;
use crate::model::node::NodeState;
use crate::store::audit::entry::Entry;
use crate::store::db::database::Database;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::jobs::cluster_pause::PAUSE_IF_SET_BACK;
use crate::store::maintenance::clock_jumps::{Jump, Moment, paused_for};
use crate::store::{During, Store, StoreError};
use chrono::{TimeDelta, Utc};
use std::time::{Duration, Instant};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// Limit for reading an arrived answer.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

const TAKE_LOCK: Statement = Statement::new(
    "-- nodes.take_lock
select pg_advisory_lock($1)",
);

/// Ends an earlier session of the node still holding the lock (a half-open connection): a process
/// has a single membership session.
const END_EARLIER_SESSION: Statement = Statement::new(
    "-- nodes.end_earlier_session
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and objsubid = 1
    and pid <> pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())
  and ((classid::bigint << 32) | objid::bigint) = $1",
);

/// Notes the age of the session before the lock is taken: the lock of a new session must not appear
/// with the age of an earlier one.
const NOTE_SESSION: Statement = Statement::new(
    "-- nodes.note_session
update cluster_node set session_at = coalesce($1::timestamptz, clock_timestamp()) where id = $2",
);

const JOIN: Statement = Statement::new(
    "-- nodes.join
insert into cluster_node (id, name, address, version, state, lock_key, slots, protocol, started_at,
    heartbeat_at, session_at)
select $2, $3, $4, $5, 'ACTIVE', $6, $7, 4, now, now, now
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
returning heartbeat_at",
);

/// Renews the node and all held executions. Without a row the node was declared dead. $5 is the
/// longest possible time since the last heartbeat, in seconds (null where a test sets the clock).
/// After a longer time the clock has jumped, and the ages of all heartbeats with the clock, so the
/// node's watch over the others begins now.
const HEARTBEAT: Statement = Statement::new(
    "-- nodes.heartbeat
update cluster_node set heartbeat_at = coalesce($1::timestamptz, clock_timestamp()),
    executions_running = $3, clock_offset_micros = coalesce($4, clock_offset_micros),
    full_since = case when $3 >= slots then coalesce(full_since, $1::timestamptz, clock_timestamp()) end,
    session_at = case when $5::float8 is not null and (clock_timestamp() < heartbeat_at
        or clock_timestamp() > heartbeat_at + make_interval(secs => $5)) then clock_timestamp()
            else session_at end
where id = $2 and state in ('ACTIVE', 'DRAINING')
returning state, clock_timestamp() as now, heartbeat_at, exists (select from cluster_pause) as held,
    (select jumped_from from cluster_pause) as jumped_from,
    (select jumped_to from cluster_pause) as jumped_to",
);

/// A living node of a version without payloads of executions (migration V17): such a node would run
/// the executions with the payload of the job.
const OF_BEFORE_OWN_RUNS: Statement = Statement::new(
    "-- nodes.of_before_own_runs
select name from cluster_node where state in ('ACTIVE', 'DRAINING') and protocol < 3 order by name
    limit 1",
);

const DRAIN: Statement = Statement::new(
    "-- nodes.drain
update cluster_node set state = 'DRAINING' where id = $1 and state = 'ACTIVE' returning name",
);

const LIST: Statement = Statement::new(
    "-- nodes.list
select id, name, address, version, state, slots, executions_running, clock_offset_micros,
       started_at, heartbeat_at,
       extract(epoch from coalesce($1::timestamptz, clock_timestamp()) - heartbeat_at)::float8
           as heartbeat_age,
       full_since, ended_at, ended_by
from cluster_node
where kind = 'NODE' and (state in ('ACTIVE', 'DRAINING')
   or ended_at > (select coalesce($1::timestamptz, clock_timestamp())) - interval '1 day')
order by (state in ('ACTIVE', 'DRAINING')) desc, started_at desc, id
limit 200",
);

/// Ends the wait of a gone client. PostgreSQL refuses the setting on a platform without such a
/// check.
const CHECK_CLIENT: Statement = Statement::new(
    "-- nodes.check_client
set client_connection_check_interval = '1s'",
);

const NO_LOCK_TIMEOUT: Statement = Statement::new(
    "-- nodes.no_lock_timeout
set lock_timeout = 0",
);

/// Ends when the lock is free: the server tries forty times a second. A plain wait for the lock
/// would keep its snapshot as long as the successor lives, and vacuum could remove no dead row of
/// the whole database: each lease would walk past the triggers of all fire times since.
const WATCH: Statement = Statement::new(
    "-- nodes.watch
do $$ begin
    while not pg_try_advisory_lock_shared({key}) loop
        commit; -- the snapshot
        perform pg_sleep(0.025);
    end loop;
end $$",
);

/// The profile of a joining node.
#[derive(Debug, Clone)]
pub struct NodeProfile {
    /// Name of the node. Display only.
    pub name: String,
    /// host:port of the API.
    pub address: String,
    /// Most executions at once.
    pub slots: usize,
}

/// A node as the database knows it.
#[derive(Debug, Clone)]
pub struct NodeRecord {
    /// Id of the node for one lifetime of the process.
    pub id: Uuid,
    /// Name of the node. Display only.
    pub name: String,
    /// host:port of the API.
    pub address: String,
    /// Version of the binary.
    pub version: String,
    /// `ACTIVE`, `DRAINING`, `LEFT` or `DEAD`.
    pub state: NodeState,
    /// Most executions at once.
    pub slots: i32,
    /// Executions held at the last heartbeat.
    pub executions_running: i32,
    /// The node's wall clock minus the database's, in microseconds.
    pub clock_offset_micros: i64,
    /// Instant at which the node joined.
    pub started_at: Timestamp,
    /// Instant of the last heartbeat.
    pub heartbeat_at: Timestamp,
    /// Age of the last heartbeat in seconds, by the database's clock.
    pub heartbeat_age_seconds: f64,
    /// The first heartbeat since which no slot was free.
    pub full_since: Option<Timestamp>,
    /// Instant of the end. `None`: the node is alive.
    pub ended_at: Option<Timestamp>,
    /// Reason of the end: `LEFT`, `TTL` or `SESSION`.
    pub ended_by: Option<String>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// `ACTIVE`, or `DRAINING` on request.
    pub state: NodeState,
    /// The wall clock of the process minus the database's, at half the round trip.
    pub clock_offset: TimeDelta,
    /// The heartbeat as written by the database.
    pub heartbeat_at: Timestamp,
    pub cluster_paused: bool,
    /// The jump of the clock behind the pause, if any.
    pub paused_for: Option<Jump>,
    /// Instant of the answer, by the database's clock.
    pub now: Timestamp,
    /// When the heartbeat was sent.
    pub sent: Moment,
}

/// The connection behind the membership of a process. A drop ends the session: to the other nodes
/// the process is dead.
pub struct MembershipSession {
    client: Client,
    database: Database,
    clock: Clock,
    timeout: Duration,
    /// When the session was opened, on the monotonic clock.
    pub opened_at: Instant,
}

impl MembershipSession {
    /// Opens the session. `timeout` bounds each of the calls. The second value resolves at the end
    /// of the connection.
    pub async fn open(
        database: &Database,
        timeout: Duration,
        clock: Clock,
    ) -> Result<(Self, impl Future<Output = ()> + use<>), StoreError> {
        let (client, mut messages) = bounded("nodes.open", timeout, database.connect()).await?;
        let ended = async move { while messages.recv().await.is_some() {} };
        let session = Self {
            client,
            database: database.clone(),
            clock,
            timeout,
            opened_at: Instant::now(),
        };
        Ok((session, ended))
    }

    /// Whether the connection has ended, or the primary was replaced.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed() || self.database.outdates(self.opened_at)
    }

    /// Joins under a fresh id. The lock comes first: a node with a visible row has a visible
    /// session. Returns the first heartbeat.
    pub async fn join(
        &self,
        node_id: Uuid,
        profile: &NodeProfile,
    ) -> Result<Timestamp, StoreError> {
        self.take_lock(node_id).await?;
        let slots = i32::try_from(profile.slots).unwrap_or(i32::MAX);
        let stub = self.clock.stub();
        let key = lock_key(node_id);
        bounded("nodes.join", self.timeout, async {
            let row: [&(dyn ToSql + Sync); 7] = [
                &stub,
                &node_id,
                &profile.name,
                &profile.address,
                &env!("CARGO_PKG_VERSION"),
                &key,
                &slots,
            ];
            let joined = JOIN.query_one_unprepared(&self.client, &row).await?;
            Values::of(JOIN.name(), &joined).get(0)
        })
        .await
    }

    /// Takes the lock of an id, if necessary from an earlier session of the id. The request waits
    /// in line before the earlier session ends, so the lock is never free in between.
    pub async fn take_lock(&self, node_id: Uuid) -> Result<(), StoreError> {
        let key = lock_key(node_id);
        bounded("nodes.take_lock", self.timeout, async {
            NOTE_SESSION
                .execute_unprepared(&self.client, &[&self.clock.stub(), &node_id])
                .await?;
            let end_earlier = END_EARLIER_SESSION.prepare_alone(&self.client).await?;
            let take = TAKE_LOCK.prepare_alone(&self.client).await?;
            let values: [&(dyn ToSql + Sync); 1] = [&key];
            // Both are on the way before the first answer.
            futures_util::try_join!(
                end_earlier.query(&self.client, &values),
                take.query(&self.client, &values),
            )?;
            Ok(())
        })
        .await
    }

    /// Pauses the cluster if the database does not know the heartbeat of an earlier session, nor
    /// the minute before. Returns whether the cluster was paused.
    pub async fn pause_if_set_back(
        &self,
        node_id: Uuid,
        acknowledged: Timestamp,
        observer: &Caller,
    ) -> Result<bool, StoreError> {
        let stub = self.clock.stub();
        let label = observer.label();
        let values: [&(dyn ToSql + Sync); 4] = [&stub, &node_id, &acknowledged, &label];
        let held = bounded(
            PAUSE_IF_SET_BACK.name(),
            self.timeout,
            PAUSE_IF_SET_BACK.execute_unprepared(&self.client, &values),
        );
        Ok(held.await? == 1)
    }

    /// Renews the membership. None when the node was declared dead. `longest`: the longest possible
    /// time since the last heartbeat.
    pub async fn heartbeat(
        &self,
        node_id: Uuid,
        executions_running: usize,
        clock_offset: Option<TimeDelta>,
        longest: Duration,
    ) -> Result<Option<Renewal>, StoreError> {
        let running = i32::try_from(executions_running).unwrap_or(i32::MAX);
        let offset = clock_offset.and_then(|offset| offset.num_microseconds());
        #[expect(
            clippy::disallowed_methods,
            reason = "the wall clock is what is measured here"
        )]
        let sent_wall = Utc::now();
        let sent = Instant::now();
        let sent_moment = Moment::now();
        let stub = self.clock.stub();
        // A stub clock may be moved by hours, which is no jump.
        let longest = stub.is_none().then_some(longest.as_secs_f64());
        let values: [&(dyn ToSql + Sync); 5] = [&stub, &node_id, &running, &offset, &longest];
        let row = bounded(
            HEARTBEAT.name(),
            self.timeout,
            HEARTBEAT.query_opt_unprepared(&self.client, &values),
        )
        .await?;
        row.map(|row| {
            // The answer's clock was read at an unknown point of the round trip: half is the best
            // guess.
            let midway = sent_wall + sent.elapsed() / 2;
            let row = Values::of("cluster_node", &row);
            let now: Timestamp = row.get("now")?;
            Ok(Renewal {
                state: state(row)?,
                clock_offset: midway - now,
                heartbeat_at: row.get("heartbeat_at")?,
                cluster_paused: row.get("held")?,
                paused_for: paused_for(row)?,
                now,
                sent: sent_moment,
            })
        })
        .transpose()
    }
}

/// The advisory lock of a node: the random half of the id.
#[expect(
    clippy::cast_possible_wrap,
    reason = "any 64 bits will do as a lock key"
)]
fn lock_key(node_id: Uuid) -> i64 {
    node_id.as_u64_pair().1 as i64
}

/// Bounds a call. A process that stood still finds its timer expired and the answer in its socket.
/// Without the session the process would look dead at once, so there is time to read the answer;
/// the membership state decides whether the answer came in time.
async fn bounded<T>(
    call: &'static str,
    after: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut work = std::pin::pin!(work);
    if let Ok(answer) = tokio::time::timeout(after, work.as_mut()).await {
        return answer;
    }
    tokio::time::timeout(READ_TIMEOUT, work)
        .await
        .unwrap_or(Err(StoreError::Timeout { call, after }))
}

fn state(row: Values<'_>) -> Result<NodeState, StoreError> {
    row.get::<&str>("state")?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))
}

/// Waits for the end of the session with the lock. A hint to reconcile, no more.
pub async fn watch(database: &Database, lock_key: i64) -> Result<(), StoreError> {
    let (client, _guard) = database.connect_guarded().await?;
    // The server ends the wait when the process is gone. On a platform without the check, the wait
    // ends with the successor's session.
    drop(CHECK_CLIENT.batch(&client).await);
    NO_LOCK_TIMEOUT.batch(&client).await?;
    let text = WATCH.filled(&[("{key}", &lock_key.to_string())]);
    WATCH.with_sql(&text).batch(&client).await
}

impl Store {
    /// Drains a node. False when the node is not `ACTIVE`.
    pub async fn drain(&self, node_id: Uuid) -> Result<bool, StoreError> {
        self.bounded("nodes.drain", async {
            let transaction = self.begin("nodes.begin").await?;
            let drained = DRAIN.query_opt(&transaction, &[&node_id]).await?;
            if let Some(row) = &drained {
                let name: String = Values::of("cluster_node", row).get("name")?;
                // Only a drain that changed something is recorded.
                transaction.record(Entry::of("node", node_id).named(&name));
            }
            transaction.commit().await.during("nodes.commit")?;
            Ok(drained.is_some())
        })
        .await
    }

    /// The name of a living node of a version without payloads of executions.
    pub async fn node_of_before_own_runs(&self) -> Result<Option<String>, StoreError> {
        self.read_opt(OF_BEFORE_OWN_RUNS, &[], |row| {
            Values::of("cluster_node", row).get("name")
        })
        .await
    }

    /// Living nodes first, then nodes ended within a day; at most 200.
    pub async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.read_all(LIST, &[&self.clock().stub()], record).await
    }
}

fn record(row: &Row) -> Result<NodeRecord, StoreError> {
    let row = Values::of("cluster_node", row);
    Ok(NodeRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        address: row.get("address")?,
        version: row.get("version")?,
        state: state(row)?,
        slots: row.get("slots")?,
        executions_running: row.get("executions_running")?,
        clock_offset_micros: row.get("clock_offset_micros")?,
        started_at: row.get("started_at")?,
        heartbeat_at: row.get("heartbeat_at")?,
        heartbeat_age_seconds: row.get("heartbeat_age")?,
        full_since: row.get("full_since")?,
        ended_at: row.get("ended_at")?,
        ended_by: row.get("ended_by")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_has_arrived_is_read_although_the_timer_has_run_out() {
        let arrived = async {
            tokio::task::yield_now().await;
            Ok(7)
        };
        assert_eq!(
            bounded("heartbeat", Duration::ZERO, arrived)
                .await
                .expect("it is there"),
            7
        );
        let never = bounded(
            "heartbeat",
            Duration::ZERO,
            std::future::pending::<Result<(), _>>(),
        )
        .await;
        assert!(matches!(
            never,
            Err(StoreError::Timeout {
                call: "heartbeat",
                ..
            })
        ));
    }
}
