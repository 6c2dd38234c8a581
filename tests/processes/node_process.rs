//! Node processes, and their rows in the database.

use crate::deliveries::{Deliveries, Delivery};
use crate::http_client::http_client;
use crate::support::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use tokio_postgres::{Client, NoTls};

/// A process of `horolog`; killed when dropped.
pub struct NodeProcess {
    pub name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl NodeProcess {
    /// Starts `horolog serve` with more flags.
    pub fn serve(name: &str, database_url: &str, flags: &[&str]) -> Self {
        Self::serve_with(env!("CARGO_BIN_EXE_horolog"), name, database_url, flags)
    }

    /// The same with another program.
    fn serve_with(program: &str, name: &str, database_url: &str, flags: &[&str]) -> Self {
        let defaults = [
            "serve",
            "--node-name",
            name,
            "--listen",
            "127.0.0.1:0",
            "--http-allow",
            "127.0.0.0/8",
        ];
        let variables = [
            ("DATABASE_URL", database_url),
            ("HOROLOG_DRAIN_DELAY", "0s"),
        ];
        Self::run(program, name, &[&defaults, flags].concat(), &variables)
    }

    /// Starts `horolog serve` with a limit of file descriptors, soft and hard.
    fn serve_limited(name: &str, database_url: &str, descriptors: u32) -> Self {
        let horolog = env!("CARGO_BIN_EXE_horolog");
        let limited = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let serve = [
            "serve",
            "--node-name",
            name,
            "--listen",
            "127.0.0.1:0",
            "--http-allow",
            "127.0.0.0/8",
        ];
        let variables = [
            ("DATABASE_URL", database_url),
            ("HOROLOG_DRAIN_DELAY", "0s"),
        ];
        Self::run(
            "sh",
            name,
            &[&["-c", &limited, horolog], &serve[..]].concat(),
            &variables,
        )
    }

    /// Starts `horolog` with these arguments and variables.
    pub fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(env!("CARGO_BIN_EXE_horolog"), name, arguments, variables)
    }

    /// Starts `horolog serve` with its output going to `output`, which no thread reads here.
    pub fn serve_into(output: impl Into<Stdio>, name: &str, database_url: &str) -> Self {
        let arguments = [
            "serve",
            "--node-name",
            name,
            "--listen",
            "127.0.0.1:0",
            "--http-allow",
            "127.0.0.0/8",
        ];
        let mut command = command(env!("CARGO_BIN_EXE_horolog"), &arguments, &[]);
        command
            .env("DATABASE_URL", database_url)
            .env("HOROLOG_DRAIN_DELAY", "0s");
        let child = command
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            name: name.to_owned(),
            child,
            log: Arc::default(),
        }
    }

    fn run(program: &str, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(program, arguments, variables);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::default();
        collect(child.stderr.take().unwrap(), &log);
        collect(child.stdout.take().unwrap(), &log);
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, also of the output: its reader holds the log until then.
    pub async fn ended(&mut self) -> ExitStatus {
        let (child, log) = (&mut self.child, &self.log);
        let status = eventually("the process ends", async || child.try_wait().unwrap()).await;
        eventually("its output ends", async || {
            (Arc::strong_count(log) == 1).then_some(())
        })
        .await;
        status
    }

    /// Waits for a line of output that holds a text.
    pub async fn says(&self, text: &str) -> String {
        let find = || {
            self.log
                .lock()
                .unwrap()
                .iter()
                .find(|line| line.contains(text))
                .cloned()
        };
        eventually(&format!("{} says `{text}`", self.name), async || find()).await
    }

    /// All output so far.
    pub fn output(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.output());
        }
    }
}

fn command(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

fn collect(output: impl std::io::Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    });
}

/// Node processes on one database, and a target for their jobs.
pub struct Processes {
    pub nodes: Vec<NodeProcess>,
    pub target: Deliveries,
    pub database_url: String,
    pub http: reqwest::Client,
}

impl Processes {
    /// Starts nodes with their default settings and waits until all lease.
    pub async fn start(count: usize, database_url: &str, flags: &[&str]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_horolog"), count, database_url, flags).await
    }

    /// The same with another program.
    pub async fn start_program(
        program: &str,
        count: usize,
        database_url: &str,
        flags: &[&str],
    ) -> Self {
        let start = |number| {
            NodeProcess::serve_with(program, &format!("node-{number}"), database_url, flags)
        };
        Self::of((1..=count).map(start).collect(), database_url).await
    }

    /// Waits until all of these nodes lease.
    pub async fn of(nodes: Vec<NodeProcess>, database_url: &str) -> Self {
        let http = http_client();
        let processes = Self {
            nodes,
            target: Deliveries::start(),
            database_url: database_url.to_owned(),
            http,
        };
        for node in &processes.nodes {
            processes.ready(&node.name).await;
        }
        processes
    }

    /// One node with a limit of file descriptors.
    pub fn start_limited(database_url: &str, descriptors: u32) -> Self {
        let nodes = vec![NodeProcess::serve_limited(
            "node-1",
            database_url,
            descriptors,
        )];
        Self {
            nodes,
            target: Deliveries::start(),
            database_url: database_url.to_owned(),
            http: http_client(),
        }
    }

    /// Waits until a node leases; its address.
    pub async fn ready(&self, name: &str) -> String {
        eventually(&format!("{name} is ready"), async || {
            let address = self.address(name).await?;
            let answer = self
                .http
                .get(format!("http://{address}/readyz"))
                .send()
                .await
                .ok()?;
            answer.status().is_success().then_some(address)
        })
        .await
    }

    async fn address(&self, name: &str) -> Option<String> {
        let newest =
            "select address from cluster_node where name = $1 and state in ('ACTIVE', 'DRAINING')";
        let row = self
            .try_sql()
            .await?
            .query_opt(newest, &[&name])
            .await
            .ok()??;
        Some(row.get(0))
    }

