//! Statements, each with one name: in the comment of its text, and so in `pg_stat_activity` and
//! `pg_stat_statements`, and in the errors of the driver.

use crate::store::{During, StoreError};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream};

/// The values of a statement, in the order of its parameters.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// An SQL statement with its name. A connection prepares it once and keeps it prepared.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'sql> {
    name: &'static str,
    sql: &'sql str,
}

impl Statement<'static> {
    /// A statement whose first line is its name as a comment: `-- nodes.heartbeat`. A text without
    /// a name does not compile.
    pub(crate) const fn new(sql: &'static str) -> Self {
        let bytes = sql.as_bytes();
        assert!(
            bytes[0] == b'-' && bytes[1] == b'-' && bytes[2] == b' ',
            "the first line is a comment with the name"
        );
        let mut end = 3;
        while bytes[end] != b'\n' {
            end += 1;
        }
        let (name, _) = sql.split_at(end);
        let (_, name) = name.split_at(3);
        Self { name, sql }
    }

    /// The text with these words in place of its `{placeholders}`: columns, conditions, tables.
    pub(crate) fn filled(&self, words: &[(&str, &str)]) -> String {
        words
            .iter()
            .fold(self.sql.to_owned(), |text, (placeholder, word)| {
                text.replace(placeholder, word)
            })
    }

    /// The same statement with its text [filled](Self::filled).
    pub(crate) const fn with_sql(self, sql: &str) -> Statement<'_> {
        Statement {
            name: self.name,
            sql,
        }
    }
}

impl<'sql> Statement<'sql> {
    /// Name of the statement.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its text, with the name as a comment.
    pub const fn sql(&self) -> &'sql str {
        self.sql
    }

    /// Prepares it on this connection, unless it is.
    pub(super) async fn prepared(
        &self,
        client: &ClientWrapper,
    ) -> Result<tokio_postgres::Statement, StoreError> {
        client.prepare_cached(self.sql).await.during(self.name)
    }

    /// All rows of the answer.
    pub(crate) async fn query(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepared(client).await?;
        client.query(&statement, values).await.during(self.name)
    }

    /// The rows as they arrive.
    pub(super) async fn stream(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<RowStream, StoreError> {
        let statement = self.prepared(client).await?;
        let rows = client.query_raw(&statement, values.iter().copied());
        rows.await.during(self.name)
    }

    /// The only row, if there is one.
    pub(crate) async fn query_opt(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Option<Row>, StoreError> {
        let statement = self.prepared(client).await?;
        client.query_opt(&statement, values).await.during(self.name)
    }

    /// The only row; an error when there is none.
    pub(crate) async fn query_one(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Row, StoreError> {
        let statement = self.prepared(client).await?;
        client.query_one(&statement, values).await.during(self.name)
    }

    /// All rows of a text that differs from call to call, such as one with a limit in it. It is not
    /// kept prepared: a connection would collect every text that it ever sent.
    pub(crate) async fn query_unprepared(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        client.query(self.sql, values).await.during(self.name)
    }

    /// The only row of such a text.
    pub(crate) async fn query_one_unprepared(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Row, StoreError> {
        client.query_one(self.sql, values).await.during(self.name)
    }

    /// A writer of rows for a `copy … from stdin`.
    pub(crate) async fn copy_in(
        &self,
        client: &ClientWrapper,
        types: &[Type],
    ) -> Result<BinaryCopyInWriter, StoreError> {
        let statement = self.prepared(client).await?;
        let sink = client.copy_in(&statement).await.during(self.name)?;
        Ok(BinaryCopyInWriter::new(sink, types))
    }

    /// Sends several commands without values, and no rows come back.
    pub(crate) async fn batch(&self, client: &Client) -> Result<(), StoreError> {
        client.batch_execute(self.sql).await.during(self.name)
    }

    /// How many rows it wrote.
    pub(crate) async fn execute(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        let statement = self.prepared(client).await?;
        client.execute(&statement, values).await.during(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_name() {
        const HEARTBEAT: Statement = Statement::new("-- test.heartbeat\nselect 1");
        assert_eq!(HEARTBEAT.name(), "test.heartbeat");
        assert!(HEARTBEAT.sql().ends_with("select 1"));
    }

    #[test]
    fn a_filled_statement_keeps_its_name() {
        const COUNT: Statement = Statement::new("-- test.count\nselect count(*) from {table}");
        let text = COUNT.filled(&[("{table}", "job_definition")]);
        let filled = COUNT.with_sql(&text);
        assert_eq!(filled.name(), "test.count");
        assert!(filled.sql().ends_with("from job_definition"));
    }
}
