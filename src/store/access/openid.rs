//! Users of an OpenID provider: the only file that writes `openid_identity` and `openid_sign_in`.

use super::Change;
use super::users::{NewUser, UserIdentity, entry, identity};
use crate::model::Timestamp;
use crate::model::access::{NamespaceRoles, Role};
use crate::model::secret::SecretHash;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

const FIND: Statement = Statement::new(concat!(
    "-- openid.find
select u.id, u.name, u.role, u.is_disabled, ",
    namespace_roles!("user_id", "u.id"),
    " from openid_identity o join user_account u on u.id = o.user_id
where o.issuer = $1 and o.subject = $2"
));

/// The first free name of the list.
const FREE_NAME: Statement = Statement::new(
    "-- openid.free_name
select n.name from unnest($1::text[]) with ordinality as n (name, rank)
where not exists (select from user_account u where lower(u.name) = lower(n.name))
order by n.rank limit 1",
);

/// No other session creates a user until the end of the transaction.
const LOCK: Statement = Statement::new(
    "-- openid.lock
lock table user_account in share row exclusive mode",
);

/// No row when the nonce was used. A sign-in started yesterday is over in any case.
const USE_NONCE: Statement = Statement::new(
    "-- openid.use_nonce
with clock as (select coalesce($1::timestamptz, clock_timestamp()) as now), old as (
    delete from openid_sign_in where used_at < (select now from clock) - interval '1 day'
)
insert into openid_sign_in (nonce_hash, used_at) select $2, now from clock
on conflict do nothing",
);

const INSERT: Statement = Statement::new(
    "-- openid.insert
insert into openid_identity (issuer, subject, user_id, created_at)
values ($2, $3, $4, coalesce($1::timestamptz, clock_timestamp()))",
);

/// No row when the user is disabled, or was deleted a moment ago.
const UPDATE_USER: Statement = Statement::new(
    "-- openid.update_user
update user_account
set role = $3, last_sign_in_at = coalesce($1::timestamptz, clock_timestamp())
where id = $2 and not is_disabled",
);

/// The provider gives the user no role any more.
const END_SESSIONS: Statement = Statement::new(
    "-- openid.end_sessions
delete from user_session where user_id = $1",
);

/// The sign-in of a person with a verified ID token.
#[derive(Debug)]
pub struct OpenIdSignIn<'a> {
    /// The issuer: the provider's address.
    pub issuer: &'a str,
    /// Id of the person at the provider.
    pub subject: &'a str,
    /// The user of the person, or the user to create.
    pub user: &'a UserIdentity,
    /// Whether the user is created.
    pub is_new: bool,
    /// The current role of the groups of the person.
    pub role: Role,
    /// The hash of the nonce.
    pub nonce: SecretHash,
    /// The hash of the id of the new session.
    pub session: SecretHash,
}

/// Result of a sign-in by OpenID Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenIdOutcome {
    /// The session counts before the instant.
    Started(Timestamp),
    /// The nonce was used before.
    Used,
    /// The user is disabled.
    Disabled,
    /// There are too many users for a new one.
    TooManyUsers,
    /// The person has a user since a moment ago, or the name is taken: nothing was changed.
    Changed,
}

impl Store {
    /// The user of a person of a provider.
    pub async fn openid_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserIdentity>, StoreError> {
        self.read_opt(FIND, &[&issuer, &subject], user).await
    }

    /// The first free name of the list.
    pub async fn free_user_name(&self, names: &[String]) -> Result<Option<String>, StoreError> {
        self.read_opt(FREE_NAME, &[&names], |row| {
            Values::of(FREE_NAME.name(), row).get("name")
        })
        .await
    }

    /// Ends the sessions of a user without a role at the provider.
    pub async fn end_openid_sessions(&self, user_id: Uuid) -> Result<(), StoreError> {
        self.execute(END_SESSIONS, &[&user_id]).await.map(drop)
    }

    /// Starts a session of a person, and creates the user at the first sign-in. The role is the
    /// current role.
    pub async fn sign_in_by_openid(
        &self,
        sign_in: &OpenIdSignIn<'_>,
    ) -> Result<OpenIdOutcome, StoreError> {
        let stub = self.clock().stub();
        self.in_transaction("openid.sign_in", async |transaction| {
            if sign_in.is_new && !is_still_new(transaction, sign_in).await? {
                return Ok(Change::Commit(OpenIdOutcome::Changed));
            }
            let nonce = sign_in.nonce.bytes();
            if USE_NONCE.execute(transaction, &[&stub, &nonce]).await? == 0 {
                // COMMIT, not ROLLBACK: the purge of old nonces counts.
                return Ok(Change::Commit(OpenIdOutcome::Used));
            }
            if sign_in.is_new && !self.create(transaction, sign_in).await? {
                return Ok(Change::Commit(OpenIdOutcome::TooManyUsers));
            }
            let (user, role) = (sign_in.user, sign_in.role.as_str());
            let updated = UPDATE_USER
                .execute(transaction, &[&stub, &user.id, &role])
                .await?;
            if updated == 0 {
                // The nonce stays used: the same answer of the provider must not be tried again.
                return Ok(Change::Commit(OpenIdOutcome::Disabled));
            }
            if !sign_in.is_new {
                let (before, after) = (json!({"role": user.role}), json!({"role": sign_in.role}));
                let entry = entry(user.id, &user.name);
                transaction.record(entry.with_change(&before, &after));
            }
            let session = sign_in.session;
            let expires_at = self.insert_session(transaction, session, user.id).await?;
            Ok(Change::Commit(OpenIdOutcome::Started(expires_at)))
        })
        .await
    }

    /// False when there are too many users. The entry of the user stands for the sign-in in the
    /// audit log.
    async fn create(
        &self,
        transaction: &Transaction,
        sign_in: &OpenIdSignIn<'_>,
    ) -> Result<bool, StoreError> {
        let new = NewUser {
            id: sign_in.user.id,
            name: sign_in.user.name.clone(),
            role: Some(sign_in.role),
            namespace_roles: NamespaceRoles::default(),
            password_hash: None,
        };
        if !self.insert_user(transaction, &new).await? {
            return Ok(false);
        }
        let (stub, issuer, subject) = (self.clock().stub(), sign_in.issuer, sign_in.subject);
        INSERT
            .execute(transaction, &[&stub, &issuer, &subject, &new.id])
            .await?;
        Ok(true)
    }
}

/// Whether neither the person nor the name has a user. From now on no other session creates one.
async fn is_still_new(
    transaction: &Transaction,
    sign_in: &OpenIdSignIn<'_>,
) -> Result<bool, StoreError> {
    LOCK.execute(transaction, &[]).await?;
    let found = FIND
        .query_opt(transaction, &[&sign_in.issuer, &sign_in.subject])
        .await?;
    let names = [sign_in.user.name.as_str()];
    let names = names.as_slice();
    let free = FREE_NAME.query_opt(transaction, &[&names]).await?;
    Ok(found.is_none() && free.is_some())
}

fn user(row: &Row) -> Result<UserIdentity, StoreError> {
    identity(Values::of("user_account", row))
}
