//! The overview: whether all is well, in a few cheap statements. No statement reads the history.

use super::resting::{self, Resting};
use crate::model::Timestamp;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::jobs::cluster_pause::{self, ClusterPause};
use crate::store::jobs::job_rows::NOW;
use crate::store::jobs::triggers::all_triggers;
use crate::store::protocol::shares::WaitingJob;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Most rows read for a count.
const COUNT_MAX: i64 = 10_000;
/// Most entries of a kind …
const SHOWN: i64 = 20;
/// … and of all kinds.
const SHOWN_MAX: usize = 50;
/// Most entries about jobs waiting for a share of the node's slots.
const SHOWN_WAITING: usize = 20;

/// Bounds are sub-selects: with a volatile clock in the condition the index could not be used.
const FAILURES: Statement = Statement::new(
    "-- overview.failures
select count(*) from (
    select from job_execution_log
    where error_message is not null and status = 'FAILED'
      and finished_at >= (select coalesce($1::timestamptz, clock_timestamp()) - interval '1 hour')
      and id >= (select (lpad(to_hex(((extract(epoch from coalesce($1::timestamptz,
          clock_timestamp())) - 90000) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
    limit $2
) as failed",
);

const DUE: Statement = Statement::new(concat!(
    "-- overview.due
select count(*) from (
    select from ",
    all_triggers!(),
    " as t where due_at <= (select coalesce($1::timestamptz, clock_timestamp()))
    limit $2
) as due",
));

const NEXT: Statement = Statement::new(concat!(
    "-- overview.next
select t.job_id, j.name as job_name, t.due_at, t.fire_time,
       case t.kind when 'OWED' then 'SCHEDULE' else t.kind end as kind
from (select * from ",
    all_triggers!(),
    " as t where due_at > (select coalesce($1::timestamptz, clock_timestamp()))
    order by due_at limit 10) as t
join job_definition j on j.id = t.job_id order by t.due_at",
));

/// Executions running for longer than the interval, time-out or an hour, at most $2; needs `clock`.
/// (The expression checks `policies` before a cast: a single invalid value would fail for all
/// jobs.)
macro_rules! stuck {
    () => {
        "in_flight as materialized (
    select l.id, l.job_id, l.status, l.started_at, l.attempt, l.error_message
    from execution_in_flight l limit 1000
), stuck as (
    select 'STUCK', l.job_id, l.id, l.started_at,
           case when j.schedule_type = 'FIXED_RATE' and (j.policies ->> 'timeoutSeconds') is null
               then 'runs longer than its interval'
                when (j.policies ->> 'timeoutSeconds') is not null
                then 'runs longer than its time-out' else 'runs for more than an hour' end, 2
    from in_flight l join job_definition j on j.id = l.job_id, clock
    where l.status = 'RUNNING' and l.started_at < clock.now - greatest(interval '10 seconds',
        make_interval(secs =>
        coalesce(case when j.policies ->> 'timeoutSeconds' ~ '^[0-9]{1,9}$'
            then (j.policies ->> 'timeoutSeconds')::int + 5 end,
                 case when j.schedule_type = 'FIXED_RATE'
                     then least(j.interval_seconds, 1000000000) end, 3600)))
    order by l.started_at limit $2)"
    };
}

/// Whether a failure paused the job `j`.
macro_rules! paused_by_failure {
    () => {
        "(j.status = 'PAUSED' and j.pause_reason is not null
       and j.pause_reason like 'execution % failed')"
    };
}

/// Entries that need attention, late or stuck first: due for more than five seconds and not taken;
/// running for longer than the interval, the time-out or an hour; between two attempts; failing,
/// the newest first; paused by a failure.
const ATTENTION: Statement = Statement::new(concat!(
    "-- overview.attention
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
nodes as materialized (
    select count(*) as active, sum(slots) as slots, sum(executions_running) as running
    from cluster_node where state = 'ACTIVE' and kind = 'NODE'
), late as (
    select 'LATE' as kind, t.job_id, null::uuid as execution_id, t.due_at as since,
           'due, and ' || (select case when exists (select from cluster_pause)
               then 'the cluster is paused'
               when t.route is not null then case when exists (select from cluster_node w,
                       unnest(w.handlers) as h where w.state = 'ACTIVE' and w.kind = 'WORKER'
                       and t.route = w.namespace || '/' || h)
                   then 'no worker with its handler has taken it'
                   else 'no worker offers its handler' end
               when nodes.active = 0 then 'no node takes work'
               when nodes.running >= nodes.slots then 'all ' || nodes.slots || ' slots are taken'
               else 'taken by no node' end from nodes) as message, 1 as rank
    from ",
    all_triggers!(),
    " as t where t.due_at < (select now - interval '5 seconds' from clock)
    order by t.due_at limit $2
),
",
    stuck!(),
    ", retrying as (
    select 'RETRYING', l.job_id, l.id, l.started_at,
           'attempt ' || l.attempt || ' did not succeed: ' || coalesce(left(l.error_message, 200),
               'it was lost'), 5
    from in_flight l where l.status = 'RETRYING' order by l.started_at limit $2
), failed as (
    select 'FAILED', f.job_id, f.execution_id, f.since, f.message, 4
    from job_failing f join job_definition j on j.id = f.job_id
    where j.status <> 'DELETED' and not ",
    paused_by_failure!(),
    "
    order by f.since desc limit $2
), paused as (
    select 'PAUSED_BY_FAILURE', j.id, null::uuid, j.updated_at, 'paused: ' || j.pause_reason, 3
    from job_definition j where ",
    paused_by_failure!(),
    "
    order by j.updated_at desc limit $2
)
select a.kind, a.job_id, j.name as job_name, a.execution_id, a.since, a.message
from (select * from late union all select * from stuck union all select * from retrying
    union all select * from failed
      union all select * from paused) as a
join job_definition j on j.id = a.job_id and j.status <> 'DELETED'
order by a.rank, case when a.rank = 4 then a.since end desc, a.since limit 50"
));

/// The number of failing jobs, and of entries of `ATTENTION` without its limits. Each kind is
/// counted to $2, and paused jobs among the last $2 paused jobs.
const TOTALS: Statement = Statement::new(concat!(
    "-- overview.totals
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
",
    stuck!(),
    ", paused as (
    select j.id from (select * from job_definition where status = 'PAUSED' order by updated_at desc
        limit $2) as j where ",
    paused_by_failure!(),
    "
), failing as (
    select job_id from job_failing limit $2
)
select (select count(*) from failing) as failing,
       (select count(*) from (select from ",
    all_triggers!(),
    " as t
           where due_at < (select now - interval '5 seconds' from clock) limit $2) as late)
       + (select count(*) from stuck) + (select count(*) from in_flight where status = 'RETRYING')
       + (select count(*) from paused) + (select count(*) from failing
           where job_id not in (select id from paused)) as attention"
));

/// For alerts: due triggers not taken, executions running too long, and dead rows not removed by
/// vacuum. Only administrators of the server may see the snapshot behind dead rows; the number is
/// visible to every role.
const BACKLOG: Statement = Statement::new(concat!(
    "-- overview.backlog
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
",
    stuck!(),
    "
select (select count(*) from (select from job_trigger
           where route is null and due_at <= (select now from clock) limit $2) as due) as due,
       coalesce(extract(epoch from (select now from clock) - (select min(due_at) from job_trigger
           where route is null and due_at <= (select now from clock)
             and due_at >= timestamptz 'epoch')), 0)::float8 as oldest_due_seconds,
       (select count(*) from (select from job_trigger where coalesce(route, '') <> ''
           and due_at <= (select now from clock) limit $2) as routed) as due_for_workers,
       (select count(*) from (select from job_trigger where coalesce(route, '') <> ''
           and due_at <= (select now from clock)
           and route not in (select w.namespace || '/' || h from cluster_node w, unnest(w.handlers)
               as h where w.state = 'ACTIVE' and w.kind = 'WORKER' and h is not null)
           limit $2) as unoffered) as unoffered,
       (select count(*) from stuck) as stuck,
           (select count(*) from (select from job_failing limit $2) as f) as failing,
               pg_stat_get_dead_tuples('job_trigger'::regclass) as dead_triggers"
));

const NAMES: Statement = Statement::new(
    "-- overview.names
select id, name from job_definition where id = any($1::uuid[]) and status <> 'DELETED' limit 50",
);

/// An entry that needs attention.
#[derive(Debug, Clone)]
pub struct Attention {
    /// `CLUSTER_PAUSED`, `RESTING`, `LATE`, `STUCK`, `RETRYING`, `FAILED`, `UNREADABLE`,
    /// `SATURATED`, `PAUSED_BY_FAILURE`.
    pub kind: String,
    /// The job; none for an entry about the cluster.
    pub job_id: Option<Uuid>,
    /// Name of the job.
    pub job_name: Option<String>,
    /// The execution, if the entry is about an execution.
    pub execution_id: Option<Uuid>,
    /// Begin of the state.
    pub since: Timestamp,
    /// The problem, for display.
    pub message: String,
}

/// A trigger due soon.
#[derive(Debug, Clone)]
pub struct UpcomingFire {
    /// Job of the fire time.
    pub job_id: Uuid,
    /// Name of the job.
    pub job_name: String,
    /// The earliest start.
    pub due_time: Timestamp,
    /// The instant of the schedule.
    pub fire_time: Timestamp,
    /// The kind of the trigger.
    pub kind: String,
}

/// The overview without nodes and counts of jobs.
#[derive(Debug, Clone)]
pub struct OverviewRecord {
    /// Executions that failed for good within an hour, counted to 10,000.
    pub failures_last_hour: i64,
    /// Jobs whose newest settled execution failed or was lost, counted to 10,000.
    pub failing_jobs: i64,
    /// Triggers that are due and not taken, counted to 10,000.
    pub due_now: i64,
    /// Next due fire times of the cluster.
    pub next_due: Vec<UpcomingFire>,
    /// An entry that needs attention.
    pub attention: Vec<Attention>,
    /// The number of entries without the limits of the list, each kind counted to 10,000.
    pub attention_total: i64,
}

/// Due triggers, stuck executions and failing jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Triggers that are due and that no node has taken, counted to 10,000.
    pub due: i64,
    /// Triggers that are due and that no worker has taken, counted to 10,000.
    pub due_for_workers: i64,
    /// Those of them whose handler no worker offers.
    pub unoffered: i64,
    /// How long the oldest that no node has taken has been due, in seconds; 0 without one.
    pub oldest_due_seconds: f64,
    /// Executions that run too long, counted to 10,000.
    pub stuck: i64,
    /// Jobs whose newest settled execution failed or was lost, counted to 10,000.
    pub failing: i64,
    /// Dead rows of the table of triggers, from the server's statistics.
    pub dead_triggers: i64,
}

