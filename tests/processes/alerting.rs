//! A real Prometheus that finds the nodes by the cluster's own discovery, with
//! our rules.

use super::node_process::Processes;
use crate::http_client::http_client;
use crate::support::access::token;
use crate::support::{TestDatabase, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const CONFIG: &str = include_str!("../../deploy/prometheus/prometheus.yml");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");

struct Prometheus {
    dir: PathBuf,
    url: String,
    child: Child,
}

impl Prometheus {
    /// Starts it on our files; only the address of the discovery and the times differ.
    fn start(discovery: &str, token: &str) -> Self {
        let dir = std::env::temp_dir().join(format!(
            "horolog-prometheus-{}",
            uuid::Uuid::new_v4().simple()
        ));
        std::fs::create_dir(&dir).unwrap();
        let config = CONFIG
            .replace("http://nginx:8080", discovery)
            .replace("_interval: 10s", "_interval: 1s");
        let config = config.replace("global:\n", "global:\n  evaluation_interval: 1s\n");
        std::fs::write(dir.join("prometheus.yml"), config).unwrap();
        std::fs::write(dir.join("horolog-token"), format!("{token}\n")).unwrap();
        std::fs::write(dir.join("alerts.yml"), ALERTS.replace("for: 1m", "for: 1s")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!(
            "--config.file={}",
            dir.join("prometheus.yml").display()
        ));
        command.arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ));
        command.arg(format!("--web.listen-address={address}"));
        let child = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            dir,
            url: format!("http://{address}/api/v1"),
            child,
        }
    }

    async fn ask(&self, path: &str) -> Option<Value> {
        let answer = http_client()
            .get(format!("{}/{path}", self.url))
            .send()
            .await
            .ok()?;
        answer
            .json::<Value>()
            .await
            .ok()
            .map(|mut answer| answer["data"].take())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).ok();
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// What the panels of the dashboard ask, with an interval that Grafana would fill in.
fn questions_of_grafana() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../deploy/grafana/dashboards/horolog.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| {
            target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "1m")
        })
        .collect()
}

#[actix::test]
async fn prometheus_finds_every_node_and_an_alert_fires_when_one_hangs() {
    let database = TestDatabase::empty().await;
    // Long enough that a frozen node is still a member while the alert is awaited.
    let cluster = Processes::start(2, database.url(), &["--node-ttl", "1h"]).await;
    let client = database.client().await;
    let (monitor, admin) = (
        token(&client, "MONITOR").await,
        token(&client, "ADMIN").await,
    );
    let discovery = format!("http://{}", cluster.ready("node-1").await);
    let prometheus = Prometheus::start(&discovery, &monitor);

    let up = async |wanted: usize| {
        eventually("every node is scraped", async || {
            let found = prometheus.ask("query?query=up%3D%3D1").await?;
            (found["result"].as_array()?.len() == wanted).then_some(found)
        })
        .await
    };
    let found = up(2).await;
    assert_eq!(found["result"][0]["metric"]["job"], "horolog");
    let rules = prometheus.ask("rules").await.unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(
        rules.iter().all(|rule| rule["health"] != "err"),
        "{rules:?}"
    );

    for question in questions_of_grafana() {
        let query = url::form_urlencoded::byte_serialize(question.as_bytes()).collect::<String>();
        let answer = prometheus
            .ask(&format!("query?query={query}"))
            .await
            .unwrap();
        assert!(
            answer["result"].is_array(),
            "Prometheus does not understand {question}"
        );
    }

    cluster.nodes[1].signal(Signal::STOP);
    let firing = async |name: &str| {
        eventually("the alert fires", async || {
            let alerts = prometheus.ask("alerts").await?;
            let is_it =
                |alert: &&Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
            alerts["alerts"].as_array()?.iter().find(is_it).cloned()
        })
        .await
    };
    let alert = firing("HorologNodeDoesNotAnswer").await;
    assert_eq!(alert["labels"]["node"], "node-2", "{alert}");
    cluster.nodes[1].signal(Signal::CONT);

    let hold = serde_json::json!({"query": "mutation { pauseCluster(reason: \"an exercise\") }"});
    let api = format!("http://{}/graphql", cluster.ready("node-1").await);
    let paused = http_client().post(api).bearer_auth(&admin).json(&hold);
    assert_eq!(paused.send().await.unwrap().status(), 200);
    firing("HorologClusterPaused").await;
}
