//! Polls of workers: what is reclaimed before they lease, and what a worker releases.

use super::membership::held;
use super::{Answer, HeldByWorker, Refusal, WorkerKey, lock};
use crate::model::job::route;
use crate::model::payload::Payload;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::protocol::hand_over::{LEASES, executions, waited_for};
use crate::store::protocol::overlap::{lock_jobs, release_buffered};
use crate::store::protocol::own::json_of;
use crate::store::protocol::reclaim::end_empty;
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Notes the newest poll, and renews the worker.
const BEGIN: Statement = Statement::new(
    "-- workers.begin_poll
update cluster_node set poll = $2, heartbeat_at = coalesce($3::timestamptz, clock_timestamp())
where id = $1",
);

const CHECKPOINTS: Statement = Statement::new(
    "-- workers.checkpoints
select id, checkpoint from job_execution_log
where id between $2 and $3 and id = any($1::uuid[]) and checkpoint is not null",
);

/// A poll that may lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedPoll {
    /// Whether the worker shall take nothing new.
    pub is_draining: bool,
    /// The routes that it offers.
    pub routes: Vec<String>,
    /// Most executions that it runs at once.
    pub slots: i32,
    /// Attempts that were reclaimed: their answer was lost.
    pub reclaimed: usize,
}

impl Store {
    /// Begins the poll `number` of a worker: reclaims what the database counts to the worker and
    /// `holding` lacks. Refused when a poll of this number or a higher one has started.
    pub async fn begin_poll(
        &self,
        worker: &WorkerKey,
        number: i64,
        holding: &[HeldByWorker],
    ) -> Result<Answer<StartedPoll>, StoreError> {
        self.bounded("workers.begin_poll", async {
            let transaction = self.begin("workers.begin").await?;
            let locked = match lock(&transaction, worker).await? {
                Ok(locked) if locked.poll < number => locked,
                refused => {
                    transaction.rollback().await.during("workers.rollback")?;
                    return Ok(Err(refused.err().unwrap_or(Refusal::Superseded)));
                }
            };
            let stub = self.clock().stub();
            BEGIN
                .execute(&transaction, &[&worker.id, &number, &stub])
                .await?;
            let reclaimed = self
                .reclaim_of_worker(&transaction, worker.id, |held| !holding.contains(held))
                .await?;
            transaction.commit().await.during("workers.commit")?;
            let routes = locked.handlers.iter();
            Ok(Ok(StartedPoll {
                is_draining: locked.is_draining,
                routes: routes.map(|name| route(&locked.namespace, name)).collect(),
                slots: locked.slots,
                reclaimed,
            }))
        })
        .await
    }

    /// Whether a worker whose poll could not lease shall take nothing new. Refused when the poll is
    /// no longer the newest, or the worker no member.
    pub async fn poll_state(
        &self,
        worker: &WorkerKey,
        number: i64,
    ) -> Result<Answer<bool>, StoreError> {
        self.bounded("workers.poll_state", async {
            let transaction = self.begin("workers.begin").await?;
            let locked = lock(&transaction, worker).await?;
            transaction.rollback().await.during("workers.rollback")?;
            Ok(match locked {
                Ok(locked) if locked.poll != number => Err(Refusal::Superseded),
                Ok(locked) => Ok(locked.is_draining),
                Err(refusal) => Err(refusal),
            })
        })
        .await
    }

    /// Reclaims attempts that did not start. Returns how many: those that are no longer current
    /// are left out.
    pub async fn release_by_worker(
        &self,
        worker: &WorkerKey,
        released: &[HeldByWorker],
    ) -> Result<Answer<usize>, StoreError> {
        self.bounded("workers.release", async {
            let transaction = self.begin("workers.begin").await?;
            if let Err(refusal) = lock(&transaction, worker).await? {
                transaction.rollback().await.during("workers.rollback")?;
                return Ok(Err(refusal));
            }
            let reclaimed = self
                .reclaim_of_worker(&transaction, worker.id, |held| released.contains(held))
                .await?;
            transaction.commit().await.during("workers.commit")?;
            Ok(Ok(reclaimed))
        })
        .await
    }

    /// Reclaims the attempts of a worker, whose row is locked, that `is_reclaimed` selects.
    async fn reclaim_of_worker(
        &self,
        transaction: &Transaction,
        worker_id: Uuid,
        is_reclaimed: impl Fn(&HeldByWorker) -> bool,
    ) -> Result<usize, StoreError> {
        let listed = LEASES.query(transaction, &[&worker_id]).await?;
        let attempts: Vec<HeldByWorker> = executions(&listed)?
            .into_iter()
            .map(|id| HeldByWorker { id, attempt: 0 })
            .collect();
        let held = held(transaction, worker_id, &attempts).await?;
        let ids: Vec<Uuid> = held
            .iter()
            .filter(|(held, _)| is_reclaimed(held))
            .map(|(held, _)| held.id)
            .collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let jobs = waited_for(&listed)?;
        lock_jobs(transaction, &jobs).await?;
        let reclaimed = self.reclaim_in(transaction, worker_id, &ids).await?;
        release_buffered(transaction, self.clock().stub(), &jobs).await?;
        let leases: Vec<Uuid> = column("job_lease", &listed, "id")?;
        end_empty(transaction, &leases).await?;
        Ok(reclaimed)
    }

    /// What earlier attempts of these executions left for the next one.
    pub async fn checkpoints(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Payload>, StoreError> {
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(HashMap::new());
        };
        let rows = self
            .read_all(CHECKPOINTS, &[&ids, low, high], checkpoint)
            .await?;
        let found = rows.into_iter();
        Ok(found.filter_map(|(id, json)| Some((id, json?))).collect())
    }
}

fn checkpoint(row: &Row) -> Result<(Uuid, Option<Payload>), StoreError> {
    let id = Values::of(CHECKPOINTS.name(), row).get("id")?;
    let json = json_of(row, "checkpoint")?;
    Ok((id, json))
}
