//! How long `overview`, `activity` and `upcoming` take, as the API answers them,
//! beside a large history: on a day like others, and in a bad hour.
//!
//! `cargo bench --bench overview -- [JOBS] [EXECUTIONS]` prints the median and the
//! longest of 15 calls, and of each plan how much of it is there.

mod history;

use actix::Actor;
use async_graphql::Request;
use history::{Failure, time};
use horolog::actors::job_manager::JobManager;
use horolog::actors::watchdog::Watchdog;
use horolog::api::{ApiSettings, Schema, schema};
use horolog::model::access::Caller;
use serde_json::Value;
use std::sync::Arc;
use tokio_postgres::Client;

const OVERVIEW: &str = "{ overview { cluster { activeNodes activeJobs pausedJobs } failuresLastHour dueNow
    nextDue { jobId jobName dueTime fireTime kind } attention { kind jobId jobName executionId since message } } }";
const ACTIVITY: &str =
    "at seconds fires succeeded failed skipped latenessP50Millis latenessP99Millis";
const UPCOMING: &str = "from stepSeconds buckets crowded { at fires jobs } jobs complete";

/// What three nodes wrote in 25 hours.
const ACTIVITIES: &str = "insert into node_activity (at, node_id, fires, succeeded, failed, skipped, lateness)
select to_timestamp(floor(extract(epoch from now()) / 10) * 10) - n * interval '10 seconds', ('00000000-0000-4000-8000-00000000000' || node)::uuid,
    300, 290, 10, 5, array(select 15 from generate_series(1, 20))
from generate_series(0, 8999) n, generate_series(1, 3) node;
vacuum analyze node_activity";

/// How the jobs fire, one after the other in one database.
const SCHEDULES: [(&str, &str); 6] = [
    ("hourly, each from its own second", "select"),
    (
        "by 1,440 crons, in five zones",
        "update job_definition set schedule_type = 'CRON', interval_seconds = null, anchor_at = null,
            cron_expression = (right(id::text, 6)::int % 60) || ' ' || (right(id::text, 6)::int / 60 % 24) || ' * * *',
            time_zone = (array['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Africa/Casablanca'])[1 + right(id::text, 6)::int % 5]",
    ),
    ("daily by H", "update job_definition set cron_expression = 'H H * * *', time_zone = 'UTC'"),
    ("each second", "update job_definition set cron_expression = '* * * * * *'"),
    (
        "each minute, by a calendar and beside a blackout",
        "insert into calendar (name, time_zone, rules, created_at, updated_at)
        values ('office', 'Europe/Berlin', '{\"excludeWeekdays\": [\"SATURDAY\", \"SUNDAY\"], \"excludeWindows\": [{\"from\": \"18:00\", \"to\": \"08:00\"}]}', now(), now());
        insert into blackout (id, scope, starts_at, ends_at, on_end, reason, created_at)
        values (gen_random_uuid(), 'CLUSTER', now() + interval '2 hours', now() + interval '3 hours', 'SKIP', 'move', now());
        update job_definition set cron_expression = '* * * * *', calendar = 'office'",
    ),
    (
        "every 10 seconds to a day, each from its own second",
        "update job_definition set schedule_type = 'FIXED_RATE', cron_expression = null, calendar = null, anchor_at = created_at,
            interval_seconds = (array[10, 60, 300, 3600, 86400])[1 + right(id::text, 6)::int % 5]",
    ),
];

/// Every job is late, a thousand run too long, a thousand wait for their next
/// attempt, fifty thousand failed and five thousand of those paused their job.
const BAD_HOUR: &str = "update job_trigger set due_at = now() - interval '1 minute' where due_at is not null;
insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, reason, attempt, node_id, started_at, finished_at, error_message, created_at)
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '8abc8' || substr(md5(n::text), 1, 15))::uuid,
    ('00000000-0000-7000-8000-' || lpad((1 + n % (select count(*) from job_definition))::text, 12, '0'))::uuid, 'SCHEDULE', at, at,
    case when n > 51000 then 'RUNNING' when n > 50000 then 'RETRYING' else 'FAILED' end, case when n <= 51000 then 'ERROR' end, 1,
    '00000000-0000-4000-8000-00000000000a', at, case when n <= 50000 then at end, case when n <= 51000 then 'connection refused' end, at
from (select n, now() - interval '30 minutes' + n * interval '10 milliseconds' as at from generate_series(1, 52000) n) e;
insert into job_failing (job_id, execution_id, since, failed_at, message)
select distinct on (job_id) job_id, id, finished_at, finished_at, error_message from job_execution_log
where status = 'FAILED' and finished_at > now() - interval '1 hour' order by job_id, id desc;
update job_definition set status = 'PAUSED', pause_reason = 'execution ' || id || ' failed', updated_at = now() where right(id::text, 6)::int % 20 = 1;
vacuum analyze";

#[actix::main]
async fn main() -> Result<(), Failure> {
    history::beside(async |store, client| {
        let schema = schema(
            store.clone(),
            JobManager::new(store, &Watchdog::default()).start(),
            ApiSettings::default(),
        );
        measure(&schema, &client).await
    })
    .await
}

async fn measure(schema: &Schema, client: &Client) -> Result<(), Failure> {
    run(client, ACTIVITIES).await?;
    ask(schema, "overview", OVERVIEW).await?;
    for minutes in [60, 1_440] {
        ask(
            schema,
            &format!("activity of {minutes} minutes"),
            &format!("{{ activity(minutes: {minutes}) {{ {ACTIVITY} }} }}"),
        )
        .await?;
    }
    for (name, change) in SCHEDULES {
        run(client, change).await?;
        run(client, "vacuum analyze job_definition").await?;
        println!("jobs {name}:");
        for (hours, step) in [(24, 10), (168, 60)] {
            let query =
                format!("{{ upcoming(hours: {hours}, stepMinutes: {step}) {{ {UPCOMING} }} }}");
            let plan = ask(schema, &format!("upcoming, {hours} hours"), &query).await?;
            let fires: i64 = plan["upcoming"]["buckets"]
                .as_array()
                .map_or(0, |fires| fires.iter().filter_map(Value::as_i64).sum());
            println!(
                "    {} jobs, {fires} fire times, complete: {}",
                plan["upcoming"]["jobs"], plan["upcoming"]["complete"]
            );
        }
    }
    run(client, BAD_HOUR).await?;
    ask(schema, "overview in a bad hour", OVERVIEW).await?;
    Ok(())
}

/// Times a query that must succeed; its data.
async fn ask(schema: &Schema, what: &str, query: &str) -> Result<Value, Failure> {
    let mut data = Value::Null;
    time(what, async || {
        let request = Request::new(query).data(Arc::new(Caller::anonymous(None)));
        let response = schema.execute(request).await;
        data = response.data.into_json()?;
        response
            .errors
            .first()
            .map_or(Ok(()), |error| Err(Failure::from(error.message.clone())))
    })
    .await?;
    Ok(data)
}

async fn run(client: &Client, text: &str) -> Result<(), Failure> {
    for statement in text.split(";\n") {
        client.batch_execute(statement).await?;
    }
    Ok(())
}
