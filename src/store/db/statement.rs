//! Statements, each with a name: in the comment of the text, and so in `pg_stat_activity` and
//! `pg_stat_statements`, and in the errors of the driver.
//!
//! Only prepared statements reach the server in the order of the calls. An unprepared statement
//! first waits for the answer to PREPARE. Statements sent together in a single round trip are
//! therefore prepared before.

use crate::store::{During, StoreError};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream};

/// The values of a statement, in the order of the parameters.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// An SQL statement with a name. A connection prepares the statement once, and keeps the result.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'sql> {
    name: &'static str,
    sql: &'sql str,
}

impl Statement<'static> {
    /// A statement with the name as a comment in the first line: `-- nodes.heartbeat`. A text
    /// without a name does not compile.
    pub(crate) const fn new(sql: &'static str) -> Self {
        let bytes = sql.as_bytes();
        assert!(
            bytes[0] == b'-' && bytes[1] == b'-' && bytes[2] == b' ',
            "the first line is a comment with the name"
        );
        let mut end = 3;
        // A text without a line break fails here at compile time: the index is out of bounds.
        while bytes[end] != b'\n' {
            end += 1;
        }
        let (name, _) = sql.split_at(end);
        let (_, name) = name.split_at(3);
        Self { name, sql }
    }

    /// The text with the words in place of `{placeholders}`: columns, conditions, tables.
    pub(crate) fn filled(&self, words: &[(&str, &str)]) -> String {
        words
            .iter()
            .fold(self.sql.to_owned(), |text, (placeholder, word)| {
                text.replace(placeholder, word)
            })
    }

    /// The same statement with the text [filled](Self::filled).
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

    /// The text, with the name as a comment.
    pub const fn sql(&self) -> &'sql str {
        self.sql
    }

    /// Prepares the statement on the connection, unless already prepared.
    pub(crate) async fn prepare(&self, client: &ClientWrapper) -> Result<Prepared, StoreError> {
        // The key of the cache is the text, so the same text is never prepared twice on a
        // connection.
        let statement = client.prepare_cached(self.sql).await.during(self.name)?;
        Ok(self.as_prepared(statement))
    }

    /// Prepares the statement on a connection outside the pools, for the life of the answer.
    pub(crate) async fn prepare_alone(&self, client: &Client) -> Result<Prepared, StoreError> {
        let statement = client.prepare(self.sql).await.during(self.name)?;
        Ok(self.as_prepared(statement))
    }

    fn as_prepared(&self, statement: tokio_postgres::Statement) -> Prepared {
        Prepared {
            name: self.name,
            statement,
        }
    }

    /// All rows of the answer.
    pub(crate) async fn query(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.prepare(client).await?.query(client, values).await
    }

    /// The rows as they arrive.
    pub(super) async fn stream(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<RowStream, StoreError> {
        let prepared = self.prepare(client).await?;
        // `query` would collect all rows first: a stream needs the memory of a few.
        let rows = client.query_raw(&prepared.statement, values.iter().copied());
        rows.await.during(self.name)
    }

    /// The only row, if there is one.
    pub(crate) async fn query_opt(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Option<Row>, StoreError> {
        self.prepare(client).await?.query_opt(client, values).await
    }

    /// The only row; an error when there is none.
    pub(crate) async fn query_one(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<Row, StoreError> {
        self.prepare(client).await?.query_one(client, values).await
    }

    /// All rows of a statement not kept prepared: the text differs from call to call, or the plan
    /// must suit the values. A connection would collect every text, and PostgreSQL may plan a
    /// prepared statement without the values from the sixth call on.
    pub(crate) async fn query_unprepared(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        client.query(self.sql, values).await.during(self.name)
    }

    /// The only row of such a statement, if there is one.
    pub(crate) async fn query_opt_unprepared(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Option<Row>, StoreError> {
        client.query_opt(self.sql, values).await.during(self.name)
    }

    /// The only row of such a statement; an error when there is none.
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
        let prepared = self.prepare(client).await?;
        let sink = client.copy_in(&prepared.statement).await;
        let sink = sink.during(self.name)?;
        Ok(BinaryCopyInWriter::new(sink, types))
    }

    /// Sends several commands without values, and no rows come back.
    pub(crate) async fn batch(&self, client: &Client) -> Result<(), StoreError> {
        client.batch_execute(self.sql).await.during(self.name)
    }

    /// The number of written rows.
    pub(crate) async fn execute(
        &self,
        client: &ClientWrapper,
        values: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        self.prepare(client).await?.execute(client, values).await
    }

    /// The number of rows written by a statement not kept prepared.
    pub(crate) async fn execute_unprepared(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        client.execute(self.sql, values).await.during(self.name)
    }
}

/// A statement prepared on a connection, with the name of the statement.
pub(crate) struct Prepared {
    name: &'static str,
    statement: tokio_postgres::Statement,
}

impl Prepared {
    /// All rows of the answer.
    pub(crate) async fn query(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = client.query(&self.statement, values).await;
        rows.during(self.name)
    }

    /// The only row, if there is one.
    pub(crate) async fn query_opt(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Option<Row>, StoreError> {
        let row = client.query_opt(&self.statement, values).await;
        row.during(self.name)
    }

    /// The only row; an error when there is none.
    pub(crate) async fn query_one(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<Row, StoreError> {
        let row = client.query_one(&self.statement, values).await;
        row.during(self.name)
    }

    /// The number of written rows.
    pub(crate) async fn execute(
        &self,
        client: &Client,
        values: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        let written = client.execute(&self.statement, values).await;
        written.during(self.name)
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
