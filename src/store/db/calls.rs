//! Calls of one statement, each on a session of its own.

use super::session::Session;
use super::statement::{Parameters, Statement};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

impl Store {
    /// The rows that this binary can read, within the budget of the request.
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

    /// The row of a statement that always has one.
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

    /// How many rows a statement wrote, which is a transaction by itself.
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

    /// Runs one call under the time limit, with a session that goes back to the pool when the call
    /// ends well.
    pub(crate) async fn on_session<T>(
        &self,
        call: &'static str,
        work: impl AsyncFnOnce(&Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.bounded(call, async {
            let session = self.session().await?;
            let answer = work(&session).await?;
            session.release();
            Ok(answer)
        })
        .await
    }
}
