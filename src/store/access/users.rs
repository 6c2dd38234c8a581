//! Users: the only writer of `user_account`, apart from the set-up and OpenID Connect.

use super::Change;
use super::roles::{self, Principal, roles};
use crate::model::Timestamp;
use crate::model::access::{NamespaceRoles, Role};
use crate::model::secret::{Secret, SecretHash};
use crate::store::audit::entry::Entry;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

/// Most users: the list has no pages.
pub const USERS_MAX: i64 = 1_000;

const LIST: Statement = Statement::new(concat!(
    "-- users.list
select id, name, role, is_disabled, password_hash is not null as has_password, created_at,
       created_by, last_sign_in_at, ",
    namespace_roles!("user_id", "user_account.id"),
    "
from user_account
where ($1::uuid is null or id = $1) and ($2::text is null or name = $2)
order by lower(name) limit 1000"
));

const INSERT: Statement = Statement::new(
    "-- users.insert
insert into user_account (id, name, role, password_hash, created_by, created_at)
select $2, $3, $4, $5, $6, coalesce($1::timestamptz, clock_timestamp())
where (select count(*) from user_account) < $7
on conflict (lower(name)) do nothing",
);

const IS_TAKEN: Statement = Statement::new(
    "-- users.is_taken
select 1 from user_account where lower(name) = lower($1)",
);

/// The enabled admins, locked: two changes at once must not each rely on the other's admin. A
/// session may refer to a locked row.
const LOCK_ADMINS: Statement = Statement::new(
    "-- users.lock_admins
select id from user_account where role = 'ADMIN' and not is_disabled
order by id for no key update",
);

/// A user before a change, locked until the end.
const LOCK: Statement = Statement::new(concat!(
    "-- users.lock
select id, name, role, is_disabled, ",
    namespace_roles!("user_id", "user_account.id"),
    " from user_account where id = $1 for no key update"
));

const UPDATE: Statement = Statement::new(
    "-- users.update
update user_account set role = $2, is_disabled = $3 where id = $1",
);

const DELETE: Statement = Statement::new(
    "-- users.delete
delete from user_account where id = $1",
);

const SET_PASSWORD: Statement = Statement::new(
    "-- users.set_password
update user_account set password_hash = $2 where id = $1",
);

/// All sessions of a user are to end.
const ALL: Option<&[u8]> = None;

/// All sessions of a user, except for the given session, if any.
const END_SESSIONS: Statement = Statement::new(
    "-- users.end_sessions
delete from user_session where user_id = $1 and id_hash is distinct from $2",
);

const PASSWORD: Statement = Statement::new(concat!(
    "-- users.password
select id, name, role, is_disabled, password_hash, ",
    namespace_roles!("user_id", "user_account.id"),
    " from user_account where name = $1 and not is_disabled"
));

/// Without users of an OpenID provider: such a user has chosen the name there, and a proxy means
/// another user.
const IDENTITY: Statement = Statement::new(concat!(
    "-- users.identity
select id, name, role, is_disabled, ",
    namespace_roles!("user_id", "user_account.id"),
    " from user_account where name = $1
    and not exists (select from openid_identity where user_id = user_account.id)"
));

/// A user, without the hash of the password.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// The id of the user.
    pub id: Uuid,
    /// The name at the sign-in.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// Whether the user may not sign in.
    pub is_disabled: bool,
    /// Whether the user can sign in with a password.
    pub has_password: bool,
    /// Time of the creation.
    pub created_at: Timestamp,
    /// The creator of the user. Display only.
    pub created_by: String,
    /// Time of the last sign-in with the password.
    pub last_sign_in_at: Option<Timestamp>,
}

/// A user to be stored.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id of the user.
    pub id: Uuid,
    /// The name at the sign-in.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// The hash of the password. None: the user can only come through a trusted proxy.
    pub password_hash: Option<Secret>,
}

/// The state of a user for a request.
#[derive(Debug, Clone)]
pub struct UserIdentity {
    /// The id of the user.
    pub id: Uuid,
    /// The name at the sign-in.
    pub name: String,
    /// The role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// Whether the user may not sign in.
    pub is_disabled: bool,
}

/// The password of a user with the right to sign in.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    /// The user.
    pub user: UserIdentity,
    /// The hash; none for a user of a trusted proxy.
    pub hash: Option<Secret>,
}

/// Result of the creation of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The user has been created.
    Done,
    /// A user has the name, apart from upper and lower case.
    NameTaken,
    /// There are [`USERS_MAX`] users.
    TooMany,
    /// There is no such namespace.
    UnknownNamespace(String),
}

