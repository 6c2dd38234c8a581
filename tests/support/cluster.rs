//! A cluster in this process: nodes on one database, with a manual clock.

use super::gate::VICTIM;
use super::node::Times;
use super::{TestDatabase, TestNode, eventually};
use actix::{Actor, Addr};
use horolog::actors::job_manager::{Authored, Command, CommandError, CreateJob, JobManager};
use horolog::actors::watchdog::Watchdog;
use horolog::clock::Clock;
use horolog::handlers::{Egress, Handlers};
use horolog::model::Timestamp;
use horolog::model::access::Caller;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::Policies;
use horolog::model::schedule::ScheduleType;
use horolog::model::target::{NoopTarget, Target};
use horolog::store::Store;
use horolog::store::author::Author;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A target that ends in no test.
pub const ENDLESS: Target = Target::Noop(NoopTarget {
    sleep_millis: 86_400_000,
});

const START: &str = "2026-11-23T07:00:00Z";

/// The rows of a job in the log, one line a row.
const LEDGER: &str = "
select format('%s %s %s attempt %s', l.kind, to_char(l.fire_time, 'HH24:MI:SS'),
concat_ws(' ', l.status, l.reason), l.attempt)
    || coalesce(', ' || l.occurrences || ' times until ' || to_char(l.through_fire_time,
    'HH24:MI:SS'), '')
from job_execution_log l where l.job_id = $1 order by l.fire_time, l.id";

const TRIGGERS: &str = "
select format('%s fires %s', t.kind, to_char(t.fire_time, 'HH24:MI:SS'))
    || case when t.due_at is not null then ' due ' || to_char(t.due_at, 'HH24:MI:SS') else '' end
    || case when t.awaits is not null then ' awaiting' else '' end || case when t.paused then
    ' paused' else '' end
from job_trigger t where t.job_id = $1 order by t.kind, t.fire_time, t.id";

pub struct TestCluster {
    pub database: TestDatabase,
    pub clock: Clock,
    pub store: Store,
    /// For arranging and asserting by SQL.
    pub sql: Client,
    manager: Addr<JobManager>,
    handlers: Handlers,
}

impl TestCluster {
    /// A cluster without nodes at 07:00:00, its partitions made.
    pub async fn start() -> Self {
        Self::start_with(Clock::manual(START.parse().unwrap())).await
    }

    pub async fn start_with(clock: Clock) -> Self {
        let database = TestDatabase::new().await;
        let (store, sql) = (database.store(clock.clone()), database.client().await);
        sql.batch_execute("set timezone = 'UTC'").await.unwrap();
        store.create_partitions().await.unwrap();
        let manager = JobManager::new(store.clone(), &Watchdog::default()).start();
        Self {
            database,
            clock,
            store,
            sql,
            manager,
            handlers: Handlers::new(Egress::default()).unwrap(),
        }
    }

    /// A node that has joined.
    pub async fn node(&self) -> TestNode {
        self.node_with(self.handlers.clone()).await
    }

    /// The same with other handlers.
    pub async fn node_with(&self, handlers: Handlers) -> TestNode {
        let node = TestNode::join(
            self.database.database(),
            patient(),
            self.clock.clone(),
            handlers,
        )
        .await;
        self.season(node).await
    }

    /// A node that looks for broken states once in an hour.
    pub async fn unhurried_node(&self) -> TestNode {
        let times = Times {
            repairs: Duration::from_hours(1),
            ..patient()
        };
        let node = TestNode::join(
            self.database.database(),
            times,
            self.clock.clone(),
            self.handlers.clone(),
        )
        .await;
        self.season(node).await
    }

    /// A node whose commits a [`super::CommitGate`] stops, and which waits for
    /// an answer no longer than `call_timeout`.
    pub async fn victim(&self, call_timeout: Duration) -> TestNode {
        let database = self.database.database_as(VICTIM);
        let times = Times {
            call_timeout,
            ..patient()
        };
        let node = TestNode::join(database, times, self.clock.clone(), self.handlers.clone()).await;
        self.season(node).await
    }

    /// A victim with long time limits, which audits its leases before each poll.
    pub async fn auditing_victim(&self) -> TestNode {
        let database = self.database.database_as(VICTIM);
        let times = Times {
            audit_interval: Duration::ZERO,
            ..patient()
        };
        let node = TestNode::join(database, times, self.clock.clone(), self.handlers.clone()).await;
        self.season(node).await
    }

