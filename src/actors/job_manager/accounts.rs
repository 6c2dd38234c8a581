//! Commands about users and API tokens.

use super::{Command, CommandError, found, unknown_namespace};
use crate::access::Password;
use crate::access::token::NewToken;
use crate::model::access::{NamespaceRoles, Role, validate_user_name};
use crate::model::secret::{Secret, SecretHash};
use crate::model::{InvalidInput, text};
use crate::store::Store;
use crate::store::access::tokens::{self, NewTokenRecord, TOKENS_MAX, TokenRecord};
use crate::store::access::users::{
    ChangeOutcome, CreateOutcome, NewUser, USERS_MAX, UserChange, UserRecord,
};
use uuid::Uuid;

/// Longest life of an API token.
const TOKEN_DAYS_MAX: i32 = 365;

/// Creates a user with roles.
pub struct CreateUser {
    /// The name at the sign-in.
    pub name: String,
    /// Role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// None: the user can only come through a trusted proxy.
    pub password: Option<Password>,
}

/// Changes the roles of a user, or whether the user is disabled.
pub struct UpdateUser {
    /// The user to change.
    pub id: Uuid,
    /// The new values of the user.
    pub change: UserChange,
}

/// Deletes a user with all sessions.
pub struct DeleteUser(pub Uuid);

/// Replaces the password of a user, and ends the sessions of the user.
pub struct SetPassword {
    /// The user to change.
    pub user_id: Uuid,
    /// New password of the user.
    pub password: Password,
    /// The session of the caller, which continues.
    pub spared: Option<SecretHash>,
}

/// Ends all sessions of a user.
pub struct EndSessions(pub Uuid);

/// Creates an API token.
pub struct CreateApiToken {
    /// Name of the token. Display only.
    pub name: String,
    /// Role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// How long the token counts: 1 to 365.
    pub expires_in_days: i32,
}

/// A new API token, with the text, shown once.
#[derive(Debug)]
pub struct CreatedToken {
    /// Token without the text.
    pub token: TokenRecord,
    /// Text of the token, shown once.
    pub secret: Secret,
}

/// Revokes an API token for good.
pub struct RevokeApiToken(pub Uuid);

impl Command for CreateUser {
    type Output = UserRecord;

    async fn carry_out(self, store: &Store) -> Result<UserRecord, CommandError> {
        validate_user_name("name", &self.name)?;
        require_role(self.role, &self.namespace_roles)?;
        // Before the transaction: the hash is slow on purpose.
        let password_hash = match self.password {
            Some(password) => Some(password.hash().await),
            None => None,
        };
        let user = NewUser {
            id: Uuid::now_v7(),
            name: self.name,
            role: self.role,
            namespace_roles: self.namespace_roles,
            password_hash,
        };
        match store.create_user(&user).await? {
            CreateOutcome::Done => found(store.user(user.id).await?, "user", user.id),
            CreateOutcome::NameTaken => Err(CommandError::Conflict(format!(
                "there is a user `{}` already, perhaps with other capital letters",
                user.name
            ))),
            CreateOutcome::UnknownNamespace(name) => Err(unknown_namespace(name)),
            CreateOutcome::TooMany => Err(CommandError::Conflict(format!(
                "there are {USERS_MAX} users, and there may not be more: delete one first"
            ))),
        }
    }
}

impl Command for UpdateUser {
    type Output = UserRecord;

    async fn carry_out(self, store: &Store) -> Result<UserRecord, CommandError> {
        let Self { id, change } = self;
        let UserChange {
            role,
            namespace_roles,
            is_disabled,
        } = &change;
        if role.is_none() && namespace_roles.is_none() && is_disabled.is_none() {
            let message = "there is nothing to change: say role, namespaceRoles or isDisabled";
            return Err(InvalidInput::new("role", message).into());
        }
        changed(store.update_user(id, &change).await?, id)?;
        found(store.user(id).await?, "user", id)
    }
}

impl Command for DeleteUser {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let Self(id) = self;
        changed(store.delete_user(id).await?, id)
    }
}

impl Command for SetPassword {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let hash = self.password.hash().await;
        let outcome = store.set_password(self.user_id, &hash, self.spared).await?;
        changed(outcome, self.user_id)
    }
}

impl Command for EndSessions {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let Self(user_id) = self;
        changed(store.end_sessions(user_id).await?, user_id)
    }
}

impl Command for CreateApiToken {
    type Output = CreatedToken;

    async fn carry_out(self, store: &Store) -> Result<CreatedToken, CommandError> {
        text::TOKEN_NAME.check("name", &self.name)?;
        if !(1..=TOKEN_DAYS_MAX).contains(&self.expires_in_days) {
            let message = format!("must be from 1 to {TOKEN_DAYS_MAX}");
            return Err(InvalidInput::new("expiresInDays", message).into());
        }
        require_role(self.role, &self.namespace_roles)?;
        let id = Uuid::now_v7();
        let token = NewToken::generate(id);
        let record = NewTokenRecord {
            id,
            name: self.name,
            role: self.role,
            namespace_roles: self.namespace_roles,
            hash: token.hash,
            expires_in_days: self.expires_in_days,
        };
        match store.create_token(&record).await? {
            tokens::CreateOutcome::Done => {}
            tokens::CreateOutcome::UnknownNamespace(name) => return Err(unknown_namespace(name)),
            tokens::CreateOutcome::TooMany => {
                return Err(CommandError::Conflict(format!(
                    "there are {TOKENS_MAX} API tokens, and there may not be more: revoke one first"
                )));
            }
        }
        Ok(CreatedToken {
            token: found(store.token(id).await?, "API token", id)?,
            secret: token.text,
        })
    }
}

impl Command for RevokeApiToken {
    type Output = TokenRecord;

    async fn carry_out(self, store: &Store) -> Result<TokenRecord, CommandError> {
        let Self(id) = self;
        let is_known = store.revoke_token(id).await?;
        found(is_known.then_some(()), "API token", id)?;
        found(store.token(id).await?, "API token", id)
    }
}

/// Refuses a new user or token without rights.
fn require_role(role: Option<Role>, namespace_roles: &NamespaceRoles) -> Result<(), InvalidInput> {
    if role.is_some() || !namespace_roles.is_empty() {
        return Ok(());
    }
    Err(InvalidInput::new(
        "role",
        "there is no role: say role or namespaceRoles",
    ))
}

fn changed(outcome: ChangeOutcome, id: Uuid) -> Result<(), CommandError> {
    match outcome {
        ChangeOutcome::Done => Ok(()),
        ChangeOutcome::NotFound => found(None, "user", id),
        ChangeOutcome::UnknownNamespace(name) => Err(unknown_namespace(name)),
        ChangeOutcome::LastAdmin => Err(CommandError::Conflict(
            "the user is the last enabled admin: make another user an admin first".to_owned(),
        )),
    }
}
