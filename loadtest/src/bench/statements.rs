//! The time of a server: by `pg_stat_statements`, which comes with PostgreSQL, and by samples of
//! the work and the waits of its sessions. The time of `COMMIT` is in the samples alone.

use super::testbed::BenchTestbed;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// Pause between two samples.
const SAMPLE: Duration = Duration::from_millis(10);

/// The setting that loads `pg_stat_statements`.
pub(super) const SETTING: &str = "shared_preload_libraries=pg_stat_statements";

/// Executions of one statement text.
pub(super) struct Statement {
    /// First line of the statement.
    pub(super) text: String,
    /// How often the statement ran.
    pub(super) calls: i64,
    /// Total time of the calls, milliseconds.
    pub(super) millis: f64,
    /// Total number of rows.
    pub(super) rows: i64,
}

impl Statement {
    fn of_row(row: &tokio_postgres::Row) -> Self {
        // The beginning of a text is the comment with the name of the statement.
        let text: Vec<&str> = row.get::<_, &str>(0).split_whitespace().collect();
        Self {
            text: text.join(" ").chars().take(70).collect(),
            calls: row.get(1),
            millis: row.get(2),
            rows: row.get(3),
        }
    }
}

/// Whether the server could load the extension.
pub(super) async fn available(sql: &Client) -> Result<bool, anyhow::Error> {
    let statement = "select from pg_available_extensions where name = 'pg_stat_statements'";
    Ok(sql.query_opt(statement, &[]).await?.is_some())
}

/// How many samples were taken, and how many sessions were seen at each thing.
type Seen = (u32, BTreeMap<String, u32>);

/// Samples of busy sessions, until the samples are requested.
pub(super) struct Samples {
    over: Arc<AtomicBool>,
    taken: JoinHandle<Result<Seen, tokio_postgres::Error>>,
}

impl Samples {
    /// Begins to sample sessions.
    pub(super) fn begin(sql: Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let taken = tokio::spawn(async move {
            // The name of a statement is its first line's comment.
            let look = "select state || ', ' || coalesce(wait_event_type || ' ' || wait_event,
                    'on a CPU or ready for it')
                    || ': ' || left(split_part(query, E'\n', 1), 40)
                from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                 and application_name <> 'horolog-loadtest' and state <> 'idle'";
            let look = sql.prepare(look).await?;
            let (mut samples, mut seen) = (0, BTreeMap::new());
            while !is_over.load(Ordering::Relaxed) {
                tokio::time::sleep(SAMPLE).await;
                samples += 1;
                for row in sql.query(&look, &[]).await? {
                    *seen.entry(row.get(0)).or_insert(0) += 1;
                }
            }
            Ok((samples, seen))
        });
        Self { over, taken }
    }

    /// Prints the sessions in each state, on average.
    pub(super) async fn print(self) -> Result<(), anyhow::Error> {
        self.over.store(true, Ordering::Relaxed);
        let (samples, seen) = self.taken.await??;
        let mut seen: Vec<(String, u32)> = seen.into_iter().collect();
        seen.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        eprintln!("{samples} samples; sessions on average:");
        for (what, count) in seen.iter().take(20) {
            eprintln!(
                "{:>9.3}  {what}",
                f64::from(*count) / f64::from(samples.max(1))
            );
        }
        Ok(())
    }
}

impl BenchTestbed {
    /// Begins to count statements.
    pub(super) async fn count_statements(&self) -> Result<(), anyhow::Error> {
        self.sql
            .batch_execute("create extension if not exists pg_stat_statements")
            .await?;
        self.sql
            .batch_execute("select pg_stat_statements_reset()")
            .await?;
        Ok(())
    }

    /// Statements since then, without those of the harness; the longest first.
    pub(super) async fn statements(&self) -> Result<Vec<Statement>, anyhow::Error> {
        let statement = "select query, calls, total_exec_time, rows from pg_stat_statements
            where query not like '%pg_stat_%' and query not like 'select clock_timestamp()%'
              and query not like 'select pg_backend_pid()%' order by total_exec_time desc";
        let rows = self.sql.query(statement, &[]).await?;
        Ok(rows.iter().map(Statement::of_row).collect())
    }

    /// Prints statements and samples.
    pub(super) async fn print_statements(&self) -> Result<(), anyhow::Error> {
        let statements = self.statements().await?;
        let all: f64 = statements.iter().map(|statement| statement.millis).sum();
        eprintln!(
            "{:>9} {:>11} {:>6} {:>9}  statement",
            "calls", "ms", "%", "rows"
        );
        for Statement {
            text,
            calls,
            millis,
            rows,
        } in statements.iter().take(16)
        {
            eprintln!(
                "{calls:>9} {millis:>11.1} {:>6.1} {rows:>9}  {text}",
                millis / all * 100.0
            );
        }
        let count = "select case when relname like 'job_execution_log%' then 'job_execution_log'
            else relname end,
                sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint from pg_stat_user_tables
            where schemaname = 'public' group by 1 having sum(n_tup_upd) > 100 order by 2 desc";
        for row in self.sql.query(count, &[]).await? {
            let (table, updated, hot): (&str, i64, i64) = (row.get(0), row.get(1), row.get(2));
            eprintln!("{table}: {updated} updates since the database began, {hot} of them HOT");
        }
        Ok(())
    }
}