    /// A node that has been there for an hour in the eyes of the database, as in its own.
    async fn season(&self, node: TestNode) -> TestNode {
        let hour_ago =
            "update cluster_node set session_at = session_at - interval '1 hour' where id = $1";
        self.sql.execute(hour_ago, &[&node.id]).await.unwrap();
        node
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Moves the clock back: a clock that was ahead was corrected.
    pub fn set_back(&self, seconds: u64) {
        if let Clock::Manual(now) = &self.clock {
            *now.lock() -= Duration::from_secs(seconds);
        }
    }

    /// Sends a command to the job manager.
    pub async fn command<C: Command>(&self, command: C) -> C::Output {
        self.try_command(command).await.unwrap()
    }

    pub async fn try_command<C: Command>(&self, command: C) -> Result<C::Output, CommandError> {
        let author = Author::command(Arc::new(Caller::anonymous(None)), "test");
        let message = Authored { author, command };
        self.manager.send(message).await.unwrap()
    }

    pub async fn create(&self, request: JobRequest) -> Job {
        self.command(CreateJob(request)).await
    }

    /// `KIND fire-time STATUS [REASON] attempt n` of each of the job's rows in
    /// the log, by fire time.
    pub async fn ledger(&self, job: &Job) -> Vec<String> {
        self.texts(LEDGER, &[&job.id]).await
    }

    /// `KIND fires … [due …] [awaiting] [paused]` of each of the job's triggers.
    pub async fn triggers(&self, job: &Job) -> Vec<String> {
        self.texts(TRIGGERS, &[&job.id]).await
    }

    /// Every row of a table as text, for "nothing has changed".
    pub async fn dump(&self, table: &str) -> Vec<String> {
        self.texts(&format!("select t::text from {table} t order by 1"), &[])
            .await
    }

    pub async fn texts(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Vec<String> {
        let rows = self.sql.query(query, values).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> u64 {
        self.sql.execute(statement, values).await.unwrap()
    }

    /// Waits until the number of sessions that wait for a lock is reached.
    pub async fn wait_for_locks(&self, count: i64) {
        eventually("they wait", async || {
            let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                 and datname = current_database()";
            let waiting: i64 = self.sql.query_one(waits, &[]).await.unwrap().get(0);
            (waiting == count).then_some(())
        })
        .await;
    }

    /// State of a node, and why it ended.
    pub async fn node_state(&self, node_id: Uuid) -> String {
        let query = "select concat_ws(' by ', state, ended_by) from cluster_node where id = $1";
        self.texts(query, &[&node_id]).await.remove(0)
    }
}

fn patient() -> Times {
    Times {
        call_timeout: Duration::from_secs(30),
        audit_interval: Duration::from_hours(1),
        repairs: Duration::ZERO,
    }
}

/// A time of the cluster's day, e.g. `07:15:00`.
pub fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

fn request(schedule_type: ScheduleType) -> JobRequest {
    JobRequest {
        name: "job".into(),
        namespace: None,
        schedule_type,
        description: None,
        tags: Vec::new(),
        priority: None,
        policies: Policies::default(),
        cron_expression: None,
        time_zone: None,
        calendar: None,
        interval_seconds: None,
        initial_delay_seconds: None,
        payload: None,
        target: Target::Log,
        recovery: None,
        max_recoveries: None,
    }
}

/// A job that fires every `interval` seconds, first at once.
pub fn fixed_rate(interval: i64) -> JobRequest {
    JobRequest {
        interval_seconds: Some(interval),
        ..request(ScheduleType::FixedRate)
    }
}

/// A job that rests `interval` seconds after each run, first due at once.
pub fn fixed_delay(interval: i64) -> JobRequest {
    JobRequest {
        interval_seconds: Some(interval),
        ..request(ScheduleType::FixedDelay)
    }
}

/// A job that fires once, at this time.
pub fn once(time: &str) -> JobRequest {
    with(request(ScheduleType::Once), |policies| {
        policies.start_at = Some(at(time));
    })
}

/// A job with other policies.
pub fn with(mut request: JobRequest, change: impl FnOnce(&mut Policies)) -> JobRequest {
    change(&mut request.policies);
    request
}

pub fn cron(expression: &str) -> JobRequest {
    JobRequest {
        cron_expression: Some(expression.into()),
        ..request(ScheduleType::Cron)
    }
}
