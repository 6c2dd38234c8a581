//! Commands about backfills.

use super::{Command, CommandError, found};
use crate::model::Timestamp;
use crate::model::backfill::BackfillRequest;
use crate::model::execution::one_off_execution_id;
use crate::store::Store;
use crate::store::jobs::backfills::{BackfillRecord, NewBackfill};
use crate::threads::Computations;
use uuid::Uuid;

/// Bounds the computation of fire times for starting backfills: previews do not delay them.
static COMMANDS: Computations = Computations::at_once(1);

/// Starts a backfill of a job.
pub struct BackfillJob(pub Uuid, pub BackfillRequest);

/// Stops a backfill. Executions in flight continue.
pub struct CancelBackfill(pub Uuid);

impl Command for BackfillJob {
    type Output = BackfillRecord;

    async fn carry_out(self, store: &Store) -> Result<BackfillRecord, CommandError> {
        let BackfillJob(job_id, request) = self;
        let (fire_times, now) = fire_times(store, job_id, request, &COMMANDS).await?;
        let backfill = NewBackfill {
            id: one_off_execution_id(now),
            job_id,
            // A request without fire times is refused, so there is a first fire time.
            first_fire_time: fire_times.first().copied().unwrap_or(request.from),
            fire_times: fire_times.len(),
            request,
        };
        found(store.begin_backfill(&backfill).await?, "job", job_id)
    }
}

impl Command for CancelBackfill {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let CancelBackfill(id) = self;
        found(
            store.cancel_backfill(id).await?.then_some(()),
            "running backfill",
            id,
        )
    }
}

/// The fire times of a backfill, and the database's clock. `computations` bounds concurrent
/// computations.
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
