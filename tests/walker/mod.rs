//! Random operations of the schema, sent to a node whose jobs fire: none of them ends the node, is
//! an error inside, takes memory for good, or stops the firing.

mod operations;
mod schema;
mod values;

use crate::processes::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, access};
use futures_util::{SinkExt, StreamExt};
use operations::{Operation, Walker};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpStream;
use tokio_postgres::Client;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const SEED: u64 = 20_261_130;
/// Rounds over all root fields.
const ROUNDS: usize = 16;
/// Rounds between two looks at the node.
const LOOK_EVERY: usize = 4;
/// Resident memory of the node at most. Without jobs it is about 60 MB in a debug build.
const MEMORY_MAX_KB: u64 = 400_000;
/// Statuses of answers: errors of the request, and a node or a database that is busy.
const STATUSES: [u16; 6] = [200, 400, 403, 429, 503, 504];

/// Codes of errors that a client can cause, or that pass.
const CODES: [&str; 6] = [
    "BAD_USER_INPUT",
    "NOT_FOUND",
    "CONFLICT",
    "FORBIDDEN",
    "THROTTLED",
    "UNAVAILABLE",
];

/// What there is, by the words of [`operations::Known`].
const KNOWN: [(&str, &str); 8] = [
    (
        "job",
        "select id::text from job_definition where status <> 'DELETED' \
         order by created_at desc limit 30",
    ),
    (
        "execution",
        "select id::text from job_execution_log order by id desc limit 30",
    ),
    ("calendar", "select name from calendar"),
    ("blackout", "select id::text from blackout"),
    ("backfill", "select id::text from job_backfill"),
    ("user", "select id::text from user_account"),
    (
        "token",
        "select id::text from api_token where name <> 'admin'",
    ),
    // The drain of the only node would end the walk.
    ("node", "select id::text from job_definition where false"),
];

/// The node, the walk, and how to say where it is.
struct Walk {
    cluster: Processes,
    url: String,
    token: String,
    sql: Client,
    walker: Walker,
    /// Number of answers without an error, by root field.
    succeeded: BTreeMap<String, usize>,
}

impl Walk {
    async fn start(database: &TestDatabase) -> Self {
        let sql = database.client().await;
        let token = access::token(&sql, "ADMIN").await;
        // A machine that is busy with other tests is no fault of the node.
        let flags = ["--slots", "200", "--node-ttl", "1h"];
        let node = NodeProcess::serve("node-1", database.node_url(), &flags);
        let cluster = Processes::of(vec![node], database.url()).await;
        let url = format!("http://{}", cluster.ready("node-1").await);
        Self {
            cluster,
            url,
            token,
            sql,
            walker: Walker::new(SEED),
            succeeded: BTreeMap::new(),
        }
    }

    async fn look_around(&mut self) {
        for (word, query) in KNOWN {
            let rows = self.sql.query(query, &[]).await.unwrap();
            let ids = rows.iter().map(|row| row.get(0)).collect();
            self.walker.known.insert(word, ids);
        }
    }

    /// Sends an operation; the status and the answer.
    async fn post(&self, operation: &Operation) -> (u16, String) {
        let request = json!({"query": operation.query, "variables": operation.variables});
        let answer = self
            .cluster
            .http
            .post(format!("{}/graphql", self.url))
            .bearer_auth(&self.token)
            .json(&request)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", place(operation)));
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Data of a request that must succeed.
    async fn data(&self, query: &str) -> Value {
        let operation = Operation {
            query: query.to_owned(),
            variables: json!({}),
        };
        let (_, answer) = self.post(&operation).await;
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["errors"].is_null(), "{query}: {answer}");
        answer["data"].take()
    }

