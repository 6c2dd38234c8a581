//! Users and API tokens in the API.

use super::context::{caller, command, store};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::errors;
use super::namespaces::{NamespaceRole, NamespaceRoleInput, roles};
use crate::access::{Authenticator, CurrentSession, Password};
use crate::actors::job_manager::accounts::{
    CreateApiToken, CreateUser, DeleteUser, EndSessions, RevokeApiToken, SetPassword, UpdateUser,
};
use crate::model::access::{CallerKind, Role};
use crate::model::text;
use crate::store::access::tokens::TokenRecord;
use crate::store::access::users::{UserChange, UserRecord};
use async_graphql::{Context, ID, MaybeUndefined, Object, Result, SimpleObject};
use std::sync::Arc;
use uuid::Uuid;

/// A new API token.
#[derive(SimpleObject)]
pub struct NewApiToken {
    /// The token.
    api_token: TokenRecord,
    /// The text for the header `Authorization: Bearer …`. It is shown once.
    secret: String,
}

/// The queries of users and API tokens.
#[derive(Default)]
pub struct AccountQuery;

/// The mutations of users and API tokens.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountQuery {
    /// All users by name; at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn users(&self, ctx: &Context<'_>) -> Result<Vec<UserRecord>> {
        Ok(store(ctx).await?.users().await?)
    }

    /// API tokens, those that are not revoked first, then the newest; at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn api_tokens(&self, ctx: &Context<'_>) -> Result<Vec<TokenRecord>> {
        Ok(store(ctx).await?.tokens().await?)
    }
}

#[Object]
impl AccountMutation {
    /// Creates a user. The name has from 1 to 100 characters without white space, the password
    /// from 12 to 256; without a password, only a trusted proxy can name the user. With the first
    /// user, authentication becomes necessary on all nodes.
    #[graphql(complexity = "cost::PASSWORD + child_complexity")]
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        name: String,
        role: Option<Role>,
        #[graphql(default)] namespace_roles: Vec<NamespaceRoleInput>,
        password: Option<String>,
    ) -> Result<UserRecord> {
        let password = password.map(|text| Password::chosen("password", text));
        let password = password.transpose()?;
        let create = CreateUser {
            name,
            role,
            namespace_roles: roles(namespace_roles)?,
            password,
        };
        command(ctx, create).await
    }

    /// Changes the roles of a user, or disables or enables the user. `role: null` takes the role in
    /// the whole cluster away; `namespaceRoles` replaces all roles in namespaces. What is left out
    /// stays. The last enabled admin stays one.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        id: ID,
        role: MaybeUndefined<Role>,
        namespace_roles: Option<Vec<NamespaceRoleInput>>,
        is_disabled: Option<bool>,
    ) -> Result<UserRecord> {
        let update = UpdateUser {
            id: errors::uuid("id", &id)?,
            change: UserChange {
                // Left out: the role stays; null: it is taken away.
                role: role.as_opt_ref().map(Option::<&Role>::copied),
                namespace_roles: namespace_roles.map(roles).transpose()?,
                is_disabled,
            },
        };
        command(ctx, update).await
    }

    /// Deletes a user with all sessions; the last enabled admin stays. The API tokens that the user
    /// has created stay.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn delete_user(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, DeleteUser(errors::uuid("id", &id)?)).await?;
        Ok(true)
    }

    /// Replaces the password of a user, which has from 12 to 256 characters, and ends the sessions
    /// of the user.
    #[graphql(complexity = "cost::PASSWORD + child_complexity")]
    async fn set_password(&self, ctx: &Context<'_>, user_id: ID, password: String) -> Result<bool> {
        let set = SetPassword {
            user_id: errors::uuid("userId", &user_id)?,
            password: Password::chosen("password", password)?,
            spared: None,
        };
        command(ctx, set).await.map(|()| true)
    }

    /// Replaces the `current` password of the caller, and ends the other sessions of the caller.
    /// The new one has from 12 to 256 characters.
    #[graphql(complexity = "2 * cost::PASSWORD + child_complexity")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        current: String,
        new: String,
    ) -> Result<bool> {
        text::PASSWORD.check("current", &current)?;
        let password = Password::chosen("new", new)?;
        let user_id = own_id(ctx)?;
        ctx.data::<Arc<Authenticator>>()?
            .confirm(caller(ctx)?, Password::given(current))
            .await
            .map_err(errors::unconfirmed)?;
        let session = ctx.data_opt::<CurrentSession>();
        let set = SetPassword {
            user_id,
            password,
            spared: session.map(|session| session.hash),
        };
        command(ctx, set).await.map(|()| true)
    }

    /// Ends all sessions of a user. Default: of the caller. For another user it needs ADMIN.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn sign_out_everywhere(&self, ctx: &Context<'_>, user_id: Option<ID>) -> Result<bool> {
        let user_id = match user_id {
            None => own_id(ctx)?,
            Some(id) => errors::uuid("userId", &id)?,
        };
        let caller = caller(ctx)?;
        let is_own = caller.kind == CallerKind::User && caller.id == Some(user_id);
        if !is_own && !caller.has_in_cluster(Role::Admin) {
            return Err(errors::forbidden("signOutEverywhere", Role::Admin, caller));
        }
        command(ctx, EndSessions(user_id)).await.map(|()| true)
    }

    /// Creates an API token for a program. The name has from 1 to 100 characters, and is display
    /// only. The token counts for 1 to 365 days.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        name: String,
        role: Option<Role>,
        #[graphql(default)] namespace_roles: Vec<NamespaceRoleInput>,
        #[graphql(default = 90)] expires_in_days: i32,
    ) -> Result<NewApiToken> {
        let create = CreateApiToken {
            name,
            role,
            namespace_roles: roles(namespace_roles)?,
            expires_in_days,
        };
        let created = command(ctx, create).await?;
        Ok(NewApiToken {
            api_token: created.token,
            secret: created.secret.expose().to_owned(),
        })
    }

    /// Revokes an API token for good, on all nodes within five seconds.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn revoke_api_token(&self, ctx: &Context<'_>, id: ID) -> Result<TokenRecord> {
        command(ctx, RevokeApiToken(errors::uuid("id", &id)?)).await
    }
}

