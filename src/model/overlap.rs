//! Overlaps: what becomes of a fire time that comes due while an execution of
//! its job is in flight.
//!
//! The table is Temporal's (`processBuffer`), resolved late: when the due time
//! comes, over the whole cluster, under the job's advisory lock. Retries and
//! recoveries never come here: they continue an execution that is in flight.

use super::Timestamp;
use super::policies::{BUFFER_MAX, OverlapPolicy};

/// A job's executions at the moment of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InFlight {
    /// Whether one runs or waits for its next attempt.
    pub running: bool,
    /// The latest due time of those that run or wait.
    pub latest: Option<Timestamp>,
    /// How many fire times wait behind it.
    pub buffered: usize,
    /// Whether one that waited is due and not taken yet: it comes first.
    pub released: bool,
}

/// What becomes of the fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs now.
    Run,
    /// It is recorded as skipped.
    Skip,
    /// It waits for the end of what runs.
    Buffer,
    /// What runs is cancelled, what waits is skipped, and it waits for the end.
    Replace,
}

/// Decides about the fire time that is due then. Two nodes may decide about two of them in
/// either order: what came due later is never cancelled for what came due before it.
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
