//! The schedules of the active jobs, each once.

use super::filters;
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::lists::JobFilter;
use crate::model::upcoming::Group;
use crate::store::db::row::{Values, column};
use crate::store::db::statement::Statement;
use crate::store::jobs::exclusions;
use crate::store::jobs::job_rows::{NOW, by_ids};
use crate::store::{During, Store, StoreError};
use uuid::Uuid;

/// Most different schedules of one plan.
const GROUPS_MAX: i64 = 5_000;

/// Active jobs by the schedule, the commonest first. `H` means another time for each job.
const GROUPS: Statement = Statement::new(
    "-- upcoming.groups
select (array_agg(j.id))[1] as id, count(*) as jobs, (array_agg(j.id))[1:5] as ids,
       (array_agg(j.name))[1:5] as names
from job_definition j
where j.status = 'ACTIVE' and j.schedule_type not in ('FIXED_DELAY', 'ON_DEMAND') and {found} and {fits}
group by j.schedule_type, j.cron_expression, j.time_zone, j.interval_seconds, j.anchor_at,
    j.calendar,
    j.policies ->> 'startAt', j.policies ->> 'endAt',
    coalesce(j.policies ->> 'dstGap', 'RUN_AT_GAP_END'),
    coalesce(j.policies ->> 'dstOverlap', 'AUTO'),
    case when j.cron_expression ~ '(^|[^A-Z])H' then j.id end
order by count(*) desc limit {limit}",
);

/// The schedules of the active jobs.
#[derive(Debug)]
pub struct Schedules {
    /// Jobs with a schedule each.
    pub groups: Vec<Group>,
    /// Exclusions of the fire times.
    pub exclusions: Exclusions,
    /// Instant of the answer, by the database's clock.
    pub now: Timestamp,
    /// Whether some were left out.
    pub complete: bool,
}

impl Store {
    /// The schedules of the active jobs of a filter, without fixed delays, at most 5,000 different
    /// ones.
    pub async fn schedules(&self, filter: &JobFilter) -> Result<Schedules, StoreError> {
        self.bounded("upcoming.schedules", async {
            let stub = self.clock().stub();
            let mut conditions = filters::jobs(filter);
            let limit = conditions.value(GROUPS_MAX + 1);
            let text = GROUPS.filled(&[
                ("{found}", &conditions.found()),
                ("{fits}", &conditions.fits()),
                ("{limit}", &limit),
            ]);
            let transaction = self.begin("upcoming.begin").await?;
            let rows = GROUPS
                .with_sql(&text)
                .query(&transaction, &conditions.values())
                .await?;
            let ids: Vec<Uuid> = column(GROUPS.name(), rows.iter().take(5_000), "id")?;
            let mut jobs = by_ids(&transaction, &ids, &self.unreadable).await?;
            let exclusions = exclusions::read(
                &transaction,
                jobs.values().map(|job| &job.definition),
                stub,
                &self.unreadable,
            )
            .await?;
            let now = NOW.query_one(&transaction, &[&stub]).await?;
            let now = Values::of(NOW.name(), &now).get(0)?;
            transaction.rollback().await.during("upcoming.rollback")?;
            let mut groups = Vec::with_capacity(ids.len());
            for (id, row) in ids.iter().zip(&rows) {
                let row = Values::of(GROUPS.name(), row);
                if let Some(job) = jobs.remove(id) {
                    let jobs = u32::try_from(row.get::<i64>("jobs")?).unwrap_or(u32::MAX);
                    let (ids, names): (Vec<Uuid>, Vec<String>) =
                        (row.get("ids")?, row.get("names")?);
                    let some = ids.into_iter().zip(names).collect();
                    groups.push(Group {
                        id: job.id,
                        job: job.definition,
                        jobs,
                        named: some,
                    });
                }
            }
            let complete = i64::try_from(rows.len()).is_ok_and(|rows| rows <= GROUPS_MAX);
            Ok(Schedules {
                groups,
                exclusions,
                now,
                complete,
            })
        })
        .await
    }
}