/// A change of a user. `None` keeps the stored value.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The role in the whole cluster, or none.
    pub role: Option<Option<Role>>,
    /// The roles in namespaces.
    pub namespace_roles: Option<NamespaceRoles>,
    /// Whether the user may not sign in.
    pub is_disabled: Option<bool>,
}

/// Result of a change of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The user has been changed.
    Done,
    /// There is no such user.
    NotFound,
    /// The user is the last enabled admin.
    LastAdmin,
    /// There is no such namespace.
    UnknownNamespace(String),
}

impl Store {
    /// All users by name.
    pub async fn users(&self) -> Result<Vec<UserRecord>, StoreError> {
        self.read_all(LIST, &[&None::<Uuid>, &None::<&str>], record)
            .await
    }

    /// A user by id.
    pub async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, StoreError> {
        self.read_opt(LIST, &[&Some(id), &None::<&str>], record)
            .await
    }

    /// A user by the exact name.
    pub async fn user_named(&self, name: &str) -> Result<Option<UserRecord>, StoreError> {
        self.read_opt(LIST, &[&None::<Uuid>, &Some(name)], record)
            .await
    }

    /// Stores a new user.
    pub async fn create_user(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.in_transaction("users.create", async |transaction| {
            if self.insert_user(transaction, user).await? {
                let (holder, roles) = (Principal::User(user.id), &user.namespace_roles);
                let unknown = roles::replace(transaction, holder, roles).await?;
                return Ok(match unknown {
                    None => Change::Commit(CreateOutcome::Done),
                    // `replace` names the missing namespace: a foreign key would only abort the
                    // transaction.
                    Some(name) => Change::Undo(CreateOutcome::UnknownNamespace(name)),
                });
            }
            // The insert has two reasons to write nothing: the second query only finds out which.
            let taken = IS_TAKEN.query_opt(transaction, &[&user.name]).await?;
            Ok(Change::Undo(match taken {
                Some(_) => CreateOutcome::NameTaken,
                None => CreateOutcome::TooMany,
            }))
        })
        .await
    }

    /// Inserts a user; false when the name is taken, or there are too many users.
    pub(super) async fn insert_user(
        &self,
        transaction: &Transaction,
        user: &NewUser,
    ) -> Result<bool, StoreError> {
        let hash = user.password_hash.as_ref().map(Secret::expose);
        let inserted = INSERT
            .execute(
                transaction,
                &[
                    &self.clock().stub(),
                    &user.id,
                    &user.name,
                    &user.role.map(Role::as_str),
                    &hash,
                    &transaction.author().caller.label(),
                    &USERS_MAX,
                ],
            )
            .await?;
        if inserted == 1 {
            let after = json!({
                "role": user.role,
                "namespaceRoles": roles::shown(&user.namespace_roles),
                "hasPassword": user.password_hash.is_some(),
            });
            transaction.record(entry(user.id, &user.name).with("after", after));
        }
        Ok(inserted == 1)
    }

    /// Changes the roles of a user, or whether the user is disabled.
    pub async fn update_user(
        &self,
        id: Uuid,
        change: &UserChange,
    ) -> Result<ChangeOutcome, StoreError> {
        let loses_role = change.role.is_some_and(|role| role != Some(Role::Admin));
        // Only such changes take the lock on all admins: other changes may run side by side.
        let lowers = loses_role || change.is_disabled == Some(true);
        self.change_user(id, lowers, async |transaction, before| {
            let after = UserIdentity {
                role: change.role.unwrap_or(before.role),
                namespace_roles: change
                    .namespace_roles
                    .clone()
                    .unwrap_or_else(|| before.namespace_roles.clone()),
                is_disabled: change.is_disabled.unwrap_or(before.is_disabled),
                ..before.clone()
            };
            let name = after.role.map(Role::as_str);
            UPDATE
                .execute(transaction, &[&id, &name, &after.is_disabled])
                .await?;
            if let Some(roles) = &change.namespace_roles {
                let unknown = roles::replace(transaction, Principal::User(id), roles).await?;
                // The caller undoes the transaction, so the update above does not count either.
                if let Some(unknown) = unknown {
                    return Ok(ChangeOutcome::UnknownNamespace(unknown));
                }
            }
            if before.is_disabled && !after.is_disabled {
                // A session from before must not come back with the user.
                END_SESSIONS.execute(transaction, &[&id, &ALL]).await?;
            }
            let entry = entry(id, &before.name);
            transaction.record(entry.with_change(&content(before), &content(&after)));
            Ok(ChangeOutcome::Done)
        })
        .await
    }

