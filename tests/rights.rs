//! The rights: every root field of the schema with each role, without a node and on one.

use crate::api_node::ApiNode;
use crate::support::{access, eventually};
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use async_graphql::{Request, Response};
use futures_util::StreamExt;
use horolog::api::access::{MUTATIONS, OF_NAMESPACES, QUERIES, SUBSCRIPTIONS};
use horolog::model::access::{Caller, NamespaceRoles, Role};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ROLES: [Role; 5] = [
    Role::Monitor,
    Role::Viewer,
    Role::Operator,
    Role::Editor,
    Role::Admin,
];

/// The object types of the SDL, each with its fields and their types.
fn objects() -> BTreeMap<String, BTreeMap<String, String>> {
    let sdl = parse_schema(horolog::api::sdl()).unwrap();
    let mut objects = BTreeMap::new();
    for definition in sdl.definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let TypeKind::Object(object) = &definition.node.kind else {
            continue;
        };
        let fields = object.fields.iter().map(|field| {
            let of = field.node.ty.node.to_string();
            let bare = of.trim_matches(|c| matches!(c, '[' | ']' | '!'));
            (field.node.name.node.to_string(), bare.to_owned())
        });
        objects.insert(definition.node.name.node.to_string(), fields.collect());
    }
    objects
}

