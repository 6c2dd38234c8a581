//! How a worker joins, renews what it holds, and leaves.

use super::{Answer, HeldByWorker, Progress, Refusal, WorkerKey, lock};
use crate::model::Timestamp;
use crate::model::payload::Payload;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::protocol::cluster_view::EndedBy;
use crate::store::protocol::hand_over::{HandOver, TakeoverReport};
use crate::store::{During, Store, StoreError};
use deadpool_postgres::ClientWrapper;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// Most living workers of a cluster: their list has no pages.
const WORKERS_MAX: i64 = 1_000;
/// The first version of the protocol between nodes with workers. An older node would take a worker
/// for a node that has died.
const PROTOCOL: i32 = 4;

/// What stands against a worker.
const OBSTACLES: Statement = Statement::new(
    "-- workers.obstacles
select exists (select from namespace where name = $1 and deleted_at is null) as has_namespace,
       (select min(name) from cluster_node
            where state in ('ACTIVE', 'DRAINING') and protocol < $2) as older_node,
       (select count(*) from cluster_node
            where state in ('ACTIVE', 'DRAINING') and kind = 'WORKER') as workers",
);

const JOIN: Statement = Statement::new(
    "-- workers.join
insert into cluster_node (id, kind, name, address, version, state, lock_key, slots, protocol,
    started_at, heartbeat_at, namespace, handlers, ttl_seconds, joined_by, poll)
select $2, 'WORKER', $3, '', $4, 'ACTIVE', 0, $5, $6, now, now, $7, $8, $9, $10, 0
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock",
);

/// Renews all that the worker holds, as a node does. No row: it is no member.
const HEARTBEAT: Statement = Statement::new(
    "-- workers.heartbeat
update cluster_node set heartbeat_at = coalesce($1::timestamptz, clock_timestamp()),
    executions_running = $4
where id = $2 and kind = 'WORKER' and joined_by = $3 and state in ('ACTIVE', 'DRAINING')
returning state = 'DRAINING' as is_draining",
);

const KNOWN: Statement = Statement::new(
    "-- workers.known
select from cluster_node where id = $1 and kind = 'WORKER' and joined_by = $2",
);

/// Those of these executions that run at the worker. `between` prunes partitions.
const HELD: Statement = Statement::new(
    "-- workers.held
select id, attempt, cancel_requested_at is not null as is_cancelled from job_execution_log
where id between $3 and $4 and id = any($2::uuid[]) and node_id = $1 and status = 'RUNNING'",
);

const PROGRESS: Statement = Statement::new(
    "-- workers.progress
update job_execution_log l set progress = coalesce(x.progress::jsonb, l.progress),
    checkpoint = coalesce(x.checkpoint, l.checkpoint)
from unnest($2::uuid[], $3::int[], $4::json[], $5::json[]) as x (id, attempt, progress, checkpoint)
where l.id between $6 and $7 and l.id = any($2::uuid[]) and l.id = x.id and l.attempt = x.attempt
    and l.node_id = $1 and l.status = 'RUNNING'",
);

const LIST: Statement = Statement::new(
    "-- workers.list
select id, name, version, namespace, handlers, state, slots, executions_running, ttl_seconds,
       started_at, extract(epoch from coalesce($1::timestamptz, clock_timestamp()) - heartbeat_at)
           ::float8 as heartbeat_age
from cluster_node where state in ('ACTIVE', 'DRAINING') and kind = 'WORKER'
    and ($2::text[] is null or namespace = any($2))
order by started_at, id limit $3",
);

/// The profile with which a worker joins.
#[derive(Debug, Clone)]
pub struct WorkerProfile {
    /// Name of the worker. Display only.
    pub name: String,
    /// Version of its program. Display only.
    pub version: String,
    /// The namespace whose jobs it runs.
    pub namespace: String,
    /// The handlers that it offers.
    pub handlers: Vec<String>,
    /// Most executions that it runs at once.
    pub slots: i32,
    /// Age of its heartbeat at which it is dead.
    pub ttl_seconds: i32,
}