    /// Deletes a user with all sessions. The API tokens that the user has created stay.
    pub async fn delete_user(&self, id: Uuid) -> Result<ChangeOutcome, StoreError> {
        self.change_user(id, true, async |transaction, before| {
            // Sessions and roles go with the row: foreign keys with ON DELETE CASCADE.
            DELETE.execute(transaction, &[&id]).await?;
            let entry = entry(id, &before.name);
            transaction.record(entry.with("before", content(before)));
            Ok(ChangeOutcome::Done)
        })
        .await
    }

    /// Replaces the password of a user, and ends all sessions but one.
    pub async fn set_password(
        &self,
        id: Uuid,
        hash: &Secret,
        spared: Option<SecretHash>,
    ) -> Result<ChangeOutcome, StoreError> {
        let spared = spared.as_ref().map(SecretHash::bytes);
        self.change_user(id, false, async |transaction, before| {
            SET_PASSWORD
                .execute(transaction, &[&id, &hash.expose()])
                .await?;
            // A thief of the old password keeps no session; the session of the change itself may
            // stay.
            let ended = END_SESSIONS.execute(transaction, &[&id, &spared]).await?;
            transaction.record(entry(id, &before.name).with("sessionsEnded", ended));
            Ok(ChangeOutcome::Done)
        })
        .await
    }

    /// Ends all sessions of a user.
    pub async fn end_sessions(&self, id: Uuid) -> Result<ChangeOutcome, StoreError> {
        self.change_user(id, false, async |transaction, before| {
            let ended = END_SESSIONS.execute(transaction, &[&id, &ALL]).await?;
            transaction.record(entry(id, &before.name).with("sessionsEnded", ended));
            Ok(ChangeOutcome::Done)
        })
        .await
    }

    /// The password of an enabled user; none for an unknown or disabled one.
    pub async fn stored_password(&self, name: &str) -> Result<Option<StoredPassword>, StoreError> {
        self.read_opt(PASSWORD, &[&name], |row| {
            let row = Values::of("user_account", row);
            Ok(StoredPassword {
                user: identity(row)?,
                hash: row.get::<Option<String>>("password_hash")?.map(Secret::new),
            })
        })
        .await
    }

    /// The user that a trusted proxy names.
    pub async fn user_identity(&self, name: &str) -> Result<Option<UserIdentity>, StoreError> {
        self.read_opt(IDENTITY, &[&name], |row| {
            identity(Values::of("user_account", row))
        })
        .await
    }

    /// Runs a change of a user, unless it takes the last enabled admin away. The change gets the
    /// user before the change.
    async fn change_user(
        &self,
        id: Uuid,
        lowers: bool,
        change: impl AsyncFnOnce(&Transaction, &UserIdentity) -> Result<ChangeOutcome, StoreError>,
    ) -> Result<ChangeOutcome, StoreError> {
        self.in_transaction("users.change", async |transaction| {
            if lowers {
                let admins = LOCK_ADMINS.query(transaction, &[]).await?;
                let admins: Vec<Uuid> = column(LOCK_ADMINS.name(), &admins, "id")?;
                // Without an admin no command could bring one back.
                if admins == [id] {
                    return Ok(Change::Undo(ChangeOutcome::LastAdmin));
                }
            }
            // After the lock on the admins: two changes with the opposite order could wait for each
            // other.
            let Some(row) = LOCK.query_opt(transaction, &[&id]).await? else {
                return Ok(Change::Undo(ChangeOutcome::NotFound));
            };
            let before = identity(Values::of("user_account", &row))?;
            Ok(match change(transaction, &before).await? {
                ChangeOutcome::Done => Change::Commit(ChangeOutcome::Done),
                refused => Change::Undo(refused),
            })
        })
        .await
    }
}

/// An entry of the audit log about a user.
pub(super) fn entry(id: Uuid, name: &str) -> Entry {
    Entry::of("user", id).named(name)
}

/// What the audit log shows of a user.
fn content(user: &UserIdentity) -> serde_json::Value {
    json!({
        "role": user.role,
        "namespaceRoles": roles::shown(&user.namespace_roles),
        "isDisabled": user.is_disabled,
    })
}

pub(super) fn identity(row: Values<'_>) -> Result<UserIdentity, StoreError> {
    let (role, namespace_roles) = roles(row)?;
    Ok(UserIdentity {
        id: row.get("id")?,
        name: row.get("name")?,
        role,
        namespace_roles,
        is_disabled: row.get("is_disabled")?,
    })
}

fn record(row: &Row) -> Result<UserRecord, StoreError> {
    let row = Values::of("user_account", row);
    let (role, namespace_roles) = roles(row)?;
    Ok(UserRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        role,
        namespace_roles,
        is_disabled: row.get("is_disabled")?,
        has_password: row.get("has_password")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        last_sign_in_at: row.get("last_sign_in_at")?,
    })
}
