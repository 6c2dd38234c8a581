//! Membership: joining, heartbeats, and the session that proves a process alive. Writes
//! `cluster_node` (a takeover writes the end of a node).
//!
//! The membership session is a connection of its own, and holds the node's advisory lock as long as
//! it lasts. When the process dies, the kernel closes the connection, PostgreSQL releases the lock,
//! and the node whose successor it was learns of it within milliseconds. That wait has a connection
//! of its own as well: a backend that waits for a lock does not notice the end of its client.

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::access::Caller;
use crate::model::node::NodeState;
use crate::store::audit::entry::Entry;
use crate::store::db::database::Database;
use crate::store::db::row::Values;
use crate::store::jobs::cluster_pause::PAUSE_IF_SET_BACK;
use crate::store::maintenance::clock_jumps::{Jump, Moment, paused_for};
use crate::store::{During, Store, StoreError};
use chrono::{TimeDelta, Utc};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// How long reading an answer that has arrived may take.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

const TAKE_LOCK: &str = "-- nodes.take_lock
select pg_advisory_lock($1)";

/// Ends an earlier session of this node that lingers with the lock (a half-open connection): a
/// process has one membership session.
const END_EARLIER_SESSION: &str = "-- nodes.end_earlier_session
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and objsubid = 1
    and pid <> pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())
  and ((classid::bigint << 32) | objid::bigint) = $1";

/// Notes the age of the session before its lock is taken: the lock of a new session must not appear
/// with the age of an earlier one.
const NOTE_SESSION: &str = "-- nodes.note_session
update cluster_node set session_at = coalesce($1::timestamptz, clock_timestamp()) where id = $2";

const JOIN: &str = "-- nodes.join
insert into cluster_node (id, name, address, version, state, lock_key, slots, protocol, started_at,
    heartbeat_at, session_at)
select $2, $3, $4, $5, 'ACTIVE', $6, $7, 3, now, now, now
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
returning heartbeat_at";

/// Renews all that the node holds. No row: the node was declared dead. $5 is the most time, in
/// seconds, that can have passed since the last heartbeat (null where a test sets the clock). More:
/// the clock has jumped, and the ages of all heartbeats with it, so this node's watch over the
/// others begins now.
const HEARTBEAT: &str = "-- nodes.heartbeat
update cluster_node set heartbeat_at = coalesce($1::timestamptz, clock_timestamp()),
    executions_running = $3, clock_offset_micros = coalesce($4, clock_offset_micros),
    full_since = case when $3 >= slots then coalesce(full_since, $1::timestamptz, clock_timestamp()) end,
    session_at = case when $5::float8 is not null and (clock_timestamp() < heartbeat_at
        or clock_timestamp() > heartbeat_at + make_interval(secs => $5)) then clock_timestamp()
            else session_at end
where id = $2 and state in ('ACTIVE', 'DRAINING')
returning state, clock_timestamp() as now, heartbeat_at, exists (select from cluster_pause) as held,
    (select jumped_from from cluster_pause) as jumped_from,
    (select jumped_to from cluster_pause) as jumped_to";

/// A living node of a version without payloads of executions (migration V17): it would run them
/// with the payload of the job.
const OF_BEFORE_OWN_RUNS: &str = "-- nodes.of_before_own_runs
select name from cluster_node where state in ('ACTIVE', 'DRAINING') and protocol < 3 order by name
    limit 1";

const DRAIN: &str = "-- nodes.drain
update cluster_node set state = 'DRAINING' where id = $1 and state = 'ACTIVE' returning name";

const LIST: &str = "-- nodes.list
select id, name, address, version, state, slots, executions_running, clock_offset_micros,
       started_at, heartbeat_at,
       extract(epoch from coalesce($1::timestamptz, clock_timestamp()) - heartbeat_at)::float8
           as heartbeat_age,
       full_since, ended_at, ended_by
from cluster_node
where state in ('ACTIVE', 'DRAINING')
   or ended_at > (select coalesce($1::timestamptz, clock_timestamp())) - interval '1 day'