impl Store {
    /// The backlog of the whole cluster.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read_one(BACKLOG, &[&self.clock().stub(), &COUNT_MAX], backlog)
            .await
    }

    /// Whether all is well. Unreadable rows, and jobs that wait for a share of the slots, are those
    /// of the node.
    pub async fn overview(&self) -> Result<OverviewRecord, StoreError> {
        // Both lists are facts of the node's memory: the database only adds the names of the jobs.
        let reasons = self.unreadable.shown();
        let unreadable: Vec<Uuid> = reasons.keys().copied().collect();
        let waiting = self.shares.waiting(SHOWN_WAITING);
        let waiting_ids: Vec<Uuid> = waiting.iter().map(|waiting| waiting.job_id).collect();
        self.on_session("overview.read", async |session| {
            let stub = self.clock().stub();
            // The driver pipelines the statements: the page of the overview asks every few seconds.
            let (failures, due, next, attention, totals, unreadable, names, pause, resting) =
                futures_util::try_join!(
                    async { FAILURES.query_one(session, &[&stub, &COUNT_MAX]).await },
                    async { DUE.query_one(session, &[&stub, &COUNT_MAX]).await },
                    async { NEXT.query(session, &[&stub]).await },
                    async { ATTENTION.query(session, &[&stub, &SHOWN]).await },
                    async { TOTALS.query_one(session, &[&stub, &COUNT_MAX]).await },
                    async { NAMES.query(session, &[&unreadable]).await },
                    async { NAMES.query(session, &[&waiting_ids]).await },
                    async {
                        cluster_pause::READ
                            .query_opt(session, &[&stub, &cluster_pause::COUNT_MAX])
                            .await
                    },
                    async {
                        resting::RESTING
                            .query_one(session, &[&stub, &resting::ROWS_MAX])
                            .await
                    },
                )?;
            let now = NOW.query_one(session, &[&stub]).await?;
            let now: Timestamp = Values::of(NOW.name(), &now).get(0)?;
            let totals = Values::of(TOTALS.name(), &totals);
            let mut shown = of_cluster(
                pause.as_ref().map(cluster_pause::record).transpose()?,
                resting::record(&resting)?,
                now,
            );
            shown.extend(
                self.unreadable
                    .readable(&unreadable, |row| unreadable_job(row, &reasons, now)),
            );
            shown.extend(
                self.unreadable
                    .readable(&names, |row| saturated_job(row, &waiting)),
            );
            // The totals of the statement do not include the entries of the node.
            let of_this_node = i64::try_from(shown.len()).unwrap_or(i64::MAX);
            shown.extend(self.unreadable.readable(&attention, attention_of));
            // The entries of the node come first, so the limit cuts the statement's.
            shown.truncate(SHOWN_MAX);
            Ok(OverviewRecord {
                failures_last_hour: Values::of(FAILURES.name(), &failures).get(0)?,
                due_now: Values::of(DUE.name(), &due).get(0)?,
                next_due: self.unreadable.readable(&next, upcoming),
                failing_jobs: totals.get("failing")?,
                // The total is of the whole cluster and includes entries behind the limits.
                attention_total: totals.get::<i64>("attention")?.saturating_add(of_this_node),
                attention: shown,
            })
        })
        .await
    }
}