/// Why a worker cannot join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinRefusal {
    /// There is no such namespace.
    NoNamespace,
    /// A node of this name belongs to a version without workers.
    OlderNode(String),
    /// The cluster has as many workers as it can.
    Full,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerRenewal {
    /// Whether it shall finish what runs and take nothing new.
    pub is_draining: bool,
    /// Attempts that it shall cancel.
    pub cancelled: Vec<HeldByWorker>,
    /// Attempts that it does not hold any more.
    pub lost: Vec<HeldByWorker>,
}

/// A living worker as the database knows it.
#[derive(Debug, Clone)]
pub struct WorkerRecord {
    /// Id of its life.
    pub id: Uuid,
    /// As it joined.
    pub profile: WorkerProfile,
    /// `ACTIVE` or `DRAINING`.
    pub state: String,
    /// Executions that it held at its last heartbeat.
    pub executions_running: i32,
    /// Instant of the join.
    pub started_at: Timestamp,
    /// Age of the last heartbeat in seconds, by the database's clock.
    pub heartbeat_age_seconds: f64,
}

impl Store {
    /// Joins under a fresh id, which is the answer.
    pub async fn join_worker(
        &self,
        profile: &WorkerProfile,
        caller: &str,
    ) -> Result<Result<Uuid, JoinRefusal>, StoreError> {
        self.bounded("workers.join", async {
            let session = self.session().await?;
            let row = OBSTACLES
                .query_one(&session, &[&profile.namespace, &PROTOCOL])
                .await?;
            let row = Values::of(OBSTACLES.name(), &row);
            let refusal = if !row.get::<bool>("has_namespace")? {
                Some(JoinRefusal::NoNamespace)
            } else if let Some(node) = row.get::<Option<String>>("older_node")? {
                Some(JoinRefusal::OlderNode(node))
            } else if row.get::<i64>("workers")? >= WORKERS_MAX {
                Some(JoinRefusal::Full)
            } else {
                None
            };
            if let Some(refusal) = refusal {
                session.release();
                return Ok(Err(refusal));
            }
            let id = Uuid::new_v4();
            JOIN.execute(
                &session,
                &[
                    &self.clock().stub(),
                    &id,
                    &profile.name,
                    &profile.version,
                    &profile.slots,
                    &PROTOCOL,
                    &profile.namespace,
                    &profile.handlers,
                    &profile.ttl_seconds,
                    &caller,
                ],
            )
            .await?;
            session.release();
            Ok(Ok(id))
        })
        .await
    }

    /// Renews a worker, and writes what it says of its attempts.
    pub async fn renew_worker(
        &self,
        worker: &WorkerKey,
        holding: &[HeldByWorker],
        progress: &[Progress],
    ) -> Result<Answer<WorkerRenewal>, StoreError> {
        self.bounded("workers.heartbeat", async {
            let session = self.session().await?;
            let running = i32::try_from(holding.len()).unwrap_or(i32::MAX);
            let stub = self.clock().stub();
            let renewed = HEARTBEAT
                .query_opt(&session, &[&stub, &worker.id, &worker.caller, &running])
                .await?;
            let Some(renewed) = renewed else {
                let refusal = if knows(&session, worker).await? {
                    Refusal::Ended
                } else {
                    Refusal::Unknown
                };
                session.release();
                return Ok(Err(refusal));
            };
            let is_draining = Values::of(HEARTBEAT.name(), &renewed).get("is_draining")?;
            note_progress(&session, worker.id, progress).await?;
            let held = held(&session, worker.id, holding).await?;
            session.release();
            let is_held = |attempt: &&HeldByWorker| held.iter().any(|(held, _)| held == *attempt);
            Ok(Ok(WorkerRenewal {
                is_draining,
                lost: holding
                    .iter()
                    .filter(|held| !is_held(held))
                    .copied()
                    .collect(),
                cancelled: held
                    .iter()
                    .filter(|(held, is_cancelled)| *is_cancelled && holding.contains(held))
                    .map(|(held, _)| *held)
                    .collect(),
            }))
        })
        .await
    }

