//! The caller, as the API shows it.

use super::context::caller;
use super::date_time::DateTime;
use super::namespaces::NamespaceRole;
use crate::access::CurrentSession;
use crate::model::access::{CallerKind, Role};
use async_graphql::{Context, Object, Result, SimpleObject};

/// The caller of the request.
#[derive(SimpleObject)]
pub struct Me {
    /// Name of the user or the token; `anonymous` on a node without authentication.
    name: String,
    /// Kind of the caller.
    kind: CallerKind,
    /// Role of the caller in the whole cluster; none for a caller with roles in namespaces only.
    role: Option<Role>,
    /// Roles of the caller in namespaces.
    namespace_roles: Vec<NamespaceRole>,
    /// Latest end of the session; none without a session.
    session_expires_at: Option<DateTime>,
}

/// The query of the caller.
#[derive(Default)]
pub struct MeQuery;

#[Object]
impl MeQuery {
    /// The caller of this request, with its role.
    #[expect(clippy::unused_async, reason = "the macro takes async functions only")]
    async fn me(&self, ctx: &Context<'_>) -> Result<Me> {
        let caller = caller(ctx)?;
        Ok(Me {
            name: caller.name.clone(),
            kind: caller.kind,
            role: caller.role,
            namespace_roles: NamespaceRole::list(&caller.namespace_roles),
            session_expires_at: ctx
                .data_opt::<CurrentSession>()
                .map(|session| DateTime(session.expires_at)),
        })
    }
}
