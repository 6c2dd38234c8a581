//! A whole node in this process, spoken to over HTTP as anybody would.

use crate::http_client::http_client;
use crate::support::TestDatabase;
use clap::Parser;
use horolog::config::ServeConfig;
use horolog::secrets::Keys;
use horolog::server::Node;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    serve: ServeConfig,
}

/// A key file, the same for all nodes of this process.
pub fn key_file() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let name = format!("horolog-test-keys-{}", std::process::id());
        let path: PathBuf = std::env::temp_dir().join(name);
        // Another process had the number before.
        drop(std::fs::remove_file(&path));
        Keys::create_file(&path).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// A node on a database of its own, on a free port.
pub struct ApiNode {
    _node: Node, // lives as long as the test
    pub database: Arc<TestDatabase>,
    pub http: reqwest::Client,
    pub url: String,
}

impl ApiNode {
    pub async fn start() -> Self {
        Self::start_with(&["--listen", "127.0.0.1:0"]).await
    }

    /// Starts with other flags, with the address among them.
    pub async fn start_with(flags: &[&str]) -> Self {
        Self::start_on(Arc::new(TestDatabase::new().await), flags).await
    }

    /// Starts another node of the same cluster.
    pub async fn another(&self) -> Self {
        Self::start_on(self.database.clone(), &["--listen", "127.0.0.1:0"]).await
    }

    /// The same with other flags, with the address among them.
    pub async fn another_with(&self, flags: &[&str]) -> Self {
        Self::start_on(self.database.clone(), flags).await
    }

    /// Starts on a database with these flags, with the address among them.
    pub async fn start_on(database: Arc<TestDatabase>, flags: &[&str]) -> Self {
        let common = [
            "horolog",
            "--http-allow",
            "127.0.0.0/8",
            "--node-name",
            "api-test",
            "--secrets-key-file",
            key_file(),
        ];
        let config = Settings::try_parse_from(common.iter().chain(flags))
            .unwrap()
            .serve;
        let node = Node::start(&config, database.node_url()).await.unwrap();
        let url = format!("http://{}", node.address);
        let http = http_client();
        Self {
            _node: node,
            database,
            http,
            url,
        }
    }

    /// Posts a request at the reference system's path; the whole answer.
    pub async fn post(&self, query: &str, variables: Value) -> Value {
        let request = json!({"query": query, "variables": variables});
        let answer = self
            .http
            .post(format!("{}/scheduler-instance/graphql", self.url))
            .json(&request);
        answer.send().await.unwrap().json().await.unwrap()
    }

    /// Posts a request that must succeed; returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.post(query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"].take()
    }

    /// Posts a request that must fail; returns its first error.
    pub async fn error(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.post(query, variables).await;
        let error = answer["errors"][0].take();
        assert!(error.is_object(), "{query} was not refused: {answer}");
        error
    }

    /// Creates a job; its id.
    pub async fn create(&self, input: Value) -> String {
        let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        let data = self.data(create, json!({"input": input})).await;
        data["createJob"]["id"].as_str().unwrap().to_owned()
    }

    /// The log of a job.
    pub async fn logs(&self, job_id: &str) -> Vec<Value> {
        let query = "query($id: ID!) { jobLogs(jobId: $id) { id jobId fireTime dueTime status
            reason errorMessage
            startedAt finishedAt durationMillis attempt nodeId nodeName kind output createdAt } }";
        let mut data = self.data(query, json!({"id": job_id})).await;
        serde_json::from_value(data["jobLogs"].take()).unwrap()
    }

    /// The status of a path.
    pub async fn status(&self, path: &str) -> u16 {
        self.http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}