order by (state in ('ACTIVE', 'DRAINING')) desc, started_at desc, id
limit 200";

/// The profile with which a node joins.
#[derive(Debug, Clone)]
pub struct NodeProfile {
    /// Name of the node. Display only.
    pub name: String,
    /// host:port of its API.
    pub address: String,
    /// Most executions that it runs at once.
    pub slots: usize,
}

/// A node as the database knows it.
#[derive(Debug, Clone)]
pub struct NodeRecord {
    /// Id of the node for one lifetime of its process.
    pub id: Uuid,
    /// Name of the node. Display only.
    pub name: String,
    /// host:port of its API.
    pub address: String,
    /// Version of its binary.
    pub version: String,
    /// `ACTIVE`, `DRAINING`, `LEFT` or `DEAD`.
    pub state: NodeState,
    /// Most executions that it runs at once.
    pub slots: i32,
    /// Executions it held at its last heartbeat.
    pub executions_running: i32,
    /// Its wall clock minus the database's, in microseconds.
    pub clock_offset_micros: i64,
    /// Instant at which the node joined.
    pub started_at: Timestamp,
    /// Instant of the last heartbeat.
    pub heartbeat_at: Timestamp,
    /// Age of the last heartbeat in seconds, by the database's clock.
    pub heartbeat_age_seconds: f64,
    /// The first heartbeat of those, up to the last, that found no slot free.
    pub full_since: Option<Timestamp>,
    /// Instant of the end. `None`: the node is alive.
    pub ended_at: Option<Timestamp>,
    /// Why it ended: `LEFT`, `TTL` or `SESSION`.
    pub ended_by: Option<String>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// `ACTIVE`, or `DRAINING` on request.
    pub state: NodeState,
    /// The wall clock of this process minus the database's, at half the round trip.
    pub clock_offset: TimeDelta,
    /// As the database wrote it.
    pub heartbeat_at: Timestamp,
    pub cluster_paused: bool,
    /// The jump of the clock that the pause is for, if it is for one.
    pub paused_for: Option<Jump>,
    /// Instant of the answer, by the database's clock.
    pub now: Timestamp,
    /// When the heartbeat was sent.
    pub sent: Moment,
}

/// The connection that makes a process a member. Dropping it ends the session: to the other nodes
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
    /// Opens the session. `timeout` bounds each of its calls. The second value resolves at the end
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

    /// Whether the connection has ended, or its primary was replaced.
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
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
                &stub,
                &node_id,
                &profile.name,
                &profile.address,
                &env!("CARGO_PKG_VERSION"),
                &key,
                &slots,
            ];
            let joined = self
                .client
                .query_one(JOIN, &row)
                .await
                .during("nodes.join")?;
            Values::of("nodes.join", &joined).get(0)
        })
        .await
    }

    /// Takes the lock of an id, if necessary from an earlier session of the id. It waits in line
    /// before that session ends, so the lock is never free in between.
    pub async fn take_lock(&self, node_id: Uuid) -> Result<(), StoreError> {
        let key = lock_key(node_id);
        bounded("nodes.take_lock", self.timeout, async {
            self.client
                .execute(NOTE_SESSION, &[&self.clock.stub(), &node_id])
                .await
                .during("nodes.note_session")?;
            let end_earlier = self
                .client
                .prepare(END_EARLIER_SESSION)
                .await
                .during("nodes.prepare")?;
            let take = self
                .client
                .prepare(TAKE_LOCK)
                .await
                .during("nodes.prepare")?;
            // Both are on their way before the first is answered.
            futures_util::try_join!(
                async { self.client.query(&end_earlier, &[&key]).await },
                async { self.client.query(&take, &[&key]).await },
            )
            .during("nodes.take_lock")?;
            Ok(())
        })
        .await
    }

    /// Pauses the cluster if the database does not know this heartbeat of an earlier session, nor
    /// the minute before it. Returns whether it did.
    pub async fn pause_if_set_back(
        &self,
        node_id: Uuid,
        acknowledged: Timestamp,
        observer: &Caller,
    ) -> Result<bool, StoreError> {
        let stub = self.clock.stub();
        let held = bounded("cluster_pause.if_set_back", self.timeout, async {
            self.client
                .execute(
                    PAUSE_IF_SET_BACK.sql(),
                    &[&stub, &node_id, &acknowledged, &observer.label()],
                )
                .await
                .during("cluster_pause.if_set_back")
        });
        Ok(held.await? == 1)
    }

    /// Renews the membership. None when the node was declared dead. `longest`: the most time that
    /// can have passed since its last heartbeat.
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
        let longest = stub.is_none().then_some(longest.as_secs_f64());
        let row = bounded("nodes.heartbeat", self.timeout, async {
            let row = self
                .client
                .query_opt(HEARTBEAT, &[&stub, &node_id, &running, &offset, &longest])
                .await;
            row.during("nodes.heartbeat")
        })
        .await?;
        row.map(|row| {
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

/// The advisory lock of a node: the random half of its id.
#[expect(
    clippy::cast_possible_wrap,
    reason = "any 64 bits will do as a lock key"
)]
fn lock_key(node_id: Uuid) -> i64 {
    node_id.as_u64_pair().1 as i64
}