    async fn step(&mut self, root: &str, field: &str) {
        let operation = self.walker.operation(root, field);
        let (status, text) = self.post(&operation).await;
        assert!(
            STATUSES.contains(&status),
            "{}\n{status} {text}",
            place(&operation)
        );
        let answer: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}\n{error}: {text}", place(&operation)));
        assert_harmless(&operation, &answer);
        if answer["errors"].is_null() {
            *self.succeeded.entry(field.to_owned()).or_default() += 1;
        }
    }

    /// A subscription on its socket, and whatever comes until it ends or the next message is
    /// answered.
    async fn subscribe(&mut self, field: &str) {
        let operation = self.walker.operation("Subscription", field);
        let mut socket = self.socket().await;
        let payload = json!({"query": operation.query, "variables": operation.variables});
        for message in [
            json!({"id": "walk", "type": "subscribe", "payload": payload}),
            json!({"id": "walk", "type": "complete"}),
            // Refused at once: what was sent before it is done.
            json!({"id": "end", "type": "subscribe", "payload": {"query": "{ me { name } }"}}),
        ] {
            // The node may have closed the socket for the first message.
            if socket
                .send(Message::text(message.to_string()))
                .await
                .is_err()
            {
                break;
            }
        }
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            // The refusal comes as an error or as a last event.
            if message["id"] == "end" {
                break;
            }
            match message["type"].as_str() {
                Some("next") => assert_harmless(&operation, &message["payload"]),
                Some("error") => {
                    assert_harmless(&operation, &json!({"errors": message["payload"]}));
                }
                _ => {}
            }
        }
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let mut request = (self.url.replacen("http", "ws", 1) + "/graphql")
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        let bearer = format!("Bearer {}", self.token);
        headers.insert("authorization", bearer.parse().unwrap());
        let mut socket = connect_async(request).await.unwrap().0;
        let init = Message::text(json!({"type": "connection_init"}).to_string());
        socket.send(init).await.unwrap();
        socket
    }

    /// The node lives, is small, and fires a new job.
    async fn look(&mut self) {
        // A conflict when no operation has paused it.
        let resume = Operation {
            query: "mutation { resumeCluster }".to_owned(),
            variables: json!({}),
        };
        self.post(&resume).await;
        let blackouts =
            "select id::text from blackout where starts_at <= now() and ends_at > now()";
        for row in self.sql.query(blackouts, &[]).await.unwrap() {
            let id: String = row.get(0);
            let end = Operation {
                query: format!("mutation {{ endBlackout(id: \"{id}\") {{ id }} }}"),
                variables: json!({}),
            };
            // It may end by itself before the request arrives.
            self.post(&end).await;
        }
        let create = "mutation { createJob(input: {name: \"witness\", scheduleType: FIXED_RATE, \
            intervalSeconds: 1, priority: 9, target: {noop: {}}}) { id } }";
        let witness = self.data(create).await["createJob"]["id"].take();
        let witness: uuid::Uuid = witness.as_str().unwrap().parse().unwrap();
        self.cluster.succeeded(witness, 2).await;
        self.data(&format!("mutation {{ deleteJob(id: \"{witness}\") }}"))
            .await;
        let node = &self.cluster.nodes[0];
        let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
        let peak = status.lines().find_map(|line| {
            let value = line.strip_prefix("VmHWM:")?;
            value.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        let peak = peak.expect("a peak of the memory");
        assert!(peak < MEMORY_MAX_KB, "seed {SEED}: {peak} kB");
        for word in ["panicked", "ERROR"] {
            let output = node.output();
            let line = output.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "seed {SEED}");
        }
    }
}

/// Where the walk is.
fn place(operation: &Operation) -> String {
    format!("seed {SEED}\n{}\n{}", operation.query, operation.variables)
}

/// Each error has a code that a client can handle, and a short message.
fn assert_harmless(operation: &Operation, answer: &Value) {
    for error in answer["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or("(none)");
        assert!(CODES.contains(&code), "{}\n{error}", place(operation));
        let message = error["message"].as_str().unwrap();
        assert!(message.len() <= 500, "{}\n{error}", place(operation));
    }
}

#[actix::test]
async fn random_operations_of_the_schema_break_nothing_and_stop_no_job() {
    let database = TestDatabase::new().await;
    let mut walk = Walk::start(&database).await;
    let roots = ["Mutation", "Query"].map(|root| (root, walk.walker.roots(root)));
    for round in 0..ROUNDS {
        walk.look_around().await;
        for (root, fields) in &roots {
            for field in fields {
                walk.step(root, field).await;
            }
        }
        for field in walk.walker.roots("Subscription") {
            walk.subscribe(&field).await;
        }
        if round % LOOK_EVERY == LOOK_EVERY - 1 {
            walk.look().await;
        }
    }

    assert_eq!(walk.walker.unused(), Vec::<String>::new(), "seed {SEED}");
    // A walk of refusals alone would show nothing. Which operations succeed depends on the ids that
    // there are at the time.
    let fields = roots.iter().map(|(_, fields)| fields.len()).sum::<usize>();
    let (succeeded, names) = (walk.succeeded.len(), &walk.succeeded);
    assert!(succeeded * 2 > fields, "{succeeded} of {fields}: {names:?}");
    let node = &mut walk.cluster.nodes[0];
    node.signal(rustix::process::Signal::TERM);
    let status = node.ended().await;
    assert_eq!(status.code(), Some(0), "{}", node.output());
}
