//! What was seen: the only input of the checker.
//!
//! One clock for all of it, the tester's own `CLOCK_REALTIME`, which is the
//! database host's too; node clocks are never read. Files are JSON lines, appended before
//! anything is answered, so that a crash of the harness loses nothing it has seen.

use crate::job::JobSpec;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Microseconds since the Unix epoch.
pub type Micros = i64;

/// All that a drill has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// When the first job may have been created.
    pub began: Micros,
    /// When the final read was made, after the quiesce.
    pub ended: Micros,
    /// What arrived at the sink, by arrival.
    pub deliveries: Vec<Delivery>,
    /// What was asked of the API, by time of the call.
    pub calls: Vec<Call>,
    /// What was done to the cluster, by beginning.
    pub faults: Vec<Fault>,
    /// The database at the end: a cross-check, never the oracle.
    pub rows: Vec<Row>,
    /// Every status that every execution had, as a trigger in the database wrote it.
    #[serde(alias = "history")]
    pub transitions: Vec<Transition>,
    /// Every node lifetime.
    pub nodes: Vec<NodeLife>,
    /// What the audits of stuck states found, with the instants they were made.
    pub stuck: Vec<Stuck>,
}

/// A request at the sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `Horolog-Job-Id`.
    pub job: Uuid,
    /// `Idempotency-Key`, which must equal `Horolog-Execution-Id`.
    pub execution: Uuid,
    /// `Horolog-Fire-Time`.
    pub fire_time: Micros,
    /// `Horolog-Due-Time`.
    pub due_time: Micros,
    /// `Horolog-Attempt`: the fencing token.
    pub attempt: i32,
    /// `Horolog-Node-Id`.
    pub node: Uuid,
    /// `Horolog-Kind`.
    pub kind: String,
    /// When the request was read.
    pub arrived: Micros,
    /// When it was answered or the client had gone; none while it hangs.
    pub ended: Option<Micros>,
    /// What was answered; 499 when the client went away first; none while it hangs.
    pub status: Option<u16>,
    /// False for a 200 of a fenced target that had seen the execution succeed
    /// before: answered, without effect.
    pub effect: bool,
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The job; none when a creation did not answer with its id.
    pub job: Option<Uuid>,
    /// What was asked.
    pub operation: Operation,
    /// When the request was sent.
    pub invoked: Micros,
    /// When the answer, or the certainty that there is none, was there.
    #[serde(alias = "returned")]
    pub completed: Micros,
    /// What is known of its success.
    pub outcome: CallOutcome,
    /// `nextFireTime` in the answer of a creation, edit or resume: the anchor of a fixed rate.
    pub next_fire_time: Option<Micros>,
    /// `startAt` that was asked for ([`crate::job::Schedule::Once`]).
    pub start_at: Option<Micros>,
    /// The execution that the answer of a rerun says it has made.
    #[serde(default)]
    pub made: Option<Uuid>,
}

/// What was asked of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `createJob`.
    Create(JobSpec),
    /// `updateJob`.
    Update(JobSpec),
    /// `pauseJob`.
    Pause,
    /// `resumeJob`.
    Resume,
    /// `deleteJob`.
    Delete,
    /// `runJobNow`.
    RunNow,
    /// `rerunExecution` of that execution.
    Rerun(Uuid),
    /// `cancelExecutions` of all that the job has in flight, perhaps of other jobs in the same
    /// call.
    Cancel,
}

impl Operation {
    /// As text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "the creation",
            Self::Update(_) => "an edit",
            Self::Pause => "a pause",
            Self::Resume => "a resume",
            Self::Delete => "the deletion",
            Self::RunNow => "a run-now",
            Self::Rerun(_) => "a rerun",
            Self::Cancel => "a cancellation",
        }
    }
}

/// What is known of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It was done.
    Done,
    /// It was refused: nothing was done.
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// E.g. `kill`, `freeze`, `partition`.
    pub kind: String,
    /// Whom it hits.
    pub scope: Scope,
    /// The node lifetimes it hits, by name ([`NodeLife::name`]); none for the cluster.
    pub nodes: Vec<String>,
    /// Before it was done.
    pub from: Micros,
    /// After it was undone.
    pub until: Micros,
}

/// Whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Nodes that die or stop: killed, told to leave.
    Ends,
    /// Nodes that stand still and can do nothing about it: frozen.
    Freezes,
    /// Nodes that live and are cut off from the database, or hear it late: these
    /// can and must fence themselves.
    CutsOff,
    /// Nodes that live and are cut off from their target.
    CutsTarget,
    /// Everybody waits for the machine, and goes on where they were: it explains lateness and
    /// nothing else.
    Stalls,
    /// A disturbance that must have no effect: it explains nothing.
    Harmless,
    /// All of them: the database is away or slow, every node is gone.
    Cluster,
}

/// A row of `job_execution_log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `id`.
    pub execution: Uuid,
    /// `job_id`.
    pub job: Uuid,
    /// `kind`.
    pub kind: String,
    /// `fire_time`.
    pub fire_time: Micros,
    /// `due_time`.
    pub due_time: Micros,
    /// `status`.
    pub status: String,
    /// `reason`.
    pub reason: Option<String>,
    /// `attempt`.
    pub attempt: i32,
    /// `recoveries`.
    pub recoveries: i32,
    /// `node_id`.
    pub node: Option<Uuid>,
    /// `started_at`.
    pub started_at: Option<Micros>,
    /// `finished_at`.
    pub finished_at: Option<Micros>,
    /// `through_fire_time`.
    pub through_fire_time: Option<Micros>,
    /// `occurrences`.
    pub occurrences: Option<i32>,
    /// `coalesced_into`.
    pub coalesced_into: Option<Uuid>,
    /// `repeats`.
    #[serde(default)]
    pub repeats: Option<Uuid>,
}

/// A status that an execution took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The execution.
    pub execution: Uuid,
    /// Its attempt then.
    pub attempt: i32,
    /// Its new status.
    pub status: String,
    /// The database's clock.
    pub at: Micros,
}

/// A process lifetime that joined the cluster, or one id of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLife {
    /// `cluster_node.id`.
    pub id: Uuid,
    /// `cluster_node.name`; a process that joins again keeps it, no other process ever has it.
    pub name: String,
    /// `state` at the end.
    pub state: String,
    /// `started_at`.
    pub started_at: Micros,
    /// `ended_at`.
    pub ended_at: Option<Micros>,
    /// `ended_by`: `LEFT`, `TTL`, `SESSION`.
    pub ended_by: Option<String>,
}

/// A row that an audit found in a state that nothing would ever move on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// When the audit looked.
    pub at: Micros,
    /// Which rule, e.g. `running on a dead node`.
    pub rule: String,
    /// The row.
    pub id: Uuid,
}