/// Bounds a call. A process that stood still finds its timer expired and the answer in its socket.
/// Without the session it would look dead at once, so there is time to read the answer; the
/// membership state decides whether it came in time.
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

/// A statement that ends when the lock is free: the server tries forty times a second. A plain wait
/// for the lock would keep its snapshot as long as the successor lives, and vacuum could remove no
/// dead row of the whole database: each lease would walk past the triggers of all fire times
/// since.
fn wait_for(key: i64) -> String {
    format!(
        "do $$ begin
    while not pg_try_advisory_lock_shared({key}) loop
        commit; -- the snapshot
        perform pg_sleep(0.025);
    end loop;
end $$"
    )
}

/// Waits until the session that holds this lock ends. A hint to reconcile, no more.
pub async fn watch(database: &Database, lock_key: i64) -> Result<(), StoreError> {
    let (client, _guard) = database.connect_guarded().await?;
    // The server ends the wait when this process is gone. On a platform that cannot check, the wait
    // ends with the successor's session.
    drop(
        client
            .batch_execute("set client_connection_check_interval = '1s'")
            .await,
    );
    client
        .batch_execute("set lock_timeout = 0")
        .await
        .during("nodes.watch")?;
    client
        .batch_execute(&wait_for(lock_key))
        .await
        .during("nodes.watch")
}

impl Store {
    /// Drains a node. False when it is not `ACTIVE`.
    pub async fn drain(&self, node_id: Uuid) -> Result<bool, StoreError> {
        self.bounded("nodes.drain", async {
            let transaction = self.begin("nodes.begin").await?;
            let drained = transaction.query_opt(DRAIN, &[&node_id]).await;
            let drained = drained.during("nodes.drain")?;
            if let Some(row) = &drained {
                let name: String = Values::of("cluster_node", row).get("name")?;
                transaction.record(Entry::of("node", node_id).named(&name));
            }
            transaction.commit().await.during("nodes.commit")?;
            Ok(drained.is_some())
        })
        .await
    }

    /// The name of a living node of a version without payloads of executions.
    pub async fn node_of_before_own_runs(&self) -> Result<Option<String>, StoreError> {
        self.bounded("nodes.of_before_own_runs", async {
            let session = self.session().await?;
            let row = session
                .query_opt(OF_BEFORE_OWN_RUNS, &[])
                .await
                .during("nodes.of_before_own_runs")?;
            session.release();
            row.map(|row| Values::of("cluster_node", &row).get("name"))
                .transpose()
        })
        .await
    }

    /// Living nodes first, then those that ended within a day; at most 200.
    pub async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.bounded("nodes.list", async {
            let session = self.session().await?;
            let statement = session.prepare_cached(LIST).await.during("nodes.prepare")?;
            let rows = session
                .query(&statement, &[&self.clock().stub()])
                .await
                .during("nodes.list")?;
            session.release();
            Ok(self.unreadable.readable(&rows, record))
        })
        .await
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
