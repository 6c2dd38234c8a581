//! Access: the role that each root field needs, and the refusal of requests without it.
//!
//! One table has all root fields. A request is refused as a whole, before a resolver runs, if one
//! of its root fields needs a higher role than that of the caller. A field without a row is refused
//! for every caller: a new field needs a decision.

use super::context::caller;
use super::errors;
use crate::model::access::{Caller, Role};
use crate::store::Store;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Context, Name, Pos, Result, ServerResult, Variables, async_trait};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// A root field and its role.
type Right = (&'static str, Role);

/// The least role for each query.
pub const QUERIES: [Right; 28] = [
    ("jobs", Role::Viewer),
    ("job", Role::Viewer),
    ("jobLogs", Role::Viewer),
    ("jobVersions", Role::Viewer),
    ("previewSchedule", Role::Viewer),
    ("execution", Role::Viewer),
    ("nodes", Role::Monitor),
    ("cluster", Role::Viewer),
    ("calendars", Role::Viewer),
    ("calendar", Role::Viewer),
    ("blackouts", Role::Viewer),
    ("backfills", Role::Viewer),
    ("previewBackfill", Role::Viewer),
    ("jobsPage", Role::Viewer),
    ("executionsPage", Role::Viewer),
    ("tags", Role::Viewer),
    ("searchExecutions", Role::Viewer),
    ("explainFireTime", Role::Viewer),
    ("overview", Role::Viewer),
    ("activity", Role::Viewer),
    ("upcoming", Role::Viewer),
    ("agenda", Role::Viewer),
    ("nodeLoad", Role::Monitor),
    ("me", Role::Monitor),
    ("users", Role::Admin),
    ("apiTokens", Role::Admin),
    ("auditLog", Role::Admin),
    ("secrets", Role::Editor),
];

/// The least role for each mutation.
pub const MUTATIONS: [Right; 37] = [
    ("createJob", Role::Editor),
    ("createJobs", Role::Editor),
    ("updateJob", Role::Editor),
    ("pauseJob", Role::Operator),
    ("resumeJob", Role::Operator),
    ("deleteJob", Role::Editor),
    ("drainNode", Role::Admin),
    ("pauseCluster", Role::Admin),
    ("resumeCluster", Role::Admin),
    ("runJobNow", Role::Operator),
    ("cancelExecution", Role::Operator),
    ("cancelExecutions", Role::Operator),
    ("rerunExecution", Role::Operator),
    ("rerunExecutions", Role::Operator),
    ("pauseJobs", Role::Operator),
    ("resumeJobs", Role::Operator),
    ("deleteJobs", Role::Editor),
    ("runJobsNow", Role::Operator),
    ("createCalendar", Role::Editor),
    ("updateCalendar", Role::Editor),
    ("deleteCalendar", Role::Editor),
    ("createBlackout", Role::Editor),
    ("setBlackoutEnd", Role::Editor),
    ("endBlackout", Role::Editor),
    ("backfillJob", Role::Operator),
    ("cancelBackfill", Role::Operator),
    ("createUser", Role::Admin),
    ("updateUser", Role::Admin),
    ("deleteUser", Role::Admin),
    ("setPassword", Role::Admin),
    // One's own; the resolver demands ADMIN for those of other users.
    ("changePassword", Role::Viewer),
    ("signOutEverywhere", Role::Viewer),
    ("createApiToken", Role::Admin),
    ("revokeApiToken", Role::Admin),
    ("createSecret", Role::Admin),
    ("updateSecret", Role::Admin),
    ("deleteSecret", Role::Admin),
];

/// The least role for each subscription.
pub const SUBSCRIPTIONS: [Right; 5] = [
    ("executionUpdated", Role::Viewer),
    ("executionsChanged", Role::Viewer),
    ("jobUpdated", Role::Viewer),
    ("nodeUpdated", Role::Monitor),
    ("overviewUpdated", Role::Viewer),
];

/// The least role for `__typename`, `__schema` and `__type`: that of any caller.
const INTROSPECTION: Role = Role::Monitor;

/// The least role for a root field. `None`: the table has no such field.
fn needed(operation: OperationType, field: &str) -> Option<Role> {
    if matches!(field, "__typename" | "__schema" | "__type") {
        return Some(INTROSPECTION);
    }
    let rights: &[Right] = match operation {
        OperationType::Query => &QUERIES,
        OperationType::Mutation => &MUTATIONS,
        OperationType::Subscription => &SUBSCRIPTIONS,
    };
    rights
        .iter()
        .find(|(named, _)| *named == field)
        .map(|(_, role)| *role)
}

/// The highest role that the operations of a socket have needed so far, in the data of each of
/// them. The socket is closed when its caller loses this role.
#[derive(Default)]
pub struct NeededRole(Mutex<Option<Role>>);

impl NeededRole {
    /// Whether a role suffices for all operations so far.
    pub fn is_met_by(&self, role: Role) -> bool {
        self.0.lock().is_none_or(|needed| role.includes(needed))
    }

    fn raise(&self, needed: Role) {
        let mut highest = self.0.lock();
        *highest = (*highest).max(Some(needed));
    }
}

/// Refuses a caller without a role, for rights that depend on the arguments of a field.
pub fn require(ctx: &Context<'_>, field: &str, needed: Role) -> Result<()> {
    let caller = caller(ctx)?;
    if caller.role.includes(needed) {
        return Ok(());
    }
    Err(errors::forbidden(field, needed, caller))
}

/// Refuses requests with a root field that the role of the caller does not allow.
pub struct Rights;

impl ExtensionFactory for Rights {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Rights {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        // A request without a caller is an error of this program: it is refused, never anonymous.
        let Some(caller) = ctx.data_opt::<Arc<Caller>>() else {
            return Err(errors::unauthenticated().into_server_error(Pos::default()));
        };
        for (operation, field, pos) in root_fields(&document) {
            let Some(needed) = needed(operation, field) else {
                if is_known(ctx, operation, field) {
                    tracing::error!(field, "this root field has no role: it is refused");
                    return Err(errors::without_role(field).into_server_error(pos));
                }
                continue; // the validation knows similar names
            };
            if !caller.role.includes(needed) {
                let error = errors::forbidden(field, needed, caller);
                record(ctx, caller, field, &error.message).await;
                return Err(error.into_server_error(pos));
            }
            if let Some(of_socket) = ctx.data_opt::<Arc<NeededRole>>() {
                of_socket.raise(needed);
            }
        }
        Ok(document)
    }
}

/// Writes a refusal into the audit log. The caller is refused in any case. Boxed here: the stack of
/// an admitted request has no room for the future of a transaction.
fn record<'a>(
    ctx: &ExtensionContext<'a>,
    caller: &'a Arc<Caller>,
    field: &'a str,
    reason: &'a str,
) -> BoxFuture<'a, ()> {
    let store = ctx.data_opt::<Store>();
    Box::pin(async move {
        if let Some(store) = store
            && let Err(error) = store.record_refusal(caller, field, reason).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, field, "a refusal is not in the audit log");
        }
    })
}

