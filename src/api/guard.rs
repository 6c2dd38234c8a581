//! The guard: refuses requests without the roles of their root fields.
//!
//! A request is refused as a whole, before a resolver runs, if the roles of the caller do not
//! suffice for a root field (`access`). The reach of a field is decided at the read (`reach`).

use super::{access, errors, reach};
use crate::model::access::{Caller, Reach, Role};
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, ServerResult, Variables, async_trait};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The rights that the operations of a socket have used so far, in the data of each operation. The
/// socket is closed when the caller loses a right.
#[derive(Default)]
pub struct NeededRole(Mutex<HashMap<Role, UsedRight>>);

/// The use of a role.
struct UsedRight {
    /// Whether a field needed the role in the whole cluster.
    in_cluster: bool,
    /// The namespaces that were within reach.
    reach: Reach,
}

impl NeededRole {
    /// Whether the roles of a caller suffice for all operations so far.
    pub fn is_met_by(&self, caller: &Caller) -> bool {
        self.0.lock().iter().all(|(role, used)| {
            caller.has_somewhere(*role)
                && (!used.in_cluster || caller.has_in_cluster(*role))
                && caller.reach(*role).covers(&used.reach)
        })
    }

    /// Notes the use of a field. The reach of the latest operation counts for all of a role: a
    /// caller whose reach has shrunk has lost the socket already.
    fn note(&self, caller: &Caller, field: &str, needed: Role) {
        let mut used = self.0.lock();
        let in_cluster = !access::OF_NAMESPACES.contains(&field);
        // An earlier subscription of the socket may still run with the role in the whole cluster.
        let before = used.get(&needed).is_some_and(|used| used.in_cluster);
        let right = UsedRight {
            in_cluster: in_cluster || before,
            reach: caller.reach(needed),
        };
        used.insert(needed, right);
    }
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
        // A request without a caller is an error of this program: refused, never anonymous.
        let Some(caller) = ctx.data_opt::<Arc<Caller>>() else {
            return Err(errors::unauthenticated().into_server_error(Pos::default()));
        };
        for (operation, field, pos) in root_fields(&document) {
            let Some(needed) = access::needed(operation, field) else {
                if is_known(ctx, operation, field) {
                    tracing::error!(field, "this root field has no role: it is refused");
                    return Err(errors::without_role(field).into_server_error(pos));
                }
                continue; // the validation knows similar names
            };
            if !access::suffices(caller, field, needed) {
                let error = errors::forbidden(field, needed, caller);
                reach::record(ctx.data_opt(), caller, field, &error.message).await;
                return Err(error.into_server_error(pos));
            }
            if let Some(of_socket) = ctx.data_opt::<Arc<NeededRole>>() {
                of_socket.note(caller, field, needed);
            }
        }
        Ok(document)
    }
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
                    // Once for each fragment: a further spread has the same root fields.
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
    use crate::model::access::NamespaceRoles;
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
            role: Some(role),
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
        assert!(needed.is_met_by(&with(Role::Monitor)));
        needed.note(&with(Role::Viewer), "jobs", Role::Viewer);
        needed.note(&with(Role::Viewer), "nodes", Role::Monitor);
        assert!(needed.is_met_by(&with(Role::Viewer)) && !needed.is_met_by(&with(Role::Monitor)));
    }

    #[test]
    fn a_socket_needs_every_namespace_that_was_within_its_reach() {
        let in_namespaces = |names: &[&str]| Caller {
            role: None,
            namespace_roles: NamespaceRoles::stored(
                names.iter().map(|name| ((*name).to_owned(), Role::Viewer)),
            ),
            ..Caller::anonymous(None)
        };
        let needed = NeededRole::default();
        needed.note(&in_namespaces(&["a", "b"]), "jobUpdated", Role::Viewer);
        assert!(needed.is_met_by(&in_namespaces(&["a", "b", "c"])));
        assert!(needed.is_met_by(&with(Role::Viewer)));
        assert!(!needed.is_met_by(&in_namespaces(&["b"])));
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
