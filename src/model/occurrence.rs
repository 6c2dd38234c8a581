//! Occurrences: a fire time of a job, with kind, id, and the reason of the end.
//!
//! The id *is* the occurrence. The same job, kind and fire time give the same id on every node and
//! after every restart, so the primary key alone makes firing exactly-once.

use super::{Timestamp, text_enum};
use uuid::Uuid;

text_enum! {
    /// The origin of a trigger.
    #[derive(async_graphql::Enum)]
    TriggerKind, "trigger kind" {
        /// The job's schedule; a single trigger per job.
        Schedule = "SCHEDULE",
        /// A request: run now.
        Manual = "MANUAL",
        /// A request for one run at a time, which waits while its job is paused.
        Enqueued = "ENQUEUED",
        /// A failed attempt that gets another attempt.
        Retry = "RETRY",
        /// The next attempt after a lost attempt.
        Recovery = "RECOVERY",
        /// A request for a past range.
        Backfill = "BACKFILL",
        /// A fire time that waited for the end of the previous execution.
        Buffered = "BUFFERED",
        /// A fire time of the schedule, passed and not taken at an edit of the job.
        Owed = "OWED",
        /// A request to repeat an execution.
        Rerun = "RERUN",
    }
}

impl TriggerKind {
    /// The kind of the executions in the log: an owed fire time is a fire time of the schedule.
    #[must_use]
    pub fn in_log(self) -> Self {
        if self == Self::Owed {
            Self::Schedule
        } else {
            self
        }
    }
}

text_enum! {
    /// Reason of the end of an execution.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "ExecutionReason")]
    Reason, "reason" {
        /// The handler returned an error or panicked.
        Error = "ERROR",
        /// The handler took longer than allowed.
        Timeout = "TIMEOUT",
        /// The nodes died more often than `maxRecoveries` allows.
        CrashLoop = "CRASH_LOOP",
        /// Found later than the grace, and skipped by the policy.
        Misfire = "MISFIRE",
        /// Came due while an execution of the job was in flight.
        Overlap = "OVERLAP",
        /// Excluded by the job's calendar or a blackout, named in the message.
        Calendar = "CALENDAR",
        /// Folded into another fire time, with the other execution named.
        Coalesced = "COALESCED",
        /// Passed and not taken at the pause of the job.
        Paused = "PAUSED",
        /// Not started at the deletion of the job.
        Deleted = "DELETED",
    }
}

/// The id of an execution: 48 bits of the fire time's milliseconds, then a hash of (job, kind, fire
/// time), in the layout of a version 8 UUID (RFC 9562 §5.8). Ids therefore sort by fire time, and
/// the log is partitioned by id.
pub fn execution_id(job_id: Uuid, kind: TriggerKind, fire_time: Timestamp) -> Uuid {
    let mut name = [0_u8; 16];
    name[..8].copy_from_slice(&fire_time.timestamp_micros().to_be_bytes());
    let kind = kind.as_str().as_bytes();
    name[8..8 + kind.len().min(8)].copy_from_slice(&kind[..kind.len().min(8)]);
    // v5 is SHA-1 over (namespace, name): evenly distributed, without another dependency.
    time_ordered(fire_time, *Uuid::new_v5(&job_id, &name).as_bytes())
}

/// An id for an execution outside of a schedule (run-now, backfill). All bits behind the
/// milliseconds are random: two executions of the same millisecond get two ids.
pub fn one_off_execution_id(fire_time: Timestamp) -> Uuid {
    time_ordered(fire_time, *Uuid::new_v4().as_bytes())
}

/// An id for the rerun number `generation` of a fire time. The id sorts after the first execution
/// of the fire time and after the earlier reruns, because lists show the newest execution first.
pub fn rerun_execution_id(fire_time: Timestamp, generation: usize) -> Uuid {
    let mut tail = *Uuid::new_v4().as_bytes();
    // The first free bits behind the milliseconds: all ones. An id of the schedule in 4,096 has the
    // same bits, too.
    (tail[6], tail[7]) = (0xff, 0xff);
    // The variant occupies two bits of the first byte: six bits there are free, and two of the
    // next.
    let generation = u8::try_from(generation).unwrap_or(u8::MAX);
    (tail[8], tail[9]) = (generation >> 2, (generation << 6) | (tail[9] & 0x3f));
    time_ordered(fire_time, tail)
}

/// The span of an attempt in the trace of the execution. The trace id is the execution's id (W3C
/// trace context). Every node computes the same span. Attempt 0 is the whole execution.
pub fn span_id(execution_id: Uuid, attempt: i32) -> u64 {
    // A span id of zeros is invalid.
    Uuid::new_v5(&execution_id, &attempt.to_be_bytes())
        .as_u64_pair()
        .1
        .max(1)
}

/// The smallest execution id of a fire time: a bound of the log's partitions.
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
