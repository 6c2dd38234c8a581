//! Roles of users and tokens: the only writer of `role_binding`.

use crate::model::UnknownName;
use crate::model::access::{NamespaceRoles, Role};
use crate::store::StoreError;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use uuid::Uuid;

/// The column `namespace_roles` of a user or a token: `team EDITOR`.
macro_rules! namespace_roles {
    ($principal:literal, $id:literal) => {
        concat!(
            "array(select b.namespace || ' ' || b.role from role_binding b where b.",
            $principal,
            " = ",
            $id,
            ") as namespace_roles"
        )
    };
}

const DELETE: Statement = Statement::new(
    "-- roles.delete
delete from role_binding where user_id = $1 or token_id = $2",
);

/// The namespaces stay until the end of the transaction. A row for each existing namespace.
const INSERT: Statement = Statement::new(
    "-- roles.insert
insert into role_binding (namespace, user_id, token_id, role)
select n.name, $1, $2, x.role from unnest($3::text[], $4::text[]) as x (namespace, role)
join namespace n on n.name = x.namespace and n.deleted_at is null
returning namespace",
);

/// The holder of roles.
#[derive(Debug, Clone, Copy)]
pub(super) enum Principal {
    User(Uuid),
    Token(Uuid),
}

/// The roles of a row: in the whole cluster, and in namespaces.
pub(super) fn roles(row: Values<'_>) -> Result<(Option<Role>, NamespaceRoles), StoreError> {
    let unreadable = |error: UnknownName| row.unreadable(error);
    let role = row.get::<Option<&str>>("role")?.map(str::parse).transpose();
    let mut in_namespaces = Vec::new();
    for text in row.get::<Vec<&str>>("namespace_roles")? {
        let (namespace, role) = text.split_once(' ').unwrap_or((text, ""));
        in_namespaces.push((namespace.to_owned(), role.parse().map_err(unreadable)?));
    }
    Ok((
        role.map_err(unreadable)?,
        NamespaceRoles::stored(in_namespaces),
    ))
}

/// Replaces the roles in namespaces. Returns the first missing namespace, if any: then the caller
/// does not commit.
pub(super) async fn replace(
    transaction: &Transaction,
    principal: Principal,
    roles: &NamespaceRoles,
) -> Result<Option<String>, StoreError> {
    let (user, token) = match principal {
        Principal::User(id) => (Some(id), None),
        Principal::Token(id) => (None, Some(id)),
    };
    DELETE.execute(transaction, &[&user, &token]).await?;
    if roles.is_empty() {
        return Ok(None);
    }
    let (namespaces, names): (Vec<&str>, Vec<&str>) = roles
        .iter()
        .map(|(namespace, role)| (namespace, role.as_str()))
        .unzip();
    let rows = INSERT
        .query(transaction, &[&user, &token, &namespaces, &names])
        .await?;
    let mut known = Vec::with_capacity(rows.len());
    for row in &rows {
        known.push(Values::of(INSERT.name(), row).get::<String>(0)?);
    }
    let unknown = namespaces
        .iter()
        // `returning` has no row for a missing or deleted namespace.
        .find(|name| !known.iter().any(|known| known == *name));
    Ok(unknown.map(|name| (*name).to_owned()))
}

/// The roles, as shown by the audit log.
pub(super) fn shown(roles: &NamespaceRoles) -> serde_json::Value {
    let shown = roles
        .iter()
        .map(|(namespace, role)| (namespace.to_owned(), role.as_str().into()));
    serde_json::Value::Object(shown.collect())
}
