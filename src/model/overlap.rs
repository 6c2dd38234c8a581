//! Overlaps: the verdict on a fire time due while an execution of the job is in flight.
//!
//! The table is Temporal's (`processBuffer`). The verdict is made late: at the due time, over the
//! whole cluster, under the job's advisory lock (`store::protocol::overlap`). Retries and
//! recoveries have no verdict: both continue an execution in flight.

use super::Timestamp;
use super::policies::{BUFFER_MAX, OverlapPolicy};

/// A job's executions at the moment of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InFlight {
    /// Whether an execution runs or waits for the next attempt.
    pub running: bool,
    /// The latest due time of the executions in flight and the buffered fires.
    pub latest: Option<Timestamp>,
    /// Number of buffered fire times of the job.
    pub buffered: usize,
    /// Whether a buffered fire was released and is not taken yet: such a fire comes first.
    pub released: bool,
}

/// The verdict on a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The fire time runs now.
    Run,
    /// The fire time is recorded as skipped.
    Skip,
    /// The fire time waits for the end of the execution.
    Buffer,
    /// The execution is cancelled, buffered fires are skipped, and the fire time waits for the end.
    Replace,
}

/// The verdict on a fire time due at `due_time`. Two nodes may decide about two fire times in
/// either order: the later fire time is never cancelled for the earlier.
pub fn resolve(policy: OverlapPolicy, in_flight: InFlight, due_time: Timestamp) -> Verdict {
    if policy == OverlapPolicy::Allow || !in_flight.running {
        return Verdict::Run;
    }
    let room = match policy {
        OverlapPolicy::BufferOne => in_flight.buffered == 0,
        OverlapPolicy::BufferAll => in_flight.buffered < BUFFER_MAX,
        OverlapPolicy::CancelOther if in_flight.latest.is_none_or(|latest| latest <= due_time) => {
            return Verdict::Replace;
        }
        OverlapPolicy::Skip | OverlapPolicy::CancelOther | OverlapPolicy::Allow => false,
    };
    if room { Verdict::Buffer } else { Verdict::Skip }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use OverlapPolicy::{Allow, BufferAll, BufferOne, CancelOther, Skip};
        let at = |time: &str| time.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-27T07:00:00Z");
        let busy = |buffered| InFlight {
            running: true,
            buffered,
            ..InFlight::default()
        };
        let since = |time| InFlight {
            latest: Some(at(time)),
            ..busy(0)
        };
        let cases = [
            (Allow, busy(0), Verdict::Run),
            (Skip, busy(0), Verdict::Skip),
            (BufferOne, busy(0), Verdict::Buffer),
            (BufferOne, busy(1), Verdict::Skip),
            (BufferAll, busy(999), Verdict::Buffer),
            (BufferAll, busy(1_000), Verdict::Skip),
            (CancelOther, busy(0), Verdict::Replace),
            (CancelOther, busy(1), Verdict::Replace),
            (CancelOther, since("2026-11-27T07:00:00Z"), Verdict::Replace),
            (
                CancelOther,
                since("2026-11-27T07:00:00.001Z"),
                Verdict::Skip,
            ),
        ];
        for (policy, in_flight, verdict) in cases {
            assert_eq!(
                resolve(policy, in_flight, now),
                verdict,
                "{policy} {in_flight:?}"
            );
            assert_eq!(
                resolve(policy, InFlight::default(), now),
                Verdict::Run,
                "{policy} with nothing running"
            );
        }
    }
}
