//! What the active jobs are going to do: their schedules, each once.

use super::jobs::by_ids;
use super::row::{Values, column};
use super::{During, Store, StoreError, closures};
use crate::model::Timestamp;
use crate::model::closures::Closures;
use crate::model::upcoming::Group;
use uuid::Uuid;

/// Most different schedules of one plan.
const GROUPS_MAX: i64 = 5_000;

/// Active jobs by their schedule, the commonest first. `H` means another time
/// for each job.
const GROUPS: &str = "-- upcoming.groups
select (array_agg(j.id))[1] as id, count(*) as jobs, (array_agg(j.name))[1:5] as names, coalesce($1::timestamptz, clock_timestamp()) as now
from job_definition j
where j.status = 'ACTIVE' and j.schedule_type <> 'FIXED_DELAY'
group by j.schedule_type, j.cron_expression, j.time_zone, j.interval_seconds, j.anchor_at, j.calendar,
    j.policies ->> 'startAt', j.policies ->> 'endAt',
    coalesce(j.policies ->> 'dstGap', 'RUN_AT_GAP_END'), coalesce(j.policies ->> 'dstOverlap', 'AUTO'),
    case when j.cron_expression ~ '(^|[^A-Z])H' then j.id end
order by count(*) desc limit $2";

/// The schedules of the active jobs.
#[derive(Debug)]
pub struct Schedules {
    /// Jobs with one schedule each.
    pub groups: Vec<Group>,
    /// What closes their fire times.
    pub closures: Closures,
    /// The database's clock.
    pub now: Timestamp,
    /// Whether some were left out.
    pub complete: bool,
}

impl Store {
    /// The schedules of all active jobs but fixed delays, at most 5,000 different
    /// ones.
    pub async fn schedules(&self) -> Result<Schedules, StoreError> {
        self.bounded("upcoming.schedules", async {
            let stub = self.clock().stub();
            let transaction = self.begin("upcoming.begin").await?;
            let rows = transaction.query(GROUPS, &[&stub, &(GROUPS_MAX + 1)]).await.during("upcoming.groups")?;
            let ids: Vec<Uuid> = column("upcoming.groups", rows.iter().take(5_000), "id")?;
            let mut jobs = by_ids(&transaction, &ids, &self.unreadable).await?;
            let closures =
                closures::read(&transaction, jobs.values().map(|job| &job.definition), stub, &self.unreadable).await?;
            transaction.rollback().await.during("upcoming.rollback")?;
            let mut groups = Vec::with_capacity(ids.len());
            for (id, row) in ids.iter().zip(&rows) {
                let row = Values::of("upcoming.groups", row);
                if let Some(job) = jobs.remove(id) {
                    let jobs = u32::try_from(row.get::<i64>("jobs")?).unwrap_or(u32::MAX);
                    groups.push(Group { id: job.id, job: job.definition, jobs, names: row.get("names")? });
                }
            }
            let now = match rows.first() {
                Some(row) => Values::of("upcoming.groups", row).get("now")?,
                None => stub.unwrap_or_else(|| Timestamp::from(std::time::SystemTime::now())),
            };
            let complete = i64::try_from(rows.len()).is_ok_and(|rows| rows <= GROUPS_MAX);
            Ok(Schedules { groups, closures, now, complete })
        })
        .await
    }
}
