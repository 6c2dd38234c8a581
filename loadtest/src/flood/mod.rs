//! A flood: clients that loop the dearest requests that a node's API accepts.
//!
//! The clients run on a thread and a runtime of their own, so that large answers do not delay the
//! measurement. A request that is refused for the cost is not accepted: the client continues with
//! the next cheaper request of the family.

mod clients;
mod requests;

pub use requests::Family;

use crate::testbed::http::Http;
use anyhow::Context;
use requests::Ladder;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Number of concurrent clients.
pub const CLIENTS: usize = 10;

/// The niceness of the threads of a node's API.
const NICENESS: i32 = 10;

/// A running flood. Dropping it ends the flood.
pub struct Flood {
    over: watch::Sender<bool>,
    thread: JoinHandle<Vec<Tally>>,
}

/// The outcomes of one family of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The family of the requests.
    pub family: Family,
    /// The request that was looped at the end.
    pub request: String,
    /// Requests that were answered with data; half bodies and sockets that the node held.
    pub answered: u64,
    /// Requests that were refused for their content or cost.
    pub refused: u64,
    /// Requests that were turned away because the node was busy, or that had no answer.
    pub unanswered: u64,
}

impl Flood {
    /// Begins with a client for each of `families`, repeated until there are [`CLIENTS`], each at
    /// one of `nodes`. The requests ask about `job`.
    pub fn begin(
        nodes: &[SocketAddr],
        families: &[Family],
        job: Uuid,
    ) -> Result<Self, anyhow::Error> {
        // A runtime of its own: large answers must not delay the measurement.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (over, is_over) = watch::channel(false);
        let clients: Vec<(SocketAddr, Family)> = nodes
            .iter()
            .copied()
            .cycle()
            .zip(families.iter().copied().cycle())
            .take(CLIENTS)
            .collect();
        let thread = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || {
                yield_to_others();
                runtime.block_on(run(clients, job, is_over))
            })?;
        Ok(Self { over, thread })
    }

    /// Ends the flood; returns the tally of each family.
    pub async fn end(self) -> Result<Vec<Tally>, anyhow::Error> {
        self.over.send_replace(true);
        let tallies = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        tallies.map_err(|_| anyhow::anyhow!("the thread of the flood panicked"))
    }
}

/// Clients are other machines in production. Here they share the node's cores, so their thread has
/// the priority of the node's API: at the priority of firing, the clients would measure their own
/// CPU time.
fn yield_to_others() {
    // A lower priority is always allowed.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// Threads that only take CPU time, one for each core, with the priority of a flood. Lateness next
/// to such threads is the effect of busy cores on this machine, for any cause. Dropping the value
/// ends the threads.
#[derive(Debug)]
pub struct BusyCores(Arc<AtomicBool>);

impl BusyCores {
    /// Begins to burn CPU time.
    pub fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let over = Arc::clone(&over);
            // Not joined: the thread sees the flag within moments.
            std::thread::spawn(move || {
                yield_to_others();
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(over)
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn run(
    clients: Vec<(SocketAddr, Family)>,
    job: Uuid,
    is_over: watch::Receiver<bool>,
) -> Vec<Tally> {
    let mut tasks = JoinSet::new();
    for (node, family) in clients {
        tasks.spawn(clients::flood(
            node,
            Ladder::of(family, job),
            is_over.clone(),
        ));
    }
    let mut tallies: Vec<Tally> = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let Ok(tally) = ended else { continue };
        // Several clients may have requests of one family.
        match tallies
            .iter_mut()
            .find(|known| known.family == tally.family)
        {
            Some(known) => known.add(tally),
            None => tallies.push(tally),
        }
    }
    tallies.sort_by_key(|tally| tally.family);
    tallies
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.request = other.request;
        self.answered += other.answered;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            family,
            request,
            answered,
            refused,
            unanswered,
        } = self;
        write!(
            f,
            "{family:?}: {answered} answered, {refused} refused, \
             {unanswered} without an answer; last: {request}"
        )
    }
}

/// Creates the job for the requests of a flood: it has a fire time for each second, and is paused.
pub async fn subject(http: &Http, node: SocketAddr) -> Result<Uuid, anyhow::Error> {
    let input = json!({"name": "flooded", "scheduleType": "CRON", "cronExpression": "* * * * * *",
        "target": {"noop": {"sleepMillis": 0}}});
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    let created = ask(http, node, create, json!({"input": input})).await?;
    let id: Uuid = created["createJob"]["id"]
        .as_str()
        .context("a created job has no id")?
        .parse()?;
    ask(
        http,
        node,
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        json!({"id": id}),
    )
    .await?;
    Ok(id)
}

async fn ask(
    http: &Http,
    node: SocketAddr,
    query: &str,
    variables: Value,
) -> Result<Value, anyhow::Error> {
    let body = json!({"query": query, "variables": variables});
    let answer = http
        .post(
            &format!("http://{node}/graphql"),
            &body,
            Duration::from_secs(10),
        )
        .await;
    let (_, answer) =
        answer.map_err(|error| anyhow::anyhow!("no answer from {node}: {error:?}"))?;
    anyhow::ensure!(answer["data"].is_object(), "{node} refused: {answer}");
    Ok(answer["data"].clone())
}
