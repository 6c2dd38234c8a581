//! Sessions of users. A session expires an hour after the last use, and twelve hours after the
//! sign-in, by the clock of the database.

use super::Change;
use super::users::{UserIdentity, entry, identity};
use crate::model::Timestamp;
use crate::model::secret::{Secret, SecretHash};
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Most sessions of a user: a script with a sign-in for each request must not fill the table.
const SESSIONS_OF_USER: i64 = 100;

/// No row when the password was replaced, or the user disabled, since the comparison of the
/// password: the update waits for such a change.
const START: Statement = Statement::new(
    "-- sessions.start
with clock as (select coalesce($1::timestamptz, clock_timestamp()) as now), signed_in as (
    update user_account set last_sign_in_at = (select now from clock)
    where id = $3 and password_hash = $4 and not is_disabled returning id
)
insert into user_session (id_hash, user_id, created_at, used_at, expires_at)
select $2, signed_in.id, clock.now, clock.now, clock.now + interval '12 hours'
from signed_in, clock
returning expires_at",
);

/// A session of a user with a credential checked within the transaction.
const INSERT: Statement = Statement::new(
    "-- sessions.insert
insert into user_session (id_hash, user_id, created_at, used_at, expires_at)
select $2, $3, clock.now, clock.now, clock.now + interval '12 hours'
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
returning expires_at",
);

/// The oldest sessions of a user with too many, and all sessions expired a day ago.
const PURGE: Statement = Statement::new(
    "-- sessions.purge
delete from user_session
where expires_at < (select coalesce($1::timestamptz, clock_timestamp())) - interval '1 day'
   or id_hash in (select id_hash from user_session where user_id = $2
                  order by created_at desc, id_hash offset $3)",
);

const STATE: Statement = Statement::new(concat!(
    "-- sessions.state
select u.id, u.name, u.role, u.is_disabled, s.expires_at, e.ends_at,
       e.ends_at <= clock.now as has_ended,
       s.used_at < clock.now - interval '1 minute' as is_stale,
       ",
    namespace_roles!("user_id", "u.id"),
    "
from user_session s
join user_account u on u.id = s.user_id
cross join lateral (select least(s.expires_at, s.used_at + interval '1 hour') as ends_at) as e
cross join (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where s.id_hash = $2"
));

/// An expired session stays expired.
const USE: Statement = Statement::new(
    "-- sessions.use
update user_session s set used_at = greatest(s.used_at, clock.now)
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where s.id_hash = $2 and least(s.expires_at, s.used_at + interval '1 hour') > clock.now",
);

const END: Statement = Statement::new(
    "-- sessions.end
delete from user_session where id_hash = $1",
);

/// A sign-in with the right password.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The hash of the id of the new session.
    pub session: SecretHash,
    /// The user who signs in.
    pub user_id: Uuid,
    /// The hash compared with the password.
    pub password_hash: &'a Secret,
}

/// The state of a session for a request.
#[derive(Debug, Clone)]
pub struct SessionState {
    /// The user of the session.
    pub user: UserIdentity,
    /// The session counts before the instant, independent of the use.
    pub expires_at: Timestamp,
    /// The instant of the expiry without a further use.
    pub ends_at: Timestamp,
    /// Whether the session has expired.
    pub has_ended: bool,
    /// Whether the last recorded use is more than a minute old.
    pub is_stale: bool,
}

impl Store {
    /// Starts a session of the author; the instant of the end. None when the password has changed
    /// since the comparison.
    pub async fn start_session(
        &self,
        sign_in: &SignIn<'_>,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.in_transaction("sessions.sign_in", async |transaction| {
            let expires_at = self.start_session_in(transaction, sign_in).await?;
            if expires_at.is_some() {
                let name = &transaction.author().caller.name;
                transaction.record(entry(sign_in.user_id, name));
            }
            Ok(Change::Commit(expires_at))
        })
        .await
    }

    /// The same within a transaction.
    pub(super) async fn start_session_in(
        &self,
        transaction: &Transaction,
        sign_in: &SignIn<'_>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (stub, user_id) = (self.clock().stub(), sign_in.user_id);
        let hash = sign_in.password_hash.expose();
        let started = START
            .query_opt(
                transaction,
                &[&stub, &sign_in.session.bytes(), &user_id, &hash],
            )
            .await?;
        // At each sign-in, so no background work needs the table of sessions.
        self.purge_sessions(transaction, user_id).await?;
        started
            .map(|row| Values::of(START.name(), &row).get("expires_at"))
            .transpose()
    }

    /// Starts a session of a user; the instant of the end.
    pub(super) async fn insert_session(
        &self,
        transaction: &Transaction,
        session: SecretHash,
        user_id: Uuid,
    ) -> Result<Timestamp, StoreError> {
        let stub = self.clock().stub();
        let row = INSERT
            .query_one(transaction, &[&stub, &session.bytes(), &user_id])
            .await?;
        self.purge_sessions(transaction, user_id).await?;
        Values::of(INSERT.name(), &row).get("expires_at")
    }

    async fn purge_sessions(
        &self,
        transaction: &Transaction,
        user_id: Uuid,
    ) -> Result<(), StoreError> {
        let stub = self.clock().stub();
        PURGE
            .execute(transaction, &[&stub, &user_id, &SESSIONS_OF_USER])
            .await
            .map(drop)
    }

    /// A session, unless its user has signed out.
    pub async fn session_state(
        &self,
        hash: SecretHash,
    ) -> Result<Option<SessionState>, StoreError> {
        self.read_opt(STATE, &[&self.clock().stub(), &hash.bytes()], |row| {
            let row = Values::of("user_session", row);
            Ok(SessionState {
                user: identity(row)?,
                expires_at: row.get("expires_at")?,
                ends_at: row.get("ends_at")?,
                has_ended: row.get("has_ended")?,
                // One write a minute at most: a page asks many times a second.
                is_stale: row.get("is_stale")?,
            })
        })
        .await
    }

    /// Records a use of a session.
    pub async fn use_session(&self, hash: SecretHash) -> Result<(), StoreError> {
        let stub = self.clock().stub();
        self.execute(USE, &[&stub, &hash.bytes()]).await.map(drop)
    }

    /// Ends a session.
    pub async fn end_session(&self, hash: SecretHash) -> Result<(), StoreError> {
        self.execute(END, &[&hash.bytes()]).await.map(drop)
    }
}
