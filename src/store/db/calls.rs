//! Calls of a statement, each on a separate session.

use super::session::Session;
use super::statement::{Parameters, Statement};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

impl Store {
    /// The readable rows, within the budget of the request.
    pub(crate) async fn read_all<T>(
        &self,
        statement: Statement<'_>,
        values: Parameters<'_>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.read_rows(statement, values).await?;
        Ok(self.unreadable.readable(&rows, read))
    }

    /// The only row, if there is one.
    pub(crate) async fn read_opt<T>(
        &self,
        statement: Statement<'_>,
        values: Parameters<'_>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let rows = self.read_rows(statement, values).await?;
        rows.first()
            .map(read)
            .transpose()
            .inspect_err(|error| self.unreadable.note(error))
    }

    /// The row of a statement that always returns a row.
    pub(crate) async fn read_one<T>(
        &self,
        statement: Statement<'_>,
        values: Parameters<'_>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.on_session(statement.name(), async |session| {
            read(&statement.query_one(session, values).await?)
        })
        .await
    }

    /// The number of rows written by a statement outside of a transaction.
    pub(crate) async fn execute(
        &self,
        statement: Statement<'_>,
        values: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        self.on_session(statement.name(), async |session| {
            statement.execute(session, values).await
        })
        .await
    }

    pub(crate) async fn read_rows(
        &self,
        statement: Statement<'_>,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.on_session(statement.name(), async |session| {
            self.rows(session, statement, values).await
        })
        .await
    }

    /// Runs a call under the time limit. After a successful call the session returns to the pool.
    pub(crate) async fn on_session<T>(
        &self,
        call: &'static str,
        work: impl AsyncFnOnce(&Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.bounded(call, async {
            let session = self.session().await?;
            let answer = work(&session).await?;
            // Not after an error: the connection is then closed with the session.
            session.release();
            Ok(answer)
        })
        .await
    }
}