    /// Leaves. What the worker still holds may have started: it is handed over as if it had died.
    pub async fn leave_worker(
        &self,
        worker: &WorkerKey,
    ) -> Result<Answer<TakeoverReport>, StoreError> {
        match self.try_leave_worker(worker, HandOver::Whole).await {
            Err(error) if error.is_of_a_row() => {
                self.try_leave_worker(worker, HandOver::InParts).await
            }
            answer => answer,
        }
    }

    async fn try_leave_worker(
        &self,
        worker: &WorkerKey,
        how: HandOver,
    ) -> Result<Answer<TakeoverReport>, StoreError> {
        self.bounded("workers.leave", async {
            let transaction = self.begin("workers.begin").await?;
            if let Err(refusal) = lock(&transaction, worker).await? {
                transaction.rollback().await.during("workers.rollback")?;
                return Ok(Err(refusal));
            }
            let report = self
                .end_node(&transaction, worker.id, EndedBy::Left, how)
                .await?;
            transaction.commit().await.during("workers.commit")?;
            Ok(Ok(report))
        })
        .await
    }

    /// The living workers of these namespaces, default: of all; the oldest first.
    pub async fn workers(
        &self,
        namespaces: Option<&[String]>,
    ) -> Result<Vec<WorkerRecord>, StoreError> {
        let stub = self.clock().stub();
        self.read_all(LIST, &[&stub, &namespaces, &WORKERS_MAX], record)
            .await
    }
}

/// Whether the caller has, or had, a worker of this id.
pub(super) async fn knows(client: &ClientWrapper, worker: &WorkerKey) -> Result<bool, StoreError> {
    let known = KNOWN
        .query_opt(client, &[&worker.id, &worker.caller])
        .await?;
    Ok(known.is_some())
}

fn record(row: &Row) -> Result<WorkerRecord, StoreError> {
    let row = Values::of(LIST.name(), row);
    Ok(WorkerRecord {
        id: row.get("id")?,
        profile: WorkerProfile {
            name: row.get("name")?,
            version: row.get("version")?,
            namespace: row.get("namespace")?,
            handlers: row.get("handlers")?,
            slots: row.get("slots")?,
            ttl_seconds: row.get("ttl_seconds")?,
        },
        state: row.get("state")?,
        executions_running: row.get("executions_running")?,
        started_at: row.get("started_at")?,
        heartbeat_age_seconds: row.get("heartbeat_age")?,
    })
}

/// Those of the executions of these attempts that run at the worker, with their current attempts,
/// and whether each is to be cancelled.
pub(super) async fn held(
    client: &ClientWrapper,
    worker_id: Uuid,
    attempts: &[HeldByWorker],
) -> Result<Vec<(HeldByWorker, bool)>, StoreError> {
    let ids: Vec<Uuid> = attempts.iter().map(|attempt| attempt.id).collect();
    let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
        return Ok(Vec::new());
    };
    let rows = HELD.query(client, &[&worker_id, &ids, low, high]).await?;
    rows.iter()
        .map(|row| {
            let row = Values::of(HELD.name(), row);
            let held = HeldByWorker {
                id: row.get("id")?,
                attempt: row.get("attempt")?,
            };
            Ok((held, row.get("is_cancelled")?))
        })
        .collect()
}

/// Writes progress and checkpoints of attempts that are still current.
pub(super) async fn note_progress(
    client: &ClientWrapper,
    worker_id: Uuid,
    progress: &[Progress],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = progress.iter().map(|said| said.held.id).collect();
    let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
        return Ok(());
    };
    let attempts: Vec<i32> = progress.iter().map(|said| said.held.attempt).collect();
    let json = |of: fn(&Progress) -> Option<&RawValue>| -> Vec<Option<Json<&RawValue>>> {
        progress.iter().map(|said| of(said).map(Json)).collect()
    };
    let said = json(|said| said.progress.as_ref().map(Payload::json));
    let checkpoints = json(|said| said.checkpoint.as_ref().map(Payload::json));
    PROGRESS
        .execute(
            client,
            &[&worker_id, &ids, &attempts, &said, &checkpoints, low, high],
        )
        .await?;
    Ok(())
}