/// The kind of an operation, the root type, and the rows of the table.
type Root = (&'static str, &'static str, Vec<(&'static str, Role)>);

fn roots() -> [Root; 3] {
    [
        ("query", "Query", QUERIES.to_vec()),
        ("mutation", "Mutation", MUTATIONS.to_vec()),
        ("subscription", "Subscription", SUBSCRIPTIONS.to_vec()),
    ]
}

#[test]
fn every_root_field_of_the_schema_is_in_the_table_once() {
    let objects = objects();
    for (_, root, rights) in roots() {
        let named: Vec<&str> = rights.iter().map(|(field, _)| *field).collect();
        let once: BTreeSet<&str> = named.iter().copied().collect();
        assert_eq!(named.len(), once.len(), "{root}");
        let fields: BTreeSet<&str> = objects[root].keys().map(String::as_str).collect();
        assert_eq!(once, fields, "{root}");
    }
}

#[test]
fn every_field_of_namespaces_is_a_field_of_the_schema() {
    let rows = roots().into_iter().flat_map(|(_, _, rights)| rights);
    let fields: BTreeSet<&str> = rows.map(|(field, _)| field).collect();
    let introspection = ["__typename", "__schema", "__type"];
    for field in OF_NAMESPACES {
        assert!(
            fields.contains(field) || introspection.contains(&field),
            "{field}"
        );
    }
    // What is not listed needs a role in the whole cluster.
    for field in [
        "users",
        "apiTokens",
        "auditLog",
        "activity",
        "drainNode",
        "pauseCluster",
    ] {
        assert!(
            fields.contains(field) && !OF_NAMESPACES.contains(&field),
            "{field}"
        );
    }
}

/// The page is read by people, and is a second source of the table.
#[test]
fn the_page_has_the_rights_of_the_table() {
    let page = include_str!("../docs/security.md");
    let (_, table) = page.split_once("| role | fields |\n|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut described = BTreeMap::new();
    for row in table.lines() {
        let [role, fields] = row.trim_matches('|').split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        // What is in parentheses is a remark.
        for field in fields
            .split(',')
            .filter_map(|field| field.split('`').nth(1))
        {
            let role: Role = role.trim().trim_matches('`').parse().unwrap();
            assert!(described.insert(field, role).is_none(), "{field} twice");
        }
    }
    let table: BTreeMap<&str, Role> = roots()
        .into_iter()
        .flat_map(|(_, _, rights)| rights)
        .collect();
    assert_eq!(described, table);
}

/// The types that a caller can reach from the root fields of its role.
fn reachable(role: Role) -> BTreeSet<String> {
    let objects = objects();
    let mut open: Vec<String> = Vec::new();
    for (_, root, rights) in roots() {
        let allowed = rights.iter().filter(|(_, needed)| role.includes(*needed));
        open.extend(allowed.map(|(field, _)| objects[root][*field].clone()));
    }
    let mut seen = BTreeSet::new();
    while let Some(of) = open.pop() {
        if let Some(fields) = objects.get(&of)
            && seen.insert(of)
        {
            open.extend(fields.values().cloned());
        }
    }
    seen
}

#[test]
fn no_type_leads_from_one_right_to_data_of_another() {
    let of_monitors: Vec<String> = reachable(Role::Monitor).into_iter().collect();
    assert_eq!(of_monitors, ["LoadPoint", "Me", "NamespaceRole", "Node"]);
    assert!(!reachable(Role::Operator).contains("Secret"));
    let of_editors = reachable(Role::Editor);
    for secret in ["User", "ApiToken", "NewApiToken", "AuditEntry"] {
        assert!(!of_editors.contains(secret), "{secret}");
    }
    assert!(of_editors.contains("Job"));
}

/// The first code of an answer's errors.
fn code(answer: &Response) -> String {
    let error = answer.errors.first();
    let code = error.and_then(|error| error.extensions.as_ref()?.get("code").cloned());
    code.map_or_else(String::new, |code| {
        code.to_string().trim_matches('"').to_owned()
    })
}

/// Requests without the arguments and the selections of their fields: whoever may call a field is
/// told what is missing, and nothing runs.
#[actix::test]
async fn each_role_gets_exactly_the_fields_of_the_table() {
    let schema = crate::admission::schema();
    for (kind, _, rights) in roots() {
        for (field, needed) in rights {
            for role in ROLES {
                let in_cluster = Caller {
                    role: Some(role),
                    name: "ada".to_owned(),
                    ..Caller::anonymous(None)
                };
                let in_namespace = Caller {
                    role: None,
                    namespace_roles: NamespaceRoles::stored([("team".to_owned(), role)]),
                    ..in_cluster.clone()
                };
                let is_of_namespaces = OF_NAMESPACES.contains(&field);
                for (caller, suffices) in [
                    (in_cluster, role >= needed),
                    (in_namespace, role >= needed && is_of_namespaces),
                ] {
                    let query = format!("{kind} {{ aliased: {field} {{ nothing }} }}");
                    let request = Request::new(query).data(Arc::new(caller));
                    let answer = schema.execute_stream(request).next().await.unwrap();
                    let is_refused = code(&answer) == "FORBIDDEN";
                    assert_eq!(is_refused, !suffices, "{role} {field}: {answer:?}");
                    let message = &answer.errors[0].message;
                    let names_role = message.contains(field) && message.contains(needed.as_str());
                    assert!(!is_refused || names_role, "{message}");
                }
            }
        }
    }
}

#[actix::test]
async fn a_node_gives_each_token_the_rights_of_its_role() {
    let node = ApiNode::start().await;
    let job = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
    let id = node.create(job).await;
    let client = node.database.client().await;
    let requests = [
        ("{ me { name kind role } nodes { id } }", Role::Monitor),
        ("{ jobs { id } }", Role::Viewer),
        (
            "mutation { x: pauseJob(id: \"ID\") { id } }",
            Role::Operator,
        ),
        (
            "mutation { ...F } fragment F on Mutation { createBlackout(input: {reason: \"r\", \
             startsAt: \"2990-01-01T00:00:00Z\", endsAt: \"2990-01-02T00:00:00Z\"}) { id } }",
            Role::Editor,
        ),
        ("mutation { pauseCluster }", Role::Admin),
    ];
    for role in ROLES {
        let token = access::token(&client, role.as_str()).await;
        for (query, needed) in requests {
            let query = query.replace("ID", &id);
            let post = async || {
                let request = node
                    .http
                    .post(format!("{}/graphql", node.url))
                    .bearer_auth(&token)
                    .header("accept", "application/graphql-response+json")
                    .json(&json!({"query": query}));
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                let answer: serde_json::Value = answer.json().await.unwrap();
                (status, answer)
            };
            let (status, answer) = post().await;
            let code = &answer["errors"][0]["extensions"]["code"];
            if role.includes(needed) {
                assert!(status == 200 && code.is_null(), "{role} {query}: {answer}");
            } else {
                assert!(
                    status == 403 && code == "FORBIDDEN",
                    "{role} {query}: {answer}"
                );
            }
        }
    }
    let refused = "select count(*)::int from audit_log where outcome = 'REFUSED' and caller like \
        'token %' and action = 'pauseCluster'";
    let refused: i32 = client.query_one(refused, &[]).await.unwrap().get(0);
    assert!(refused > 0, "refusals are in the audit log");
    eventually("a cluster with tokens is closed", async || {
        (node.status("/metrics").await == 401).then_some(())
    })
    .await;
}
