//! Users, API tokens, their roles, sessions, namespaces, and the link of the set-up.

#[macro_use]
mod roles;
pub mod namespaces;
pub mod openid;
pub mod sessions;
pub mod set_up;
pub mod tokens;
pub mod users;

use super::db::row::Values;
use super::db::session::Transaction;
use super::db::statement::Statement;
use super::{During, Store, StoreError};

/// Authentication is needed as soon as there is a user or an unrevoked token.
const IS_OPEN: Statement = Statement::new(
    "-- access.is_open
select not exists (select from user_account)
   and not exists (select from api_token where revoked_at is null)",
);

/// The fate of a transaction, with the result of the change.
pub(super) enum Change<T> {
    /// The change is committed.
    Commit(T),
    /// Nothing of the change counts.
    Undo(T),
}

impl Store {
    /// Whether the cluster has neither a user nor a token, so no caller can authenticate.
    pub async fn is_open(&self) -> Result<bool, StoreError> {
        self.read_one(IS_OPEN, &[], |row| Values::of(IS_OPEN.name(), row).get(0))
            .await
    }

    /// Runs a change in a separate transaction, and commits or undoes it.
    pub(super) async fn in_transaction<T>(
        &self,
        call: &'static str,
        change: impl AsyncFnOnce(&Transaction) -> Result<Change<T>, StoreError>,
    ) -> Result<T, StoreError> {
        self.bounded(call, async {
            let transaction = self.begin(call).await?;
            match change(&transaction).await? {
                Change::Commit(done) => {
                    transaction.commit().await.during(call)?;
                    Ok(done)
                }
                Change::Undo(refused) => {
                    transaction.rollback().await.during(call)?;
                    Ok(refused)
                }
            }
        })
        .await
    }
}
