//! Commands about backfills.

use super::{CommandError, JobManager, found};
use crate::model::Timestamp;
use crate::model::backfill::BackfillRequest;
use crate::model::execution::one_off_execution_id;
use crate::store::Store;
use crate::store::jobs::backfills::{BackfillRecord, NewBackfill};
use crate::threads::Computations;
use actix::prelude::*;
use uuid::Uuid;

/// Bounds the computation of fire times for backfills that start: previews do not delay them.
static COMMANDS: Computations = Computations::at_once(1);

/// Starts a backfill of a job.
#[derive(Message)]
#[rtype(result = "Result<BackfillRecord, CommandError>")]
pub struct BackfillJob(pub Uuid, pub BackfillRequest);

/// Stops a backfill. Its executions in flight continue.
#[derive(Message)]
#[rtype(result = "Result<(), CommandError>")]
pub struct CancelBackfill(pub Uuid);

impl Handler<BackfillJob> for JobManager {
    type Result = ResponseFuture<Result<BackfillRecord, CommandError>>;

    fn handle(
        &mut self,
        BackfillJob(job_id, request): BackfillJob,
        _: &mut Self::Context,
    ) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let (fire_times, now) = fire_times(&store, job_id, request, &COMMANDS).await?;
            let backfill = NewBackfill {
                id: one_off_execution_id(now),
                job_id,
                // A request without fire times is refused, so there is a first one.
                first_fire_time: fire_times.first().copied().unwrap_or(request.from),
                fire_times: fire_times.len(),
                request,
            };
            found(store.begin_backfill(&backfill).await?, "job", job_id)
        })
    }
}

impl Handler<CancelBackfill> for JobManager {
    type Result = ResponseFuture<Result<(), CommandError>>;

    fn handle(
        &mut self,
        CancelBackfill(id): CancelBackfill,
        _: &mut Self::Context,
    ) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            found(
                store.cancel_backfill(id).await?.then_some(()),
                "running backfill",
                id,
            )
        })
    }
}

/// The fire times of a backfill, and the database's clock. `computations` bounds
/// concurrent ones.
pub async fn fire_times(
    store: &Store,
    job_id: Uuid,
    request: BackfillRequest,
    computations: &'static Computations,
) -> Result<(Vec<Timestamp>, Timestamp), CommandError> {
    let now = store.now().await?;
    let job = found(store.job(job_id).await?, "job", job_id)?;
    let exclusions = store.exclusions(&[&job.definition]).await?;
    let fire_times = computations
        .run(move || request.fire_times(&job.definition, &exclusions, now))
        .await?;
    Ok((fire_times, now))
}
