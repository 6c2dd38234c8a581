//! A user of the API: each call is recorded with the instants of request and answer, and with the
//! known outcome.

use super::http::{Http, NoAnswer};
use super::journal::Journal;
use super::{now, sink};
use crate::history::{Call, CallOutcome, Operation};
use crate::job::{JobSpec, Schedule};
use crate::micros::Micros;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Time limit of a call; no answer comes later.
const CALL_MAX: Duration = Duration::from_secs(5);

/// Fields that every command on a job returns.
const FIELDS: &str = "id status version nextFireTime";

/// The operator. Calls on one job are made one after the other.
pub struct Operator {
    http: Http,
    journal: Journal,
    sink: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    jobs: BTreeMap<Uuid, Arc<tokio::sync::Mutex<JobState>>>,
    /// Jobs for enqueued runs.
    enqueued: BTreeSet<Uuid>,
}

/// The operator's belief about a job.
#[derive(Debug, Clone)]
pub struct JobState {
    /// The definition, by the last successful call.
    pub spec: JobSpec,
    /// False once a deletion was asked for.
    pub deletable: bool,
    /// The last fire time that the API named.
    pub named: Option<Micros>,
}

impl Operator {
    /// An operator whose jobs call the sink at `sink`, e.g. `http://127.0.0.1:1234`.
    pub fn new(http: Http, sink: String, journal: &Path) -> Result<Self, anyhow::Error> {
        Ok(Self {
            http,
            journal: Journal::create(journal)?,
            sink,
            state: Mutex::default(),
        })
    }

