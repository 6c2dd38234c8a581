//! Executions: what the cluster made of a fire time, and who may say so.
//!
//! The id *is* the occurrence: the same job, kind and fire time give the same
//! id on every node and after every restart, so the primary key alone makes
//! firing exactly-once. The attempt is the fencing token.

use super::job::Job;
use super::payload::Payload;
use super::policies::Policies;
use super::schedule::Schedule;
use super::trigger::{NewExecution, TriggerKind};
use super::{Timestamp, target::Target, text_enum};
use std::time::Duration;
use uuid::Uuid;

text_enum! {
    /// Where an execution stands. Terminal states are final.
    #[derive(async_graphql::Enum)]
    ExecutionStatus, "execution status" {
        /// An attempt is leased by a node.
        Running = "RUNNING",
        /// The next attempt is a trigger.
        Retrying = "RETRYING",
        /// The handler succeeded.
        Success = "SUCCESS",
        /// Attempts are used up; the reason says how.
        Failed = "FAILED",
        /// Somebody stopped it.
        Cancelled = "CANCELLED",
        /// Its node died and the job says `MARK_LOST`.
        Lost = "LOST",
        /// The fire time was not run; the reason says why.
        Skipped = "SKIPPED",
    }
}

text_enum! {
    /// Why an execution ended as it did.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "ExecutionReason")]
    Reason, "reason" {
        /// The handler returned an error or panicked.
        Error = "ERROR",
        /// The handler took longer than allowed.
        Timeout = "TIMEOUT",
        /// Its nodes died more often than `maxRecoveries` allows.
        CrashLoop = "CRASH_LOOP",
        /// Found later than the grace, and the policy says not to run it.
        Misfire = "MISFIRE",
        /// Came due while an execution of its job was in flight.
        Overlap = "OVERLAP",
        /// Closed by the job's calendar or a blackout, which the message names.
        Calendar = "CALENDAR",
        /// Folded into another fire time, whose execution it names.
        Coalesced = "COALESCED",
        /// Had passed and was not taken when its job was paused.
        Paused = "PAUSED",
        /// Had not begun when its job was deleted.
        Deleted = "DELETED",
    }
}

/// The id of an execution: 48 bits of the fire time's milliseconds, then a hash
/// of (job, kind, fire time), laid out as a version 8 UUID (RFC 9562 §5.8), so
/// that ids sort by fire time and the log can be partitioned by id.
pub fn execution_id(job_id: Uuid, kind: TriggerKind, fire_time: Timestamp) -> Uuid {
    let mut name = [0_u8; 16];
    name[..8].copy_from_slice(&fire_time.timestamp_micros().to_be_bytes());
    let kind = kind.as_str().as_bytes();
    name[8..8 + kind.len().min(8)].copy_from_slice(&kind[..kind.len().min(8)]);
    // v5 is SHA-1 over (namespace, name): well mixed, and no further dependency.
    time_ordered(fire_time, *Uuid::new_v5(&job_id, &name).as_bytes())
}

/// An id for a run that no schedule names (run-now, backfill): now-based, the
/// rest random, so that two runs in one millisecond stay two.
pub fn one_off_execution_id(fire_time: Timestamp) -> Uuid {
    time_ordered(fire_time, *Uuid::new_v4().as_bytes())
}

/// An id for the run that repeats a fire time for the `generation`th time. It sorts behind what it
/// repeats, and behind the runs that repeated it before: lists show the newest of a fire time
/// first.
pub fn rerun_execution_id(fire_time: Timestamp, generation: usize) -> Uuid {
    let mut tail = *Uuid::new_v4().as_bytes();
    // The first bits behind the milliseconds that are free in a UUID: all ones, as in one id of the
    // schedule among 4,096.
    (tail[6], tail[7]) = (0xff, 0xff);
    // The variant takes two bits of the first byte; six are left there, and two of the next.
    let generation = u8::try_from(generation).unwrap_or(u8::MAX);
    (tail[8], tail[9]) = (generation >> 2, (generation << 6) | (tail[9] & 0x3f));
    time_ordered(fire_time, tail)
}

/// The span of an attempt in the trace that has the execution's id (W3C trace
/// context), the same wherever it is asked for; attempt 0 is the whole execution.
pub fn span_id(execution_id: Uuid, attempt: i32) -> u64 {
    // A span id of zeros is invalid.
    Uuid::new_v5(&execution_id, &attempt.to_be_bytes())
        .as_u64_pair()
        .1
        .max(1)
}

/// The smallest execution id of a fire time: bounds of the log's partitions.
pub fn lowest_execution_id(fire_time: Timestamp) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&millis_48(fire_time));
    Uuid::from_bytes(bytes)
}

