//! The log of a node at its most detailed levels.

use super::{CREATE, OK, VALUE, assert_free_of_the_value, host, job};
use crate::api_node::key_file;
use crate::http_client::http_client;
use crate::processes::node_process::NodeProcess;
use crate::sink::Sink;
use crate::support::{TestDatabase, eventually};
use serde_json::{Value, json};

#[actix::test]
async fn no_level_of_the_log_shows_a_secret_or_the_hash_of_a_password() {
    let (database, sink) = (TestDatabase::new().await, Sink::start().await);
    for level in ["debug", "trace"] {
        let variables = [
            ("DATABASE_URL", database.url()),
            ("HOROLOG_LOG", level),
            ("HOROLOG_SECRETS_KEY_FILE", key_file()),
            ("HOROLOG_DRAIN_DELAY", "0s"),
        ];
        let flags = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--http-allow",
            "127.0.0.0/8",
        ];
        let node = NodeProcess::start("node-1", &flags, &variables);
        let line = node.says("serving").await;
        let url = &line[line.find("http://").unwrap()..];
        let url = url.split(['"', ' ']).next().unwrap();
        let client = http_client();
        let post = async |query: &str, variables: Value| {
            let request = client.post(format!("{url}/graphql"));
            let request = request.json(&json!({"query": query, "variables": variables}));
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["errors"], Value::Null, "{answer}");
            answer["data"].clone()
        };
        let input = json!({"name": level, "value": VALUE, "hosts": [host(&sink)]});
        post(CREATE, json!({"input": input})).await;
        let refers = json!({"headers": {"X-Key": format!("${{secret:{level}}}")}});
        let payload = json!({"k": format!("${{secret:{level}}}")});
        let input = job(sink.url("/").as_str(), refers, payload);
        let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        let id = post(create, json!({"input": input})).await["createJob"]["id"].take();
        let run = "mutation($id: ID!) { runJobNow(id: $id) }";
        post(run, json!({"id": id})).await;
        let request = sink.answer(OK).await;
        assert_eq!(request.headers["x-key"], VALUE);
        let ended = "query($id: ID!) { jobLogs(jobId: $id) { status } }";
        eventually("it has ended", async || {
            let logs = post(ended, json!({"id": id})).await;
            (logs["jobLogs"][0]["status"] == "SUCCESS").then_some(())
        })
        .await;
        // Last: with a user the node is closed.
        if level == "trace" {
            let user = "mutation { createUser(name: \"ada\", role: ADMIN,
                password: \"correct c4n4ry battery\") { id } }";
            post(user, json!({})).await;
        }
        let output = node.output();
        assert!(output.contains("DEBUG"), "the level counts");
        assert_free_of_the_value("the log", &output);
        assert!(!output.contains("argon2id$"), "the log has a hash");
    }
}