/// Whether the schema has this root field.
fn is_known(ctx: &ExtensionContext<'_>, operation: OperationType, field: &str) -> bool {
    let registry = &ctx.schema_env.registry;
    let root = match operation {
        OperationType::Query => Some(&registry.query_type),
        OperationType::Mutation => registry.mutation_type.as_ref(),
        OperationType::Subscription => registry.subscription_type.as_ref(),
    };
    root.and_then(|root| registry.types.get(root)?.field_by_name(field))
        .is_some()
}

/// The root fields of all operations, also inside fragments, by their names and not their aliases.
/// The admission has left only the executed operation.
fn root_fields(document: &ExecutableDocument) -> Vec<(OperationType, &str, Pos)> {
    let mut found = Vec::new();
    for (_, operation) in document.operations.iter() {
        root_fields_of(document, &operation.node, &mut found);
    }
    found
}

fn root_fields_of<'a>(
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    found: &mut Vec<(OperationType, &'a str, Pos)>,
) {
    let mut open: Vec<&SelectionSet> = vec![&operation.selection_set.node];
    let mut spread: HashSet<&Name> = HashSet::new();
    while let Some(selections) = open.pop() {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = &field.node.name;
                    found.push((operation.ty, name.node.as_str(), name.pos));
                }
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(fragment) => {
                    let name = &fragment.node.fragment_name.node;
                    if spread.insert(name) {
                        let fragment = document.fragments.get(name);
                        open.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::{EmptySubscription, Object, Request, Response, Schema};

    const ROLES: [Role; 5] = [
        Role::Monitor,
        Role::Viewer,
        Role::Operator,
        Role::Editor,
        Role::Admin,
    ];

    fn with(role: Role) -> Arc<Caller> {
        Arc::new(Caller {
            role,
            ..Caller::anonymous(None)
        })
    }

    #[test]
    fn a_root_field_is_found_under_an_alias_and_in_fragments() {
        let query = "query A { x: jobs { users } ...F ... on Query { nodes { id } } }
            fragment F on Query { users { id } ...F ...G } fragment G on Query { me { name } }";
        let document = parse_query(query).expect(query);
        let mut fields: Vec<&str> = root_fields(&document)
            .into_iter()
            .map(|(_, field, _)| field)
            .collect();
        fields.sort_unstable();
        assert_eq!(fields, ["jobs", "me", "nodes", "users"]);
    }

    #[test]
    fn the_highest_role_of_a_socket_counts() {
        let needed = NeededRole::default();
        assert!(needed.is_met_by(Role::Monitor));
        needed.raise(Role::Viewer);
        needed.raise(Role::Monitor);
        assert!(needed.is_met_by(Role::Viewer) && !needed.is_met_by(Role::Monitor));
    }

    struct Fields;

    #[Object(name = "Query")]
    impl Fields {
        async fn nodes(&self) -> i32 {
            1
        }
        async fn users(&self) -> i32 {
            1
        }
        async fn forgotten(&self) -> i32 {
            1
        }
    }

    struct Commands;

    #[Object(name = "Mutation")]
    impl Commands {
        async fn create_job(&self) -> i32 {
            1
        }
        async fn pause_job(&self) -> i32 {
            1
        }
    }

    async fn answer(request: Request) -> Response {
        let schema = Schema::build(Fields, Commands, EmptySubscription)
            .extension(Rights)
            .finish();
        schema.execute(request).await
    }

    fn code(response: &Response) -> Option<String> {
        let code = response
            .errors
            .first()?
            .extensions
            .as_ref()?
            .get("code")?
            .clone();
        Some(code.to_string().trim_matches('"').to_owned())
    }

    #[tokio::test]
    async fn a_field_without_a_row_is_refused_for_all() {
        for role in ROLES {
            let refused = answer(Request::new("{ forgotten }").data(with(role))).await;
            assert_eq!(code(&refused).as_deref(), Some("FORBIDDEN"), "{role}");
        }
        let unknown = answer(Request::new("{ nothing }").data(with(Role::Admin))).await;
        assert!(unknown.errors[0].message.contains("Unknown field"));
    }

    #[tokio::test]
    async fn a_request_without_a_caller_is_refused() {
        let refused = answer(Request::new("{ nodes }")).await;
        assert_eq!(code(&refused).as_deref(), Some("UNAUTHENTICATED"));
    }

    #[tokio::test]
    async fn one_refused_field_stops_the_whole_request_and_names_the_role() {
        let both = "mutation { pauseJob ...F } fragment F on Mutation { harmless: createJob }";
        let refused = answer(Request::new(both).data(with(Role::Operator))).await;
        assert_eq!(code(&refused).as_deref(), Some("FORBIDDEN"));
        assert_eq!(refused.data, async_graphql::Value::Null);
        let message = &refused.errors[0].message;
        assert!(
            message.contains("createJob") && message.contains("EDITOR"),
            "{message}"
        );
        let allowed = "mutation { pauseJob }";
        let allowed = answer(Request::new(allowed).data(with(Role::Operator))).await;
        assert!(allowed.errors.is_empty());
    }
}
