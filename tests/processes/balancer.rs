//! A real nginx that follows the membership: `horolog nginx-upstreams`.

use super::node_process::{NodeProcess, Processes};
use crate::http_client::http_client;
use crate::live::Socket;
use crate::proxy::Proxy;
use crate::support::{TestDatabase, eventually};
use reqwest::header::{CONNECTION, HOST, ORIGIN};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const NGINX: &str = include_str!("../../deploy/nginx/nginx.conf");
const NOWHERE: &str = "postgresql://nobody@127.0.0.1:1/none";

/// nginx with our configuration, on a free port of loopback.
struct Nginx {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Nginx {
    fn new() -> Self {
        let dir =
            std::env::temp_dir().join(format!("horolog-nginx-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = NGINX
            .replace("/tmp/", &format!("{}/", dir.display()))
            .replace("listen 8080", &format!("listen 127.0.0.1:{port}"))
            .replace(
                "/etc/nginx/horolog/upstreams.conf",
                &dir.join("upstreams.conf").display().to_string(),
            );
        std::fs::write(dir.join("nginx.conf"), config).unwrap();
        Self {
            dir,
            port,
            child: None,
        }
    }

    fn upstreams(&self) -> PathBuf {
        self.dir.join("upstreams.conf")
    }

    /// How a person would call it here.
    fn command(&self, what: &str) -> String {
        format!(
            "PATH=$PATH:/usr/sbin nginx -e stderr -p {0} -c {0}/nginx.conf {what}",
            self.dir.display()
        )
    }

    async fn start(&mut self) {
        let command = format!("exec env {}", self.command("-g 'daemon off;'"));
        self.child = Some(
            Command::new("sh")
                .arg("-c")
                .arg(command)
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let (http, url) = (http_client(), self.url("/healthz"));
        eventually("nginx answers", async || http.get(&url).send().await.ok()).await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The arguments that keep the file up to date.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let out = self.upstreams().display().to_string();
        ["nginx-upstreams", "--out", &out]
            .iter()
            .chain(more)
            .map(ToString::to_string)
            .collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut master) = self.child.take() {
            // The master ends its workers.
            let pid = Pid::from_raw(i32::try_from(master.id()).unwrap()).unwrap();
            kill_process(pid, Signal::TERM).ok();
            drop(master.wait());
        }
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn start(arguments: &[String], database_url: &str) -> NodeProcess {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    NodeProcess::start("upstreams", &arguments, &[("DATABASE_URL", database_url)])
}

/// Runs the program once; returns its exit code and its output.
async fn once(arguments: &[String], database_url: &str) -> (i32, String) {
    let mut process = start(arguments, database_url);
    let code = process.ended().await.code().unwrap();
    (code, process.output())
}

/// The servers in the file.
fn servers(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("server "));
    servers
        .map(|server| server.split(' ').next().unwrap().to_owned())
        .collect()
}

/// Requests, one after the other, until the flag is set.
struct Traffic {
    stop: Rc<AtomicBool>,
    answered: Rc<AtomicUsize>,
    failures: tokio::task::JoinHandle<Vec<String>>,
}

impl Traffic {
    fn start(request: impl Fn() -> reqwest::RequestBuilder + 'static) -> Self {
        let (stop, answered) = (
            Rc::new(AtomicBool::new(false)),
            Rc::new(AtomicUsize::new(0)),
        );
        let (stopped, count) = (stop.clone(), answered.clone());
        let failures = actix::spawn(async move {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                match request().send().await {
                    Ok(answer) if answer.status().is_success() => {
                        let text = answer.text().await.unwrap();
                        if text.contains("errors") {
                            failures.push(text);
                        }
                    }
                    Ok(answer) => failures.push(answer.status().to_string()),
                    Err(error) => failures.push(error.to_string()),
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
        Self {
            stop,
            answered,
            failures,
        }
    }

    /// Waits for some more answers, so that the change was in effect for some requests.
    async fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("requests are answered", async || {
            (self.answered.load(Ordering::Relaxed) > before + 20).then_some(())
        })
        .await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.failures.await.unwrap()
    }
}

#[actix::test]
async fn nginx_follows_nodes_that_join_leave_and_die_without_an_error() {
    let database = TestDatabase::empty().await;
    let mut cluster = Processes::start(3, database.url(), &["--drain-delay", "2s"]).await;
    let mut nginx = Nginx::new();
    let (code, said) = once(&nginx.arguments(&[]), database.url()).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(servers(&nginx.upstreams()).len(), 3);
    nginx.start().await;
    let (check, reload) = (nginx.command("-t -q"), nginx.command("-s reload"));
    let watch = nginx.arguments(&["--check", &check, "--reload", &reload, "--watch"]);
    let mut upstreams = start(&watch, database.url());
    upstreams.says("upstreams changed").await;

    // A kept connection may be closed by a reload just when it is used again: nginx has no way to
    // say so before 1.27.4 (`keepalive_min_timeout`). Browsers repeat the request; here each
    // request has its own connection. The dashboard's socket, from the page that nginx serves: the
    // node compares its Origin with the Host that nginx passes.
    let mut socket = Socket::open(&nginx.url(""), Some(&nginx.url("")))
        .await
        .unwrap();
    socket
        .subscribe("nodes", "subscription { nodeUpdated { name } }")
        .await;
    assert!(
        socket.event().await["nodeUpdated"]["name"]
            .as_str()
            .unwrap()
            .starts_with("node-")
    );

    // A page whose name was rebound to nginx: the nodes would take its Origin for their own.
    for path in ["/healthz", "/graphql", "/"] {
        let asked = http_client()
            .get(nginx.url(path))
            .header(HOST, "evil.example:8080")
            .header(ORIGIN, "http://evil.example:8080");
        assert_eq!(asked.send().await.unwrap().status(), 421, "{path}");
    }
    for own in ["localhost:8080", "127.0.0.1", "[::1]:8080", "nginx:8080"] {
        let asked = http_client().get(nginx.url("/healthz")).header(HOST, own);
        assert_eq!(asked.send().await.unwrap().status(), 200, "{own}");
    }

    let (http, url) = (http_client(), nginx.url("/cluster/members"));
    let reads = Traffic::start(move || http.get(&url).header(CONNECTION, "close"));
    let (http, url) = (http_client(), nginx.url("/scheduler-instance/graphql"));
    let query = json!({"query": "{ jobs { id } nodes { id } }"});
    let queries = Traffic::start(move || http.post(&url).header(CONNECTION, "close").json(&query));

    cluster.nodes.push(NodeProcess::serve(
        "node-4",
        database.url(),
        &["--drain-delay", "2s"],
    ));
    let fourth = cluster.ready("node-4").await;
    let file = nginx.upstreams();
    eventually("the new node is in", async || {
        servers(&file).contains(&fourth).then_some(())
    })
    .await;
    queries.goes_on().await;

    let second = cluster.ready("node-2").await;
    cluster.nodes[1].signal(Signal::TERM);
    eventually("the leaving node is out", async || {
        (!servers(&file).contains(&second)).then_some(())
    })
    .await;
    assert_eq!(cluster.nodes[1].ended().await.code(), Some(0));
    queries.goes_on().await;
    assert_eq!(queries.end().await, Vec::<String>::new(), "queries");

    // A request to a killed node is repeated only if it cannot have changed anything: a GET.
    let first = cluster.ready("node-1").await;
    cluster.nodes[0].signal(Signal::KILL);
    eventually("the dead node is out", async || {
        (!servers(&file).contains(&first)).then_some(())
    })
    .await;
    reads.goes_on().await;
    assert_eq!(reads.end().await, Vec::<String>::new(), "reads");

    upstreams.signal(Signal::TERM);
    assert_eq!(upstreams.ended().await.code(), Some(0));
    let last = ["node-3", "node-4"].map(async |name| cluster.ready(name).await);
    let mut last = futures_util::future::join_all(last).await;
    last.sort_unstable();
    assert_eq!(servers(&file), last);
}

#[actix::test]
async fn whatever_goes_wrong_the_last_good_file_stays() {
    let database = TestDatabase::empty().await;
    let nginx = Nginx::new();
    let file = nginx.upstreams();
    std::fs::write(&file, "# the last good one\n").unwrap();
    let unchanged = |said: &str| {
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "# the last good one\n",
            "{said}"
        );
    };
    let run = async |more: &[&str], url: &str, expected: (i32, &str)| {
        let (code, said) = once(&nginx.arguments(more), url).await;
        assert!(
            code == expected.0 && said.contains(expected.1),
            "{code}: {said}"
        );
        said
    };

    unchanged(&run(&[], NOWHERE, (1, "cannot read the nodes")).await);
    unchanged(&run(&[], "mysql://x", (2, "DATABASE_URL")).await);
    let cluster = Processes::start(1, database.url(), &[]).await;
    let drain = "update cluster_node set state = 'DRAINING' where state = $1";
    cluster
        .sql()
        .await
        .execute(drain, &[&"ACTIVE"])
        .await
        .unwrap();
    unchanged(&run(&[], database.url(), (1, "no node is ACTIVE")).await);
    let back = "update cluster_node set state = 'ACTIVE' where state = $1";
    cluster
        .sql()
        .await
        .execute(back, &[&"DRAINING"])
        .await
        .unwrap();

    unchanged(
        &run(
            &["--check", "echo not that >&2; false"],
            database.url(),
            (1, "not that"),
        )
        .await,
    );
    unchanged(
        &run(
            &["--check", "no-such-program"],
            database.url(),
            (1, "no-such-program"),
        )
        .await,
    );
    let nowhere = nginx.dir.join("gone/upstreams.conf").display().to_string();
    let elsewhere = ["nginx-upstreams", "--out", &nowhere].map(str::to_owned);
    let (code, said) = once(&elsewhere, database.url()).await;
    assert!(code == 1 && said.contains(&nowhere), "{said}");

    // The file is good, but nginx does not have it yet: that is a failure too.
    run(
        &["--check", "true", "--reload", "false"],
        database.url(),
        (1, "nginx was not told"),
    )
    .await;
    assert_eq!(servers(&file), [cluster.ready("node-1").await]);
}

#[actix::test]
async fn nginx_upstreams_follows_within_a_second_and_survives_the_database() {
    let database = TestDatabase::empty().await;
    let proxy = Proxy::to(database.url()).await;
    let mut cluster = Processes::start(1, database.url(), &[]).await;
    let nginx = Nginx::new();
    let file = nginx.upstreams();
    let upstreams = start(&nginx.arguments(&["--watch"]), &proxy.url(database.url()));
    upstreams.says("upstreams changed").await;

    cluster
        .nodes
        .push(NodeProcess::serve("node-2", database.url(), &[]));
    let second = cluster.ready("node-2").await;
    let joined = Instant::now();
    eventually("the new node is in", async || {
        servers(&file).contains(&second).then_some(())
    })
    .await;
    assert!(
        joined.elapsed() < Duration::from_secs(1),
        "{:?}",
        joined.elapsed()
    );

    proxy.silence(true);
    upstreams.says("what nginx has stays, trying again").await;
    cluster.nodes[1].signal(Signal::TERM);
    assert!(cluster.nodes[1].ended().await.success());
    assert_eq!(servers(&file).len(), 2, "nobody knows that it left");
    proxy.silence(false);

    upstreams.says("all is well again").await;
    assert_eq!(servers(&file), [cluster.ready("node-1").await]);
}

#[actix::test]
async fn a_node_that_left_answers_until_the_balancers_have_noticed() {
    let database = TestDatabase::empty().await;
    let mut cluster = Processes::start(1, database.url(), &["--drain-delay", "1h"]).await;
    let address = cluster.ready("node-1").await;
    cluster.nodes[0].signal(Signal::TERM);
    cluster.nodes[0].says("left the cluster").await;

    let http = http_client();
    let status = async |path: &str| {
        http.get(format!("http://{address}{path}"))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(
        (status("/readyz").await, status("/cluster/members").await),
        (503.try_into().unwrap(), 200.try_into().unwrap())
    );

    cluster.nodes[0].signal(Signal::TERM);
    assert_eq!(
        cluster.nodes[0].ended().await.code(),
        Some(0),
        "whoever is in a hurry says so twice"
    );
}

#[actix::test]
async fn members_are_told_to_other_balancers_and_to_prometheus() {
    let database = TestDatabase::empty().await;
    let cluster = Processes::start(2, database.url(), &[]).await;
    let address = cluster.ready("node-1").await;
    let ask = async |path: &str| -> Value {
        let answer = http_client()
            .get(format!("http://{address}/cluster/{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        answer.json().await.unwrap()
    };

    let members = ask("members").await;
    let members = members.as_array().unwrap();
    assert_eq!(members.len(), 2);
    assert!(
        members
            .iter()
            .any(|member| member["address"] == address && member["state"] == "ACTIVE")
    );
    let targets = ask("prometheus-sd").await;
    assert!(
        targets
            .as_array()
            .unwrap()
            .contains(&json!({"targets": [address], "labels": {"node": "node-1"}}))
    );
}
