//! The jobs of benchmarks. The API makes one job of a kind, SQL copies it: whole rows, so that
//! later columns are copied, too, and a million copies take seconds.
//!
//! Copies differ from their model in id, name, grid and due time alone.

use super::testbed::BenchTestbed;
use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The fire time of jobs that run on request only.
const NEVER: &str = "0 0 0 1 1 ? 2099";

/// An id whose first 48 bits are now, as in the program's own ids.
const ID: &str = "(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
    || '8' || substr(md5(random()::text || n), 1, 3) ||
    'a' || substr(md5(random()::text), 1, 15))::uuid";

/// When copies are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grid {
    /// All on whole seconds.
    Aligned,
    /// A millisecond of its own for each, as far as there are enough.
    Spread,
}

impl BenchTestbed {
    /// Creates a job that no schedule fires soon.
    pub(super) async fn create_manual(&self, name: &str) -> Result<Uuid, anyhow::Error> {
        self.create(
            json!({"name": name, "scheduleType": "CRON", "cronExpression": NEVER,
            "target": {"noop": {"sleepMillis": 0}}}),
        )
        .await
    }

    /// Creates the model of jobs that fire each second: its own first fire time is years ahead.
    pub(super) async fn create_model(&self) -> Result<Uuid, anyhow::Error> {
        self.create(
            json!({"name": "model", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
            "initialDelaySeconds": 300_000_000, "misfireGraceSeconds": 86_400,
            "target": {"noop": {"sleepMillis": 0}}}),
        )
        .await
    }

    /// Creates a job, and returns its id.
    pub(super) async fn create(&self, input: Value) -> Result<Uuid, anyhow::Error> {
        let query = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        let answer = self.ask(query, json!({"input": input})).await?;
        Ok(answer["createJob"]["id"]
            .as_str()
            .context("a created job has no id")?
            .parse()?)
    }

    /// Copies a model; the copies' names begin with `group`. Each copy gets its trigger, due on any
    /// day of the year after next: the nodes would repair a job without one.
    pub(super) async fn copy(
        &self,
        model: Uuid,
        group: &str,
        count: u32,
        grid: Grid,
    ) -> Result<(), anyhow::Error> {
        // A number modulo 1 is 0: no offset from the whole second.
        let step = if grid == Grid::Spread { 1_000 } else { 1 };
        let jobs = format!(
            "insert into job_definition select r.* from job_definition j,
                generate_series(1, $2::bigint) n,
                lateral jsonb_populate_record(j, jsonb_build_object(
                    'id', {ID}, 'name', $3::text || ' ' || n,
                    'anchor_at', case when j.anchor_at is not null then
                        date_trunc('second', now()) - interval '1 day'
                            + n % $4::bigint * interval '1 ms' end)) r
            where j.id = $1"
        );
        // In one transaction, or running nodes would make the triggers.
        self.sql.batch_execute("begin").await?;
        self.sql
            .execute(
                &jobs,
                &[&model, &i64::from(count), &group, &i64::from(step)],
            )
            .await?;
        let triggers = "insert into job_trigger select r.* from job_trigger t, job_definition j,
                lateral (select now() + interval '1 year' + random() * interval '1 year' as due) x,
                lateral jsonb_populate_record(t, jsonb_build_object('id', j.id, 'job_id', j.id,
                    'fire_time', x.due, 'due_at', x.due)) r
            where t.id = $1 and j.name like $2 || ' %'";
        self.sql.execute(triggers, &[&model, &group]).await?;
        self.sql.batch_execute("commit").await?;
        Ok(())
    }

    /// Makes the copies of a group due `behind` seconds ago, each on its grid, as if no node had
    /// fired them since; negative for jobs that are due soon.
    pub(super) async fn make_due(&self, group: &str, behind: i32) -> Result<(), anyhow::Error> {
        let due = "date_trunc('second', now()) - make_interval(secs => $2::int)
            + (j.anchor_at - date_trunc('second', j.anchor_at))";
        self.set_due(group, due, behind).await
    }

    /// Lets the copies of a group be due in a year.
    pub(super) async fn make_idle(&self, group: &str) -> Result<(), anyhow::Error> {
        self.set_due(group, "now() + make_interval(secs => $2::int)", 31_536_000)
            .await
    }

    async fn set_due(&self, group: &str, due: &str, seconds: i32) -> Result<(), anyhow::Error> {
        let statement = format!(
            "update job_trigger t set fire_time = {due}, due_at = {due}
            from job_definition j where j.id = t.job_id and t.kind = 'SCHEDULE'
            and j.name like $1 || ' %'"
        );
        self.sql.execute(&statement, &[&group, &seconds]).await?;
        Ok(())
    }

    /// Empties the log, so that all runs begin alike. No node may run.
    pub(super) async fn clear_log(&self) -> Result<(), anyhow::Error> {
        self.sql.batch_execute("truncate job_execution_log").await?;
        Ok(())
    }

    /// Vacuums and analyses the tables, and writes a checkpoint.
    pub(super) async fn vacuum(&self) -> Result<(), anyhow::Error> {
        // One by one: several statements in one call are a transaction, which VACUUM refuses.
        for statement in [
            "vacuum (analyze) job_trigger",
            "vacuum (analyze) job_definition",
            "checkpoint",
        ] {
            self.sql.batch_execute(statement).await?;
        }
        Ok(())
    }

    /// Triggers of runs on request that are due at one instant.
    pub(super) async fn add_manual(
        &self,
        job: Uuid,
        count: u32,
        due: DateTime<Utc>,
    ) -> Result<(), anyhow::Error> {
        let statement = format!(
            "insert into job_trigger (id, job_id, kind, fire_time, due_at)
            select {ID}, $1, 'MANUAL', date_trunc('milliseconds', $3::timestamptz), $3
            from generate_series(1, $2::bigint) as n"
        );
        self.sql
            .execute(&statement, &[&job, &i64::from(count), &due])
            .await?;
        Ok(())
    }

    /// The present by the database's clock.
    pub(super) async fn database_now(&self) -> Result<DateTime<Utc>, anyhow::Error> {
        Ok(self
            .sql
            .query_one("select clock_timestamp()", &[])
            .await?
            .get(0))
    }

    /// Executions that succeeded between two instants.
    pub(super) async fn settled(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<u32, anyhow::Error> {
        let statement = "select count(*) from job_execution_log
            where status = 'SUCCESS' and finished_at >= $1 and finished_at < $2";
        let count: i64 = self
            .sql
            .query_one(statement, &[&from, &until])
            .await?
            .get(0);
        Ok(u32::try_from(count)?)
    }
}

/// A rate per second.
pub(super) fn per_second(count: u32, took: Duration) -> f64 {
    f64::from(count) / took.as_secs_f64().max(1e-6)
}

/// Between two instants of the database.
pub(super) fn between(from: DateTime<Utc>, until: DateTime<Utc>) -> Duration {
    (until - from).to_std().unwrap_or_default()
}
