//! The history of a drill: the only input of the checker.
//!
//! All times are of one clock, the tester's own `CLOCK_REALTIME`, which is the database host's,
//! too; node clocks are never read. Files are JSON lines, appended before each answer, so that a
//! crash of the harness loses nothing.

use crate::job::JobSpec;
use crate::micros::Micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything that a drill recorded.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// When the first job may have been created.
    pub began: Micros,
    /// When the final read was made, after the quiesce.
    pub ended: Micros,
    /// Deliveries to the sink, by arrival.
    pub deliveries: Vec<Delivery>,
    /// Calls of the API, by time of the call.
    pub calls: Vec<Call>,
    /// Faults that were injected, by beginning.
    pub faults: Vec<Fault>,
    /// The database at the end: a cross-check, never the oracle.
    pub rows: Vec<Row>,
    /// Every status of every execution, as a trigger in the database wrote them.
    #[serde(alias = "history")]
    pub transitions: Vec<Transition>,
    /// All lifetimes of nodes.
    pub nodes: Vec<NodeLife>,
    /// Stuck states that the audits found, with the instants of the audits.
    pub stuck: Vec<Stuck>,
}

/// A request at the sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Header `Horolog-Job-Id`: the job.
    pub job: Uuid,
    /// `Idempotency-Key`, which must equal `Horolog-Execution-Id`.
    pub execution: Uuid,
    /// Header `Horolog-Fire-Time`, microseconds since 1970.
    pub fire_time: Micros,
    /// Header `Horolog-Due-Time`, microseconds since 1970.
    pub due_time: Micros,
    /// `Horolog-Attempt`: the fencing token.
    pub attempt: i32,
    /// Header `Horolog-Node-Id`: the node of the attempt.
    pub node: Uuid,
    /// Header `Horolog-Kind`: the kind of the trigger.
    pub kind: String,
    /// When the request was read.
    pub arrived: Micros,
    /// End: answered, or the client has gone; none while the request hangs.
    pub ended: Option<Micros>,
    /// Status of the answer; 499 when the client went away first; none while the request hangs.
    pub status: Option<u16>,
    /// False for a 200 of a fenced target that had seen the execution succeed before: an answer
    /// without effect.
    pub effect: bool,
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The job; none for a creation without an id in its answer.
    pub job: Option<Uuid>,
    /// The operation that was requested.
    pub operation: Operation,
    /// When the request was sent.
    pub invoked: Micros,
    /// The instant of the answer, or of the certainty that no answer comes.
    #[serde(alias = "returned")]
    pub completed: Micros,
    /// The evidence of success.
    pub outcome: CallOutcome,
    /// `nextFireTime` in the answer of a creation, edit or resume: the anchor of a fixed rate.
    pub next_fire_time: Option<Micros>,
    /// The requested `startAt` ([`crate::job::Schedule::Once`]).
    pub start_at: Option<Micros>,
    /// The execution that a rerun or an enqueue made, by the answer.
    #[serde(default)]
    pub made: Option<Uuid>,
    /// The execution that was there already, by the answer: the call made none.
    #[serde(default)]
    pub found: Option<Uuid>,
}

/// An operation of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `createJob`, with the definition.
    Create(JobSpec),
    /// `updateJob`, with the new definition.
    Update(JobSpec),
    /// `pauseJob`, with or without a reason.
    Pause,
    /// `resumeJob`, by any misfire choice.
    Resume,
    /// `deleteJob`: the log stays.
    Delete,
    /// `runJobNow`: one manual execution.
    RunNow,
    /// `rerunExecution` of that execution.
    Rerun(Uuid),
    /// `enqueue` with this unique key, due now.
    Enqueue(String),
    /// `cancelExecutions` for all executions of the job in flight, possibly of other jobs in the
    /// same call.
    Cancel,
}

impl Operation {
    /// The name of the mutation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "the creation",
            Self::Update(_) => "an edit",
            Self::Pause => "a pause",
            Self::Resume => "a resume",
            Self::Delete => "the deletion",
            Self::RunNow => "a run-now",
            Self::Rerun(_) => "a rerun",
            Self::Enqueue(_) => "an enqueue",
            Self::Cancel => "a cancellation",
        }
    }
}

/// The evidence of a call's success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The operation was done.
    Done,
    /// The operation was refused: nothing was done.
    Refused,
    /// No answer, or an answer that leaves the outcome open.
    Unknown,
}

/// A fault that was injected into the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// E.g. `kill`, `freeze`, `partition`.
    pub kind: String,
    /// The processes that the fault hits.
    pub scope: Scope,
    /// The lifetimes of nodes that the fault hits, by name ([`NodeLife::name`]); none for the
    /// cluster.
    pub nodes: Vec<String>,
    /// Instant before the injection.
    pub from: Micros,
    /// Instant after the repair.
    pub until: Micros,
}

/// The processes that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Nodes that die or stop: killed, or asked to leave.
    Ends,
    /// Nodes that stand still and can do nothing about it: frozen.
    Freezes,
    /// Nodes that live and are cut off from the database, or hear it late: these can and must fence
    /// themselves.
    CutsOff,
    /// Nodes that live and are cut off from their target.
    CutsTarget,
    /// All processes wait for the machine, and continue where they were: explains lateness and
    /// nothing else.
    Stalls,
    /// A disturbance that must have no effect: explains nothing.
    Harmless,
    /// The whole cluster: the database is away or slow, or every node is gone.
    Cluster,
}

/// A row of `job_execution_log`; instants are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the columns of the table, which have comments there"
)]
pub struct Row {
    pub execution: Uuid,
    pub job: Uuid,
    pub kind: String,
    pub fire_time: Micros,
    pub due_time: Micros,
    pub status: String,
    pub reason: Option<String>,
    pub attempt: i32,
    pub recoveries: i32,
    pub node: Option<Uuid>,
    pub started_at: Option<Micros>,
    pub finished_at: Option<Micros>,
    pub through_fire_time: Option<Micros>,
    pub occurrences: Option<i32>,
    pub coalesced_into: Option<Uuid>,
    #[serde(default)]
    pub repeats: Option<Uuid>,
}

/// A change of an execution's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The execution of the transition.
    pub execution: Uuid,
    /// The number of the attempt at that time.
    pub attempt: i32,
    /// The new status of the execution.
    pub status: String,
    /// Instant by the database's clock.
    pub at: Micros,
}

/// A process lifetime in the cluster, or an id of the lifetime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLife {
    /// Column `cluster_node.id`: the id of the membership.
    pub id: Uuid,
    /// Column `name`: kept by a process that joins again, and unique to the process.
    pub name: String,
    /// `state` at the end.
    pub state: String,
    /// Column `started_at`, by the database's clock.
    pub started_at: Micros,
    /// Column `ended_at`; none while the node lives.
    pub ended_at: Option<Micros>,
    /// `ended_by`: `LEFT`, `TTL`, `SESSION`.
    pub ended_by: Option<String>,
}

/// A row that an audit found in a state without a way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// When the audit looked.
    pub at: Micros,
    /// The rule of the audit, e.g. `running on a dead node`.
    pub rule: String,
    /// The id of the row.
    pub id: Uuid,
}