    /// A plain connection, for looking at the truth.
    pub async fn sql(&self) -> Client {
        eventually("the database answers", async || self.try_sql().await).await
    }

    async fn try_sql(&self) -> Option<Client> {
        let (client, connection) = tokio_postgres::connect(&self.database_url, NoTls)
            .await
            .ok()?;
        tokio::spawn(connection); // ends with the client
        Some(client)
    }

    /// Creates a job at a node; its id.
    pub async fn create(&self, node: &str, input: Value) -> uuid::Uuid {
        let query = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        let answer = self.ask(node, query, json!({"input": input})).await;
        answer["data"]["createJob"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .parse()
            .unwrap()
    }

    /// What a node answers.
    pub async fn ask(&self, node: &str, query: &str, variables: Value) -> Value {
        let address = self.ready(node).await;
        let request = json!({"query": query, "variables": variables});
        let answer = self
            .http
            .post(format!("http://{address}/graphql"))
            .json(&request)
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    /// A job every second that calls `/beat`.
    pub async fn create_beat(&self) -> uuid::Uuid {
        self.create_beat_at("node-1").await
    }

    /// The same, created at a given node.
    pub async fn create_beat_at(&self, node: &str) -> uuid::Uuid {
        let target = json!({"http": {"url": format!("{}/beat", self.target.url)}});
        let input = json!({"name": "beat", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
            "target": target});
        self.create(node, input).await
    }

    /// A job every second that writes a line into the log.
    pub async fn create_log(&self) -> uuid::Uuid {
        let target = json!({"log": {}});
        let input = json!({"name": "log", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
            "target": target});
        self.create("node-1", input).await
    }

    /// Jobs that together log a megabyte every second.
    pub async fn create_verbose(&self) {
        let target = json!({"log": {}});
        let input = json!({"name": "verbose", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
            "target": target,
            "payload": "x".repeat(50_000)});
        for _ in 0..20 {
            self.create("node-1", input.clone()).await;
        }
    }

    /// A job that fires once in this test and calls `/hold`.
    pub async fn create_hold(&self, more: Value) -> uuid::Uuid {
        let target =
            json!({"http": {"url": format!("{}/hold", self.target.url), "timeoutSeconds": 120}});
        let mut input = json!({"name": "hold", "scheduleType": "FIXED_RATE",
            "intervalSeconds": 86_400, "target": target});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.create("node-1", input).await
    }

    /// Waits for the delivery of this attempt at `/hold`.
    pub async fn held(&self, attempt: u32) -> Delivery {
        let find = || {
            self.target
                .to("/hold")
                .into_iter()
                .find(|delivery| delivery.attempt == attempt)
        };
        eventually(&format!("attempt {attempt} is held"), async || find()).await
    }

    /// The process of a node id.
    pub async fn process_of(&mut self, node_id: &str) -> &mut NodeProcess {
        let id: uuid::Uuid = node_id.parse().unwrap();
        let name: String = self
            .sql()
            .await
            .query_one("select name from cluster_node where id = $1", &[&id])
            .await
            .unwrap()
            .get(0);
        self.nodes
            .iter_mut()
            .find(|node| node.name == name)
            .unwrap()
    }

    /// Waits for a number of successful executions of a job.
    pub async fn succeeded(&self, job_id: uuid::Uuid, at_least: i64) {
        let count =
            "select count(*) from job_execution_log where job_id = $1 and status = 'SUCCESS'";
        eventually(
            &format!("{at_least} executions have succeeded"),
            async || {
                let row = self
                    .try_sql()
                    .await?
                    .query_one(count, &[&job_id])
                    .await
                    .ok()?;
                (row.get::<_, i64>(0) >= at_least).then_some(())
            },
        )
        .await;
    }

    /// Every fire time from the first to the last is there, once, on the grid of
    /// the anchor, and no attempt was delivered twice.
    pub async fn assert_every_second_once(&self, job_id: uuid::Uuid) {
        let audit = "select count(*), count(distinct fire_time),
                extract(epoch from max(fire_time) - min(fire_time))::bigint + 1,
                bool_and(mod(extract(epoch from l.fire_time - j.anchor_at)::numeric, 1) = 0),
                min(fire_time) = min(anchor_at)
            from job_execution_log l join job_definition j on j.id = l.job_id where job_id = $1";
        let row = self.sql().await.query_one(audit, &[&job_id]).await.unwrap();
        let (rows, fire_times, seconds): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(
            (rows, fire_times),
            (seconds, seconds),
            "rows and fire times for that many seconds"
        );
        assert!(
            row.get::<_, bool>(3) && row.get::<_, bool>(4),
            "the phase has moved"
        );
        let mut seen = HashSet::new();
        for delivery in self.target.all() {
            assert!(
                seen.insert((delivery.execution_id.clone(), delivery.attempt)),
                "delivered twice: {delivery:?}"
            );
        }
    }

    /// Nothing was attempted twice, and the `count` nodes live as they joined.
    pub async fn assert_nothing_was_lost_with_a_node(&self, count: i64) {
        let client = self.sql().await;
        let doubled =
            "select count(*) from job_execution_log where attempt <> 1 or recoveries <> 0";
        assert_eq!(
            client
                .query_one(doubled, &[])
                .await
                .unwrap()
                .get::<_, i64>(0),
            0,
            "nothing was attempted twice"
        );
        let nodes = "select count(*) filter (where state = 'ACTIVE'), count(*) from cluster_node";
        let nodes = client.query_one(nodes, &[]).await.unwrap();
        assert_eq!(
            (nodes.get(0), nodes.get(1)),
            (count, count),
            "nobody was declared dead"
        );
    }
}