/// The id of the user who calls.
fn own_id(ctx: &Context<'_>) -> Result<Uuid> {
    let caller = caller(ctx)?;
    match (caller.kind, caller.id) {
        (CallerKind::User, Some(id)) => Ok(id),
        _ => Err(errors::conflict(
            "the caller is no user, and has neither a password nor a session",
        )),
    }
}

/// A person who signs in with a password, or whom a trusted proxy names.
#[Object(name = "User")]
impl UserRecord {
    /// Id of the user.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// The name at the sign-in, and in `changedBy`.
    async fn name(&self) -> &str {
        &self.name
    }
    /// The role in the whole cluster; none for roles in namespaces only.
    async fn role(&self) -> Option<Role> {
        self.role
    }
    /// The roles in namespaces.
    async fn namespace_roles(&self) -> Vec<NamespaceRole> {
        NamespaceRole::list(&self.namespace_roles)
    }
    /// Whether the user may not sign in, and no session counts.
    async fn is_disabled(&self) -> bool {
        self.is_disabled
    }
    /// Whether the user can sign in with a password. If not, a trusted proxy names the user.
    async fn has_password(&self) -> bool {
        self.has_password
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// The caller that created the user.
    async fn created_by(&self) -> &str {
        &self.created_by
    }
    /// Time of the last sign-in with the password; none before the first.
    async fn last_sign_in_at(&self) -> Option<DateTime> {
        self.last_sign_in_at.map(DateTime)
    }
}

/// The credential of a program. Its text is shown once, by `createApiToken`.
#[Object(name = "ApiToken")]
impl TokenRecord {
    /// Id of the token.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Display only; several tokens may share it.
    async fn name(&self) -> &str {
        &self.name
    }
    /// The role in the whole cluster; none for roles in namespaces only.
    async fn role(&self) -> Option<Role> {
        self.role
    }
    /// The roles in namespaces.
    async fn namespace_roles(&self) -> Vec<NamespaceRole> {
        NamespaceRole::list(&self.namespace_roles)
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// The caller that created the token.
    async fn created_by(&self) -> &str {
        &self.created_by
    }
    /// The token counts before this time.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.expires_at)
    }
    /// Day of the last use (UTC): 2026-11-30; none before the first.
    async fn last_used_on(&self) -> Option<&str> {
        self.last_used_on.as_deref()
    }
    /// Time of the revocation; none for a token that is not revoked.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.revoked_at.map(DateTime)
    }
}