fn backlog(row: &Row) -> Result<Backlog, StoreError> {
    let row = Values::of(BACKLOG.name(), row);
    Ok(Backlog {
        due: row.get("due")?,
        due_for_workers: row.get("due_for_workers")?,
        unoffered: row.get("unoffered")?,
        oldest_due_seconds: row.get("oldest_due_seconds")?,
        stuck: row.get("stuck")?,
        failing: row.get("failing")?,
        dead_triggers: row.get("dead_triggers")?,
    })
}

/// Entries about the whole cluster, which come first.
fn of_cluster(
    pause: Option<ClusterPause>,
    resting: Option<Resting>,
    now: Timestamp,
) -> Vec<Attention> {
    let entry = |kind: &str, since: Timestamp, message: String| Attention {
        kind: kind.to_owned(),
        job_id: None,
        job_name: None,
        execution_id: None,
        since,
        message,
    };
    let stopped = pause.map(|pause| {
        let message = format!(
            "nothing starts: {} (`horolog resume-cluster` or resumeCluster ends the pause at once)",
            pause.reason
        );
        entry("CLUSTER_PAUSED", pause.paused_at, message)
    });
    let resting = resting.map(|resting| entry("RESTING", now, resting.to_string()));
    stopped.into_iter().chain(resting).collect()
}