fn time_ordered(fire_time: Timestamp, tail: [u8; 16]) -> Uuid {
    let mut bytes = tail;
    bytes[..6].copy_from_slice(&millis_48(fire_time));
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Milliseconds since 1970, big-endian, clamped to 48 bits (the year 10889).
fn millis_48(time: Timestamp) -> [u8; 6] {
    let millis = u64::try_from(time.timestamp_millis())
        .unwrap_or(0)
        .min((1 << 48) - 1);
    let bytes = millis.to_be_bytes();
    [bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
}

/// A leased attempt: everything that a handler needs, nothing to look up.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The occurrence's identity and the target's idempotency key.
    pub execution_id: Uuid,
    /// The number of this attempt, from 1: the fencing token.
    pub attempt: i32,
    /// The node (its process lifetime) that holds the attempt …
    pub node_id: Uuid,
    /// … by this lease.
    pub lease_id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// The job's name, for people.
    pub job_name: String,
    /// What made the trigger.
    pub kind: TriggerKind,
    /// The instant that the schedule names.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_time: Timestamp,
    /// What to run.
    pub target: Target,
    /// The job's payload.
    pub payload: Option<Payload>,
    /// The job's policies, as they stood at the lease.
    pub policies: Policies,
    /// Earlier attempts that ended by themselves without success.
    pub failures: i32,
    /// Whether the job's trigger may await its end. It does so from the lease of the
    /// fire time (or from its buffering), when the job is a fixed delay; by the time of
    /// a later attempt the job may have become something else, and then a fixed delay
    /// again.
    pub may_unblock_fixed_delay: bool,
}

impl Attempt {
    /// The attempt number `attempt` of a run, held by a node by a lease.
    pub fn new(
        job: &Job,
        kind: TriggerKind,
        execution: &NewExecution,
        (node_id, lease_id): (Uuid, Uuid),
        attempt: i32,
        failures: i32,
    ) -> Self {
        Self {
            execution_id: execution.execution_id,
            attempt,
            node_id,
            lease_id,
            job_id: job.id,
            job_name: job.definition.name.clone(),
            kind: kind.in_log(),
            fire_time: execution.fire_time,
            due_time: execution.due_time,
            target: job.definition.target.clone(),
            payload: job.definition.payload.clone(),
            policies: job.definition.policies.clone(),
            failures,
            may_unblock_fixed_delay: matches!(job.definition.schedule, Schedule::FixedDelay { .. })
                || matches!(
                    kind,
                    TriggerKind::Retry | TriggerKind::Recovery | TriggerKind::Buffered
                ),
        }
    }

    /// How this attempt is to be settled. `random`, uniform in 0..1, picks the
    /// delay of a retry.
    pub fn settlement(&self, started_at: Timestamp, outcome: Outcome, random: f64) -> Settlement {
        let retry_in = match &outcome {
            Outcome::Failed { retry_after, .. } => {
                self.policies
                    .retry
                    .delay(self.failures.saturating_add(1), random, *retry_after)
            }
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
        };
        Settlement {
            execution_id: self.execution_id,
            job_id: self.job_id,
            attempt: self.attempt,
            node_id: self.node_id,
            lease_id: self.lease_id,
            due_time: self.due_time,
            started_at,
            outcome,
            retry_in,
            is_serialized: self.policies.is_serialized(),
            may_unblock_fixed_delay: self.may_unblock_fixed_delay,
            pause_on_failure: self.policies.pause_on_failure,
        }
    }
}

/// How an attempt ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should; the output is for people.
    Succeeded {
        /// What the handler reports, e.g. the response body.
        output: Option<String>,
    },
    /// It did not.
    Failed {
        /// `ERROR` or `TIMEOUT`.
        reason: Reason,
        /// What went wrong, for people.
        message: String,
        /// What the handler got so far, e.g. the body of a 500.
        output: Option<String>,
        /// The least delay that the target asked for.
        retry_after: Option<Duration>,
    },
    /// Somebody stopped it.
    Cancelled,
}

impl Outcome {
    /// A failure without output.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed {
            reason,
            message: message.into(),
            output: None,
            retry_after: None,
        }
    }
}

/// Most characters of what the database said about a result that it did not take.
const NOT_STORABLE_CHARS_MAX: usize = 1_000;

