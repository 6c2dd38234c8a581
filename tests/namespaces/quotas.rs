//! The limit of jobs of a namespace, and the life of a namespace.

use super::Namespaces;
use serde_json::{Value, json};

const CREATE: &str = "mutation { createJob(input: {name: \"x\", namespace: \"own\",
    scheduleType: FIXED_RATE, intervalSeconds: 3600, initialDelaySeconds: 3600}) { id } }";

#[actix::test]
async fn a_namespace_never_has_more_jobs_than_its_limit() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=EDITOR"]).await;
    let limit =
        "mutation { updateNamespace(input: {name: \"own\", maxJobs: 4}) { maxJobs jobCount } }";
    let limited = namespaces.data(&namespaces.admin, limit, json!({})).await;
    assert_eq!(
        limited["updateNamespace"],
        json!({"maxJobs": 4, "jobCount": 1})
    );
    // One job is there. Of ten at once, three find a place.
    let tries = (0..10).map(|_| namespaces.post(&token, CREATE, json!({})));
    let answers: Vec<Value> = futures_util::future::join_all(tries).await;
    let created = answers.iter().filter(|answer| answer["errors"].is_null());
    assert_eq!(created.count(), 3, "{answers:?}");
    let many = "mutation { createJobs(inputs: [{name: \"x\", namespace: \"own\",
        scheduleType: FIXED_RATE, intervalSeconds: 3600}]) { id } }";
    for request in [CREATE, many] {
        let (code, message) = namespaces.error(&token, request, json!({})).await;
        assert_eq!(code, "BAD_USER_INPUT", "{message}");
        assert!(message.contains("at most 4 jobs"), "{message}");
    }
    // The admin has no other limit, and a deleted job none.
    assert_eq!(
        namespaces
            .error(&namespaces.admin, CREATE, json!({}))
            .await
            .0,
        "BAD_USER_INPUT"
    );
    let delete = format!("mutation {{ deleteJob(id: \"{}\") }}", namespaces.own.job);
    namespaces.data(&token, &delete, json!({})).await;
    namespaces.data(&token, CREATE, json!({})).await;
}

#[actix::test]
async fn a_namespace_is_deleted_when_it_is_empty_and_its_name_does_not_come_back() {
    let namespaces = Namespaces::start().await;
    let admin = &namespaces.admin;
    let create = "mutation { createNamespace(input: {name: \"own\"}) { name } }";
    let delete = "mutation { deleteNamespace(name: \"own\") }";
    for (request, part) in [
        (create, "already"),
        (delete, "1 job(s), 1 calendar(s) and 0 secret(s)"),
        (
            "mutation { deleteNamespace(name: \"default\") }",
            "cannot be deleted",
        ),
    ] {
        let (code, message) = namespaces.error(admin, request, json!({})).await;
        assert_eq!(code, "CONFLICT", "{message}");
        assert!(message.contains(part), "{message}");
    }
    let token = namespaces.token(&["own=EDITOR"]).await;
    let empty = format!(
        "mutation {{ deleteJob(id: \"{}\") deleteCalendar(name: \"own/days\") }}",
        namespaces.own.job
    );
    namespaces.data(&token, &empty, json!({})).await;
    namespaces.data(admin, delete, json!({})).await;
    let (code, message) = namespaces.error(admin, create, json!({})).await;
    assert_eq!(code, "CONFLICT");
    assert!(message.contains("was deleted"), "{message}");
    assert_eq!(
        namespaces.error(admin, CREATE, json!({})).await.0,
        "NOT_FOUND"
    );
    let fresh = "mutation { createNamespace(input: {name: \"fresh\", description: \"d\"}) {
        name description maxJobs jobCount createdBy } }";
    let fresh = namespaces.data(admin, fresh, json!({})).await;
    let expected = json!({"name": "fresh", "description": "d", "maxJobs": null, "jobCount": 0,
        "createdBy": "token admin"});
    assert_eq!(fresh["createNamespace"], expected);
    namespaces
        .data(
            admin,
            "mutation { deleteNamespace(name: \"fresh\") }",
            json!({}),
        )
        .await;
    for (name, part) in [("Team", "lower case"), ("a/b", "lower case")] {
        let create =
            format!("mutation {{ createNamespace(input: {{name: \"{name}\"}}) {{ name }} }}");
        let (code, message) = namespaces.error(admin, &create, json!({})).await;
        assert!(
            code == "BAD_USER_INPUT" && message.contains(part),
            "{message}"
        );
    }
}

#[actix::test]
async fn users_and_tokens_get_roles_in_namespaces() {
    let namespaces = Namespaces::start().await;
    let admin = &namespaces.admin;
    let create = "mutation($roles: [NamespaceRoleInput!]!) {
        createUser(name: \"ada\", namespaceRoles: $roles) {
            id role namespaceRoles { namespace role } } }";
    let roles = json!({"roles": [{"namespace": "own", "role": "EDITOR"}]});
    let user = namespaces.data(admin, create, roles.clone()).await;
    let user = &user["createUser"];
    assert_eq!(
        (&user["role"], &user["namespaceRoles"]),
        (&Value::Null, &roles["roles"])
    );
    let update = format!(
        "mutation {{ updateUser(id: {}, role: VIEWER, namespaceRoles: []) {{
            role namespaceRoles {{ role }} }} }}",
        user["id"]
    );
    let user = namespaces.data(admin, &update, json!({})).await;
    assert_eq!(
        user["updateUser"],
        json!({"role": "VIEWER", "namespaceRoles": []})
    );
    let update = update.replace("role: VIEWER, namespaceRoles: []", "role: null");
    let user = namespaces.data(admin, &update, json!({})).await;
    assert_eq!(user["updateUser"]["role"], Value::Null);
    let token = "mutation($roles: [NamespaceRoleInput!]!) {
        createApiToken(name: \"ci\", namespaceRoles: $roles) {
            secret apiToken { role namespaceRoles { namespace role } } } }";
    let token = namespaces.data(admin, token, roles.clone()).await;
    assert_eq!(
        token["createApiToken"]["apiToken"]["namespaceRoles"],
        roles["roles"]
    );
    let secret = token["createApiToken"]["secret"].as_str().unwrap();
    let jobs = namespaces
        .data(secret, "{ jobs { name } }", json!({}))
        .await;
    assert_eq!(jobs["jobs"], json!([{"name": "job of own"}]));
    for (roles, code) in [
        (
            json!([{"namespace": "nothing", "role": "EDITOR"}]),
            "NOT_FOUND",
        ),
        (
            json!([{"namespace": "own", "role": "MONITOR"}]),
            "BAD_USER_INPUT",
        ),
        (json!([]), "BAD_USER_INPUT"),
    ] {
        let create = create.replace("ada", "bob");
        let (refused, message) = namespaces
            .error(admin, &create, json!({"roles": roles}))
            .await;
        assert_eq!(refused, code, "{message}");
    }
    let users = "select string_agg(name, ',') from user_account";
    let users: String = namespaces.sql.query_one(users, &[]).await.unwrap().get(0);
    assert_eq!(users, "ada", "a refused user is not created");
}