fn unreadable_job(
    row: &Row,
    reasons: &HashMap<Uuid, String>,
    now: Timestamp,
) -> Result<Attention, StoreError> {
    let row = Values::of(NAMES.name(), row);
    let job_id = row.get("id")?;
    let reason = reasons
        .get(&job_id)
        // Always there: the ids of the statement are the keys of the map.
        .map_or("it was changed by a newer version", String::as_str);
    Ok(Attention {
        kind: "UNREADABLE".to_owned(),
        job_id: Some(job_id),
        job_name: row.get("name")?,
        execution_id: None,
        since: now,
        message: format!("this node cannot read the job: {reason}"),
    })
}

fn saturated_job(row: &Row, waiting: &[WaitingJob]) -> Result<Attention, StoreError> {
    let row = Values::of(NAMES.name(), row);
    let job_id = row.get("id")?;
    let waiting = waiting.iter().find(|waiting| waiting.job_id == job_id);
    let (since, message) = waiting
        .map(|waiting| (waiting.due_at, waiting.message.clone()))
        .unwrap_or_default();
    Ok(Attention {
        kind: "SATURATED".to_owned(),
        job_id: Some(job_id),
        job_name: row.get("name")?,
        execution_id: None,
        since,
        message,
    })
}

fn attention_of(row: &Row) -> Result<Attention, StoreError> {
    let row = Values::of(ATTENTION.name(), row);
    Ok(Attention {
        kind: row.get("kind")?,
        job_id: row.get("job_id")?,
        job_name: row.get("job_name")?,
        execution_id: row.get("execution_id")?,
        // PostgreSQL has instants beyond the range of the program: the bound keeps the entry.
        since: row.bound("since")?,
        message: row.get("message")?,
    })
}

fn upcoming(row: &Row) -> Result<UpcomingFire, StoreError> {
    let row = Values::of(NEXT.name(), row);
    Ok(UpcomingFire {
        job_id: row.get("job_id")?,
        job_name: row.get("job_name")?,
        due_time: row.get("due_at")?,
        fire_time: row.get("fire_time")?,
        kind: row.get("kind")?,
    })
}
