//! API tokens: the only writer of `api_token`.

use super::Change;
use super::roles::{self, Principal, roles};
use crate::model::Timestamp;
use crate::model::access::{NamespaceRoles, Role};
use crate::model::secret::SecretHash;
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

/// Most valid tokens: the list has no pages.
pub const TOKENS_MAX: i64 = 1_000;

/// Valid tokens first, the newest first.
const LIST: Statement = Statement::new(concat!(
    "-- tokens.list
select id, name, role, created_at, created_by, expires_at, last_used_on::text, revoked_at, ",
    namespace_roles!("token_id", "api_token.id"),
    "
from api_token where $1::uuid is null or id = $1
order by revoked_at is not null, created_at desc, id limit 1000"
));

const INSERT: Statement = Statement::new(
    "-- tokens.insert
insert into api_token (id, name, role, secret_hash, created_by, created_at, expires_at)
select $2, $3, $4, $5, $6, clock.now, clock.now + $7::int * interval '24 hours'
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where (select count(*) from api_token where revoked_at is null and expires_at > clock.now) < $8",
);

/// Tokens revoked or expired a year ago.
const PURGE: Statement = Statement::new(
    "-- tokens.purge
delete from api_token where least(revoked_at, expires_at)
    < (select coalesce($1::timestamptz, clock_timestamp())) - interval '365 days'",
);

/// A token stays revoked at the first instant.
const REVOKE: Statement = Statement::new(
    "-- tokens.revoke
update api_token
set revoked_at = coalesce(revoked_at, $1::timestamptz, clock_timestamp()) where id = $2
returning id, name",
);

const STATE: Statement = Statement::new(concat!(
    "-- tokens.state
select t.id, t.name, t.role, t.secret_hash, t.expires_at, t.expires_at <= clock.now as has_expired,
       t.last_used_on is distinct from (clock.now at time zone 'UTC')::date as is_first_use_of_day,
       ",
    namespace_roles!("token_id", "t.id"),
    "
from api_token t, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where t.id = $2 and t.revoked_at is null"
));

const USE: Statement = Statement::new(
    "-- tokens.use
update api_token
set last_used_on = (coalesce($1::timestamptz, clock_timestamp()) at time zone 'UTC')::date
where id = $2",
);

/// An API token, without the hash of the secret.
#[derive(Debug, Clone)]
pub struct TokenRecord {
    /// The id of the token.
    pub id: Uuid,
    /// A name for display only.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// Time of the creation.
    pub created_at: Timestamp,
    /// The creator of the token. Display only.
    pub created_by: String,
    /// The token counts before the instant.
    pub expires_at: Timestamp,
    /// Day (UTC) of the last use: 2026-11-30.
    pub last_used_on: Option<String>,
    /// Time of the revocation.
    pub revoked_at: Option<Timestamp>,
}

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct NewTokenRecord {
    /// The id of the token.
    pub id: Uuid,
    /// A name for display only.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// The hash of the secret.
    pub hash: SecretHash,
    /// How long the token counts.
    pub expires_in_days: i32,
}

/// Result of the creation of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The token has been created.
    Done,
    /// There are [`TOKENS_MAX`] tokens that count.
    TooMany,
    /// There is no such namespace.
    UnknownNamespace(String),
}

/// The state of an unrevoked token for a request.
#[derive(Debug, Clone)]
pub struct TokenState {
    /// The id of the token.
    pub id: Uuid,
    /// The name of the token.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// Whether the secret of the request is the token's.
    pub is_right: bool,
    /// The token counts before the instant.
    pub expires_at: Timestamp,
    /// Whether the token has expired.
    pub has_expired: bool,
    /// Whether no use is recorded for the day.
    pub is_first_use_of_day: bool,
}

impl Store {
    /// All API tokens, unrevoked tokens first.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.read_all(LIST, &[&None::<Uuid>], record).await
    }

    /// An API token by id.
    pub async fn token(&self, id: Uuid) -> Result<Option<TokenRecord>, StoreError> {
        self.read_opt(LIST, &[&Some(id)], record).await
    }

    /// Stores a new token.
    pub async fn create_token(&self, token: &NewTokenRecord) -> Result<CreateOutcome, StoreError> {
        let stub = self.clock().stub();
        self.in_transaction("tokens.create", async |transaction| {
            // A creation is the only occasion for the purge: tokens are created rarely.
            PURGE.execute(transaction, &[&stub]).await?;
            let inserted = INSERT
                .execute(
                    transaction,
                    &[
                        &stub,
                        &token.id,
                        &token.name,
                        &token.role.map(Role::as_str),
                        &token.hash.bytes(),
                        &transaction.author().caller.label(),
                        &token.expires_in_days,
                        &TOKENS_MAX,
                    ],
                )
                .await?;
            if inserted == 0 {
                // The purge counts in any case.
                return Ok(Change::Commit(CreateOutcome::TooMany));
            }
            let (holder, roles) = (Principal::Token(token.id), &token.namespace_roles);
            // The purge is undone as well: the next creation repeats the purge.
            if let Some(unknown) = roles::replace(transaction, holder, roles).await? {
                return Ok(Change::Undo(CreateOutcome::UnknownNamespace(unknown)));
            }
            let after = json!({
                "role": token.role,
                "namespaceRoles": roles::shown(roles),
                "expiresInDays": token.expires_in_days,
            });
            transaction.record(entry(token.id, &token.name).with("after", after));
            Ok(Change::Commit(CreateOutcome::Done))
        })
        .await
    }

    /// Revokes a token for good; false for an unknown token.
    pub async fn revoke_token(&self, id: Uuid) -> Result<bool, StoreError> {
        let stub = self.clock().stub();
        self.in_transaction("tokens.revoke", async |transaction| {
            let Some(row) = REVOKE.query_opt(transaction, &[&stub, &id]).await? else {
                return Ok(Change::Undo(false));
            };
            let name: String = Values::of("api_token", &row).get("name")?;
            transaction.record(entry(id, &name));
            Ok(Change::Commit(true))
        })
        .await
    }

    /// An unrevoked token, compared with the secret of a request.
    pub async fn token_state(
        &self,
        id: Uuid,
        hash: SecretHash,
    ) -> Result<Option<TokenState>, StoreError> {
        self.read_opt(STATE, &[&self.clock().stub(), &id], |row| {
            let row = Values::of("api_token", row);
            let (role, namespace_roles) = roles(row)?;
            Ok(TokenState {
                id: row.get("id")?,
                name: row.get("name")?,
                role,
                namespace_roles,
                // Compared here and not in SQL: a comparison of constant time tells an attacker
                // nothing.
                is_right: hash.is(row.get("secret_hash")?),
                expires_at: row.get("expires_at")?,
                has_expired: row.get("has_expired")?,
                is_first_use_of_day: row.get("is_first_use_of_day")?,
            })
        })
        .await
    }

    /// Records a use of a token, to the day.
    pub async fn use_token(&self, id: Uuid) -> Result<(), StoreError> {
        let stub = self.clock().stub();
        self.execute(USE, &[&stub, &id]).await.map(drop)
    }
}

/// An entry of the audit log about a token.
fn entry(id: Uuid, name: &str) -> Entry {
    Entry::of("token", id).named(name)
}

fn record(row: &Row) -> Result<TokenRecord, StoreError> {
    let row = Values::of("api_token", row);
    let (role, namespace_roles) = roles(row)?;
    Ok(TokenRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        role,
        namespace_roles,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        expires_at: row.get("expires_at")?,
        last_used_on: row.get("last_used_on")?,
        revoked_at: row.get("revoked_at")?,
    })
}