    /// Every call so far, by time.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = self.state().calls.clone();
        calls.sort_by_key(|call| call.invoked);
        calls
    }

    /// The jobs that are known to exist.
    pub fn jobs(&self) -> Vec<Uuid> {
        self.state().jobs.keys().copied().collect()
    }

    /// The jobs that random commands concern.
    pub fn operated(&self) -> Vec<Uuid> {
        let state = self.state();
        let is_operated = |id: &&Uuid| !state.enqueued.contains(*id);
        state.jobs.keys().filter(is_operated).copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a job at a node; returns its id, when it is known to exist.
    pub async fn create(&self, node: SocketAddr, spec: &JobSpec) -> Option<Uuid> {
        let start_at = start_at(spec);
        let query = format!(
            "mutation($input: CreateJobInput!) {{ createJob(input: $input) {{ {FIELDS} }} }}"
        );
        let variables = json!({"input": self.input(spec, start_at)});
        let (mut call, _) = self
            .call(
                node,
                None,
                Operation::Create(spec.clone()),
                &query,
                variables,
            )
            .await;
        call.start_at = start_at;
        let (id, named) = (call.job, call.next_fire_time);
        self.note(call);
        if let Some(id) = id {
            let job = JobState {
                spec: spec.clone(),
                deletable: true,
                named,
            };
            self.state()
                .jobs
                .insert(id, Arc::new(tokio::sync::Mutex::new(job)));
        }
        id
    }

    /// Pauses, resumes, deletes or runs a job; does nothing during another call on the job.
    pub async fn command(&self, node: SocketAddr, id: Uuid, operation: Operation) {
        let Some(job) = self.state().jobs.get(&id).cloned() else {
            return;
        };
        // One call at a time for each job: the order of two calls at once would be unknown.
        let Ok(mut job) = job.try_lock() else { return };
        let (mutation, fields) = match &operation {
            Operation::Pause => ("pauseJob", FIELDS),
            Operation::Resume => ("resumeJob", FIELDS),
            Operation::Delete => ("deleteJob", ""),
            Operation::RunNow => ("runJobNow", ""),
            Operation::Create(_)
            | Operation::Update(_)
            | Operation::Rerun(_)
            | Operation::Enqueue(_)
            | Operation::Cancel => return,
        };
        // Before the call: a deletion without an answer may have happened.
        if operation == Operation::Delete {
            job.deletable = false;
        }
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!("{{ {fields} }}")
        };
        let query = format!("mutation($id: ID!) {{ {mutation}(id: $id) {fields} }}");
        let (call, _) = self
            .call(node, Some(id), operation, &query, json!({"id": id}))
            .await;
        job.named = call.next_fire_time.or(job.named);
        self.note(call);
    }

    /// Runs the fire time of one of a job's newest ended executions again.
    pub async fn rerun(&self, node: SocketAddr, id: Uuid) {
        let Some(job) = self.state().jobs.get(&id).cloned() else {
            return;
        };
        let Ok(_job) = job.try_lock() else { return };
        let ended = self.ended(node, id).await;
        let Some(execution) = fastrand::choice(&ended).copied() else {
            return;
        };
        let query = "mutation($id: ID!) { rerunExecution(id: $id) { made: id created } }";
        let (operation, variables) = (Operation::Rerun(execution), json!({"id": execution}));
        let (call, _) = self.call(node, Some(id), operation, query, variables).await;
        self.note(call);
    }

    /// Creates a job for enqueued runs only: no random command concerns it.
    pub async fn create_for_enqueues(&self, node: SocketAddr, spec: &JobSpec) -> Option<Uuid> {
        let id = self.create(node, spec).await?;
        self.state().enqueued.insert(id);
        Some(id)
    }

    /// Enqueues a run with a unique key, due now; also during another call on the job.
    pub async fn enqueue(&self, node: SocketAddr, id: Uuid, key: &str) {
        let query = "mutation($input: EnqueueInput!) { enqueue(input: $input) { \
            made: executionId created } }";
        let variables = json!({"input": {"jobId": id, "uniqueKey": key}});
        let operation = Operation::Enqueue(key.to_owned());
        let (call, _) = self.call(node, Some(id), operation, query, variables).await;
        self.note(call);
    }

    /// Cancels all executions of these jobs in flight, in one call; leaves out jobs with another
    /// call in progress.
    pub async fn cancel(&self, node: SocketAddr, ids: &[Uuid]) {
        let known: Vec<_> = ids
            .iter()
            .filter_map(|id| Some((*id, self.state().jobs.get(id).cloned()?)))
            .collect();
        // The locks stay until the end of the call: no other call meets these jobs.
        let held: Vec<_> = known
            .iter()
            .filter_map(|(id, job)| Some((*id, job.try_lock().ok()?)))
            .collect();
        let ids: Vec<Uuid> = held.iter().map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        let query = "mutation($ids: [ID!]!) { cancelExecutions(jobs: {ids: $ids}) { \
            matched cancelled more } }";
        let (call, answer) = self
            .call(node, None, Operation::Cancel, query, json!({"ids": ids}))
            .await;
        // Executions that a node held at every try are left, and those beyond the limit.
        let is_whole = answer["matched"] == answer["cancelled"] && answer["more"] == false;
        let outcome = if call.outcome == CallOutcome::Done && !is_whole {
            CallOutcome::Unknown
        } else {
            call.outcome
        };
        for id in ids {
            self.note(Call {
                job: Some(id),
                outcome,
                ..call.clone()
            });
        }
    }

    /// Some of a job's newest ended executions.
    async fn ended(&self, node: SocketAddr, id: Uuid) -> Vec<Uuid> {
        let query = "query($id: ID!) { executionsPage(first: 5, filter: {jobId: $id, \
            status: [\"SUCCESS\", \"FAILED\", \"LOST\", \"CANCELLED\"]}) { nodes { id } } }";
        let query = json!({"query": query, "variables": {"id": id}});
        let asked = self
            .http
            .post(&format!("http://{node}/graphql"), &query, CALL_MAX)
            .await;
        let Ok((_, answer)) = asked else {
            return Vec::new();
        };
        let rows = answer["data"]["executionsPage"]["nodes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        rows.iter()
            .filter_map(|row| row["id"].as_str()?.parse().ok())
            .collect()
    }

    /// Replaces a job's definition.
    pub async fn update(&self, node: SocketAddr, id: Uuid, change: impl FnOnce(&mut JobSpec)) {
        let Some(job) = self.state().jobs.get(&id).cloned() else {
            return;
        };
        let Ok(mut job) = job.try_lock() else { return };
        // Read before each edit: an edit without an answer may have raised the version.
        let Some(version) = self.version(node, id).await else {
            return;
        };
        let mut spec = job.spec.clone();
        change(&mut spec);
        let query = format!(
            "mutation($id: ID!, $input: CreateJobInput!, $version: Int!) {{
                updateJob(id: $id, input: $input, version: $version) {{ {FIELDS} }} }}"
        );
        let variables = json!({"id": id, "version": version, "input": self.input(&spec, None)});
        let (call, _) = self
            .call(
                node,
                Some(id),
                Operation::Update(spec.clone()),
                &query,
                variables,
            )
            .await;
        if call.outcome == CallOutcome::Done {
            job.spec = spec;
            job.named = call.next_fire_time.or(job.named);
        }
        self.note(call);
    }

    /// The operator's belief about a job, unless a call on the job is in progress.
    pub fn believed(&self, id: Uuid) -> Option<JobState> {
        let job = self.state().jobs.get(&id).cloned()?;
        job.try_lock().ok().map(|job| job.clone())
    }

    async fn version(&self, node: SocketAddr, id: Uuid) -> Option<i64> {
        let query = json!({"query": "query($id: ID!) { job(id: $id) { version } }",
            "variables": {"id": id}});
        let (_, answer) = self
            .http
            .post(&format!("http://{node}/graphql"), &query, CALL_MAX)
            .await
            .ok()?;
        answer["data"]["job"]["version"].as_i64()
    }

    fn note(&self, call: Call) {
        self.journal.append(&call);
        self.state().calls.push(call);
    }

    /// Records a call, and the answer of its field.
    async fn call(
        &self,
        node: SocketAddr,
        job: Option<Uuid>,
        operation: Operation,
        query: &str,
        variables: Value,
    ) -> (Call, Value) {
        let request = json!({"query": query, "variables": variables});
        let invoked = now();
        let sent = self
            .http
            .post(&format!("http://{node}/graphql"), &request, CALL_MAX)
            .await;
        // Also for a call without an answer: the end of the wait.
        let completed = now();
        let (outcome, data) = match sent {
            Ok((_, answer)) => (
                outcome(&answer),
                answer["data"]
                    .as_object()
                    .and_then(|data| data.values().next().cloned()),
            ),
            // No process took the request: nothing was done.
            Err(NoAnswer::NotConnected) => (CallOutcome::Refused, None),
            Err(NoAnswer::Unknown) => (CallOutcome::Unknown, None),
        };
        let data = data.unwrap_or_default();
        let next_fire_time = data["nextFireTime"].as_str().and_then(micros);
        let job = job.or_else(|| data["id"].as_str().and_then(|id| id.parse().ok()));
        let named: Option<Uuid> = data["made"].as_str().and_then(|id| id.parse().ok());
        let (made, found) = match data["created"].as_bool() {
            Some(true) => (named, None),
            Some(false) => (None, named),
            None => (None, None),
        };
        (
            Call {
                job,
                operation,
                invoked,
                completed,
                outcome,
                next_fire_time,
                start_at: None,
                made,
                found,
            },
            data,
        )
    }

    /// The input of a job for the API.
    fn input(&self, spec: &JobSpec, start_at: Option<Micros>) -> Value {
        let target =
            json!({"http": {"url": sink::url(&self.sink, &spec.target), "timeoutSeconds": 120}});
        let retry = json!({"maxAttempts": spec.max_attempts, "initialBackoffSeconds": 1,
            "maxBackoffSeconds": 1});
        let mut input = json!({
            "name": spec.name, "target": target, "misfirePolicy": spec.misfire,
            "misfireGraceSeconds": spec.misfire_grace_seconds, "overlapPolicy": spec.overlap,
            "recovery": spec.recovery, "maxRecoveries": spec.max_recoveries, "retry": retry,
            "timeoutSeconds": spec.timeout_seconds, "jitterSeconds": spec.jitter_seconds,
            "endAt": spec.end_at.map(rfc3339), "maxRuns": spec.max_runs,
        });
        let schedule = match &spec.schedule {
            Schedule::Cron { expression, zone } => {
                json!({"scheduleType": "CRON", "cronExpression": expression, "timeZone": zone})
            }
            Schedule::FixedRate { seconds } => {
                json!({"scheduleType": "FIXED_RATE", "intervalSeconds": seconds})
            }
            Schedule::FixedDelay { seconds } => {
                json!({"scheduleType": "FIXED_DELAY", "intervalSeconds": seconds})
            }
            Schedule::Once { .. } => {
                json!({"scheduleType": "ONCE", "startAt": start_at.map(rfc3339)})
            }
            Schedule::Manual => {
                json!({"scheduleType": "ON_DEMAND"})
            }
        };
        if let (Some(input), Value::Object(schedule)) = (input.as_object_mut(), schedule) {
            input.extend(schedule);
        }
        input
    }
}

fn start_at(spec: &JobSpec) -> Option<Micros> {
    let Schedule::Once { after_seconds } = spec.schedule else {
        return None;
    };
    let at = now() + Micros::from(after_seconds) * crate::job::SECOND;
    Some(at - at % 1_000) // the API's times have milliseconds
}

fn outcome(answer: &Value) -> CallOutcome {
    let Some(errors) = answer["errors"].as_array() else {
        return if answer["data"].is_object() {
            CallOutcome::Done
        } else {
            CallOutcome::Unknown
        };
    };
    // Only these codes say that nothing was done.
    let surely_not = ["BAD_USER_INPUT", "NOT_FOUND", "CONFLICT"];
    let refused = errors.iter().any(|error| {
        error["extensions"]["code"]
            .as_str()
            .is_some_and(|code| surely_not.contains(&code))
    });
    if refused {
        CallOutcome::Refused
    } else {
        CallOutcome::Unknown
    }
}

fn micros(instant: &str) -> Option<Micros> {
    Some(
        chrono::DateTime::parse_from_rfc3339(instant)
            .ok()?
            .timestamp_micros(),
    )
}

fn rfc3339(instant: Micros) -> String {
    chrono::DateTime::from_timestamp_micros(instant)
        .map(|instant| instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}
