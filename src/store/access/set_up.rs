//! The link for the creation of the first admin, for operators without a command line.

use super::Change;
use super::sessions::SignIn;
use super::users::NewUser;
use crate::model::Timestamp;
use crate::model::secret::{Secret, SecretHash};
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};

/// Only while there is no user. Deletes expired links.
const CREATE: Statement = Statement::new(
    "-- set_up.create
with clock as (select coalesce($1::timestamptz, clock_timestamp()) as now), expired as (
    delete from set_up_link where expires_at <= (select now from clock)
)
insert into set_up_link (token_hash, created_at, expires_at)
select $2, now, now + interval '24 hours' from clock
where not exists (select from user_account)",
);

const IS_VALID: Statement = Statement::new(
    "-- set_up.is_valid
select 1 from set_up_link
where token_hash = $2 and expires_at > (select coalesce($1::timestamptz, clock_timestamp()))",
);

/// Waits for a user created by another session at the same time.
const LOCK: Statement = Statement::new(
    "-- set_up.lock
lock table user_account in share row exclusive mode",
);

const HAS_USER: Statement = Statement::new(
    "-- set_up.has_user
select 1 from user_account limit 1",
);

const DELETE: Statement = Statement::new(
    "-- set_up.delete
delete from set_up_link",
);

impl Store {
    /// Stores the hash of a link for a day; false when there is a user.
    pub async fn create_set_up_link(&self, token: SecretHash) -> Result<bool, StoreError> {
        let stub = self.clock().stub();
        Ok(self.execute(CREATE, &[&stub, &token.bytes()]).await? == 1)
    }

    /// Whether a link is valid.
    pub async fn is_set_up_link(&self, token: SecretHash) -> Result<bool, StoreError> {
        let stub = self.clock().stub();
        let row = self
            .read_opt(IS_VALID, &[&stub, &token.bytes()], |_| Ok(()))
            .await?;
        Ok(row.is_some())
    }

    /// Creates the first admin, and a session of that user; the end of the session. None when the
    /// link is invalid, or there is a user. All links are deleted.
    pub async fn set_up(
        &self,
        token: SecretHash,
        admin: &NewUser,
        password_hash: &Secret,
        session: SecretHash,
    ) -> Result<Option<Timestamp>, StoreError> {
        let stub = self.clock().stub();
        self.in_transaction("set_up.set_up", async |transaction| {
            let valid = IS_VALID
                .query_opt(transaction, &[&stub, &token.bytes()])
                .await?;
            if valid.is_none() {
                return Ok(Change::Undo(None));
            }
            // Two requests with the link must not create two admins.
            LOCK.execute(transaction, &[]).await?;
            DELETE.execute(transaction, &[]).await?;
            if HAS_USER.query_opt(transaction, &[]).await?.is_some() {
                // COMMIT: the links are of no use any more.
                return Ok(Change::Commit(None));
            }
            self.insert_user(transaction, admin).await?;
            let sign_in = SignIn {
                session,
                user_id: admin.id,
                password_hash,
            };
            let expires_at = self.start_session_in(transaction, &sign_in).await?;
            Ok(Change::Commit(expires_at))
        })
        .await
    }
}
