//! What a server spends its time on, by `pg_stat_statements`, which comes with PostgreSQL; where it is not
//! installed nothing is told.

use super::stage::Stage;
use tokio_postgres::Client;

/// The setting that loads it.
pub(super) const SETTING: &str = "shared_preload_libraries=pg_stat_statements";

/// Statements of one text.
pub(super) struct Statement {
    /// Its first line or so.
    pub(super) text: String,
    /// How often it ran.
    pub(super) calls: i64,
    /// Milliseconds in all.
    pub(super) millis: f64,
    /// Rows in all.
    pub(super) rows: i64,
}

/// Whether the server could load it.
pub(super) async fn available(sql: &Client) -> Result<bool, anyhow::Error> {
    let statement = "select from pg_available_extensions where name = 'pg_stat_statements'";
    Ok(sql.query_opt(statement, &[]).await?.is_some())
}

impl Stage {
    /// Begins to count.
    pub(super) async fn count_statements(&self) -> Result<(), anyhow::Error> {
        self.sql.batch_execute("create extension if not exists pg_stat_statements").await?;
        self.sql.batch_execute("select pg_stat_statements_reset()").await?;
        Ok(())
    }

    /// What has run since, without what the harness asked; the longest first.
    pub(super) async fn statements(&self) -> Result<Vec<Statement>, anyhow::Error> {
        let statement = "select query, calls, total_exec_time, rows from pg_stat_statements
            where query not like '%pg_stat_%' and query not like 'select clock_timestamp()%'
              and query not like 'select pg_backend_pid()%' order by total_exec_time desc";
        let rows = self.sql.query(statement, &[]).await?;
        let read = |row: &tokio_postgres::Row| {
            let text: &str = row.get(0);
            let text: Vec<&str> = text.split_whitespace().collect();
            let text = text.join(" ").chars().take(70).collect();
            Statement { text, calls: row.get(1), millis: row.get(2), rows: row.get(3) }
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Tells a person, and where sessions waited as far as the samples show.
    pub(super) async fn tell_statements(&self) -> Result<(), anyhow::Error> {
        let statements = self.statements().await?;
        let all: f64 = statements.iter().map(|statement| statement.millis).sum();
        eprintln!("{:>9} {:>11} {:>6} {:>9}  statement", "calls", "ms", "%", "rows");
        for Statement { text, calls, millis, rows } in statements.iter().take(16) {
            eprintln!("{calls:>9} {millis:>11.1} {:>6.1} {rows:>9}  {text}", millis / all * 100.0);
        }
        Ok(())
    }
}