/// What a node asks the database to write about an ended attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The execution.
    pub execution_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// The fence: must still be the execution's current attempt …
    pub attempt: i32,
    /// … held by this node …
    pub node_id: Uuid,
    /// … by this lease.
    pub lease_id: Uuid,
    /// When it could start.
    pub due_time: Timestamp,
    /// When the handler started, by the database's clock.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// When it failed and may be tried again: the delay.
    pub retry_in: Option<Duration>,
    /// Whether later fire times may wait for its end.
    pub is_serialized: bool,
    /// Whether the job's trigger may await its end: see [`Attempt::may_unblock_fixed_delay`].
    pub may_unblock_fixed_delay: bool,
    /// Whether its final failure pauses the job.
    pub pause_on_failure: bool,
}

impl Settlement {
    /// The status that the outcome gives the execution.
    pub fn status(&self) -> ExecutionStatus {
        match self.outcome {
            Outcome::Succeeded { .. } => ExecutionStatus::Success,
            Outcome::Failed { .. } if self.retry_in.is_some() => ExecutionStatus::Retrying,
            Outcome::Failed { .. } => ExecutionStatus::Failed,
            Outcome::Cancelled => ExecutionStatus::Cancelled,
        }
    }

    /// Actual start minus due time.
    pub fn lateness(&self) -> Duration {
        (self.started_at - self.due_time)
            .to_std()
            .unwrap_or_default()
    }

    /// What is written instead when the database does not take this: that it failed, and `why`.
    /// What failed and was to be tried again is; what succeeded is not, for it has happened.
    #[must_use]
    pub fn not_storable(&self, why: &str) -> Self {
        let ended_as = self.status();
        // In ASCII, which every database can hold, and not for ever.
        let why: String = why
            .chars()
            .flat_map(char::escape_default)
            .take(NOT_STORABLE_CHARS_MAX)
            .collect();
        let message = format!(
            "the attempt ended as {ended_as}, but the database does not take its result: {why}"
        );
        Self {
            outcome: Outcome::failed(self.reason().unwrap_or(Reason::Error), message),
            ..self.clone()
        }
    }

    /// The reason that goes with the status.
    pub fn reason(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
            Outcome::Failed { reason, .. } => Some(*reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(millis).expect("in range")
    }

    #[test]
    fn the_id_is_a_function_of_job_kind_and_fire_time() {
        let job = Uuid::from_u128(7);
        let id = execution_id(job, TriggerKind::Schedule, at(1_795_000_000_000));
        assert_eq!(
            id,
            execution_id(job, TriggerKind::Schedule, at(1_795_000_000_000))
        );
        assert_ne!(
            id,
            execution_id(
                Uuid::from_u128(8),
                TriggerKind::Schedule,
                at(1_795_000_000_000)
            )
        );
        assert_ne!(
            id,
            execution_id(job, TriggerKind::Backfill, at(1_795_000_000_000))
        );
        assert_ne!(
            id,
            execution_id(job, TriggerKind::Schedule, at(1_795_000_000_001))
        );
        assert_eq!(id.get_version_num(), 8);
        // Pinned: an id that changes between releases would fire everything again.
        assert_eq!(id.to_string(), "01a1ee56-5e00-8805-be2d-aaf1843d6d8e");
    }

    #[test]
    fn manual_ids_of_one_millisecond_differ() {
        assert_ne!(one_off_execution_id(at(1)), one_off_execution_id(at(1)));
    }

    #[test]
    fn what_repeats_a_fire_time_sorts_behind_it_and_behind_the_repetitions_before() {
        let fire_time = at(1_795_000_000_000);
        let first = execution_id(Uuid::from_u128(7), TriggerKind::Schedule, fire_time);
        let ids: Vec<Uuid> = (0..300)
            .map(|generation| rerun_execution_id(fire_time, generation))
            .collect();
        assert!(first < ids[0] && ids[..256].is_sorted(), "{ids:?}");
        assert!(
            ids.iter()
                .all(|id| id.get_version_num() == 8 && id.get_variant() == uuid::Variant::RFC4122)
        );
        assert!(ids.iter().all(|id| {
            (lowest_execution_id(fire_time)..lowest_execution_id(at(1_795_000_000_001)))
                .contains(id)
        }));
        assert_ne!(
            rerun_execution_id(fire_time, 1),
            rerun_execution_id(fire_time, 1)
        );
    }

    proptest! {
        #[test]
        fn ids_sort_by_fire_time_and_lie_in_their_partition(a in 0_i64..4_102_444_800_000, gap in 1_i64..1_000_000_000) {
            let job = Uuid::from_u128(7);
            let early = execution_id(job, TriggerKind::Schedule, at(a));
            let late = execution_id(job, TriggerKind::Schedule, at(a + gap));
            prop_assert!(early < late);
            prop_assert!(early >= lowest_execution_id(at(a)));
            prop_assert!(early < lowest_execution_id(at(a + 1)));
        }
    }
}
