//! Secrets of namespaces: each has its own, and no other one learns of them.

use super::{CREATE, OK, host, job};
use crate::api_node::ApiNode;
use crate::sink::Sink;
use crate::support::access::{namespace, token, token_in};
use serde_json::{Value, json};

struct Cluster {
    node: ApiNode,
    /// The token of an admin of the cluster.
    admin: String,
    /// The token of an admin of the namespace `own`.
    own: String,
}

impl Cluster {
    async fn start() -> Self {
        let node = ApiNode::start().await;
        let sql = node.database.client().await;
        let admin = token(&sql, "ADMIN").await;
        namespace(&sql, "foreign").await;
        let own = token_in(&sql, &["own=ADMIN"]).await;
        Self { node, admin, own }
    }

    async fn post(&self, token: &str, query: &str, variables: Value) -> Value {
        let request = self.node.http.post(format!("{}/graphql", self.node.url));
        let request = request.bearer_auth(token);
        let request = request.json(&json!({"query": query, "variables": variables}));
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn create(&self, token: &str, namespace: &str, name: &str, value: &str) -> Value {
        let input = json!({"namespace": namespace, "name": name, "value": value,
            "hosts": ["127.0.0.1:1"]});
        self.post(token, CREATE, json!({"input": input})).await
    }
}

#[actix::test]
async fn an_admin_of_a_namespace_manages_its_secrets_and_learns_of_no_others() {
    let cluster = Cluster::start().await;
    let (own, admin) = (&cluster.own, &cluster.admin);
    let value = "correct horse battery";
    for (namespace, by) in [("own", own), ("foreign", admin), ("default", admin)] {
        let created = cluster.create(by, namespace, "key", value).await;
        assert_eq!(
            created["data"]["createSecret"]["namespace"], namespace,
            "{created}"
        );
    }
    let listed = cluster
        .post(own, "{ secrets { namespace name } }", json!({}))
        .await;
    let expected = json!([{"namespace": "own", "name": "key"}]);
    assert_eq!(listed["data"]["secrets"], expected, "{listed}");
    let all = cluster.post(admin, "{ secrets { name } }", json!({})).await;
    assert_eq!(all["data"]["secrets"].as_array().map(Vec::len), Some(3));

    // A foreign namespace is answered like one that does not exist, and its secrets like none.
    let nowhere = |answer: Value| answer.to_string().replace("nowhere", "foreign");
    let there = cluster.create(own, "foreign", "other", value).await;
    assert_eq!(
        there["errors"][0]["extensions"]["code"], "NOT_FOUND",
        "{there}"
    );
    let none = cluster.create(own, "nowhere", "other", value).await;
    assert_eq!(there.to_string(), nowhere(none));
    for change in [
        "mutation { updateSecret(input: {namespace: \"foreign\", name: \"key\",
            description: \"d\"}) { name } }",
        "mutation { deleteSecret(namespace: \"foreign\", name: \"key\") }",
    ] {
        let there = cluster.post(own, change, json!({})).await;
        assert_eq!(
            there["errors"][0]["extensions"]["code"], "NOT_FOUND",
            "{there}"
        );
        let none = change.replace("foreign", "nowhere");
        let none = cluster.post(own, &none, json!({})).await;
        assert_eq!(there.to_string(), nowhere(none));
    }
    let delete = "mutation { deleteSecret(namespace: \"own\", name: \"key\") }";
    // Names of secrets would come back with a namespace that is deleted and created again.
    let leave = "mutation { deleteNamespace(name: \"own\") }";
    let refused = cluster.post(admin, leave, json!({})).await;
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("1 secret(s)"), "{message}");
    let deleted = cluster.post(own, delete, json!({})).await;
    assert_eq!(deleted["data"]["deleteSecret"], true, "{deleted}");
    let left = cluster.post(admin, leave, json!({})).await;
    assert_eq!(left["errors"], Value::Null, "{left}");
}

#[actix::test]
async fn a_job_is_sent_the_value_of_its_own_namespace() {
    let (cluster, sink) = (Cluster::start().await, Sink::start().await);
    for (namespace, name, value) in [
        ("own", "key", "value of own"),
        ("foreign", "key", "value of foreign"),
        ("foreign", "other", "value of other"),
    ] {
        let input = json!({"namespace": namespace, "name": name, "value": value,
            "hosts": [host(&sink)]});
        let created = cluster
            .post(&cluster.admin, CREATE, json!({"input": input}))
            .await;
        assert_eq!(created["errors"], Value::Null, "{created}");
    }
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    let job_in = |namespace: &str, name: &str| {
        let headers = json!({"headers": {"X-Key": format!("${{secret:{name}}}")}});
        let mut input = job(sink.url("/x").as_str(), headers, json!(null));
        input["namespace"] = json!(namespace);
        json!({"input": input})
    };
    for namespace in ["own", "foreign"] {
        let created = cluster
            .post(&cluster.admin, create, job_in(namespace, "key"))
            .await;
        let id = created["data"]["createJob"]["id"].as_str().unwrap();
        let run = "mutation($id: ID!) { runJobNow(id: $id) }";
        cluster.post(&cluster.admin, run, json!({"id": id})).await;
        let request = sink.answer(OK).await;
        assert_eq!(request.headers["x-key"], format!("value of {namespace}"));
    }
    // The secret of another namespace is none, for its admin and for the admin of the cluster.
    for token in [&cluster.own, &cluster.admin] {
        let refused = cluster.post(token, create, job_in("own", "other")).await;
        let error = &refused["errors"][0];
        assert_eq!(
            error["extensions"]["field"], "target.http.headers",
            "{error}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("no secret `other`"), "{message}");
    }
}
