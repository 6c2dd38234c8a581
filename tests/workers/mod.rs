//! Workers: jobs whose handlers run outside, from the lease to the settlement, and what happens
//! when a worker dies or an answer is lost.

mod calls;
mod deaths;
mod description;
mod leasing;
mod polls;
mod refusals;
mod settling;

use crate::api_node::ApiNode;
use crate::support::{TestCluster, fixed_rate};
use horolog::model::execution::{Attempt, Outcome, Reason};
use horolog::model::job_request::JobRequest;
use horolog::model::target::{HandlerTarget, Target};
use horolog::store::Store;
use horolog::store::protocol::lease_store::{Batch, LeaseStore};
use horolog::store::protocol::workers::{
    Answer, HeldByWorker, SettleCode, WorkerKey, WorkerProfile, WorkerResult,
};
use serde_json::{Value, json};
use std::cell::Cell;
use uuid::Uuid;

/// The age at which the heartbeat of a worker of the tests means death.
pub const TTL_SECONDS: i32 = 15;
const CALLER: &str = "TOKEN 1";

/// A job of the handler `report`.
pub fn report(request: JobRequest) -> JobRequest {
    JobRequest {
        target: Target::Handler(HandlerTarget {
            name: "report".to_owned(),
        }),
        ..request
    }
}

/// A job of the handler `report` that is due at once, and then once in an hour.
pub fn hourly_report() -> JobRequest {
    report(fixed_rate(3_600))
}

pub fn held(attempt: &Attempt) -> HeldByWorker {
    HeldByWorker {
        id: attempt.execution_id,
        attempt: attempt.attempt,
    }
}

pub fn success() -> Outcome {
    Outcome::Succeeded {
        output: Some("done".to_owned()),
    }
}

/// A worker in this process, on the store that a gateway uses.
pub struct TestWorker {
    pub key: WorkerKey,
    pub store: Store,
    pub leases: LeaseStore,
    pub polls: Cell<i64>,
}

pub fn profile() -> WorkerProfile {
    WorkerProfile {
        name: "worker".to_owned(),
        version: "1".to_owned(),
        namespace: "default".to_owned(),
        handlers: vec!["report".to_owned()],
        slots: 10,
        ttl_seconds: TTL_SECONDS,
    }
}

impl TestWorker {
    pub async fn join(cluster: &TestCluster) -> Self {
        let id = cluster.store.join_worker(&profile(), CALLER).await;
        Self {
            key: WorkerKey {
                id: id.unwrap().unwrap(),
                caller: CALLER.to_owned(),
            },
            store: cluster.store.clone(),
            leases: LeaseStore::new(cluster.store.clone()).of_route("default/report"),
            polls: Cell::new(0),
        }
    }

    pub fn id(&self) -> Uuid {
        self.key.id
    }

    /// Begins the next poll; how many attempts were reclaimed.
    pub async fn begin(&self, holding: &[HeldByWorker]) -> Answer<usize> {
        self.polls.set(self.polls.get() + 1);
        let started = self
            .store
            .begin_poll(&self.key, self.polls.get(), holding)
            .await;
        started.unwrap().map(|started| started.reclaimed)
    }

    /// Leases what is due in the poll of this number. None: it may not.
    pub async fn lease(&self, poll: i64) -> Option<Vec<Attempt>> {
        let leased = self
            .leases
            .lease_for_worker(self.id(), poll, Batch::of(10))
            .await;
        leased.unwrap().map(|leased| leased.attempts)
    }

    /// Polls once while it holds these attempts.
    pub async fn poll(&self, holding: &[HeldByWorker]) -> Vec<Attempt> {
        self.begin(holding).await.unwrap();
        self.lease(self.polls.get()).await.unwrap()
    }

    /// Polls once for the only attempt that is due.
    pub async fn poll_one(&self) -> Attempt {
        let mut attempts = self.poll(&[]).await;
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        attempts.remove(0)
    }

    /// Settles an attempt; its code.
    pub async fn settle(&self, attempt: &Attempt, outcome: Outcome) -> SettleCode {
        let result = WorkerResult {
            held: held(attempt),
            outcome,
            may_retry: true,
            checkpoint: None,
        };
        let codes = self.store.settle_of_worker(&self.key, &[result]).await;
        codes.unwrap().unwrap()[0]
    }
}

pub fn failure() -> Outcome {
    Outcome::failed(Reason::Error, "broken")
}

/// Calls a node as a worker; the status and the answer.
pub async fn call(node: &ApiNode, path: &str, body: Value) -> (u16, Value) {
    let request = node.http.post(format!("{}{path}", node.url)).json(&body);
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

/// Joins at a node with the handler `report`; the path of the worker.
pub async fn join(node: &ApiNode) -> String {
    let profile = json!({"name": "w", "handlers": ["report"], "slots": 4, "ttlSeconds": 300});
    let (status, joined) = call(node, "/workers", profile).await;
    assert_eq!(status, 201, "{joined}");
    format!("/workers/{}", joined["id"].as_str().unwrap())
}
