//! The policies that hold for one execution.
//!
//! During an edit several versions may hold; a permission of any version holds, and a requirement
//! of all versions holds. Nothing beyond that is softened.

use crate::{
    job::{JobSpec, Misfire, Overlap, Recovery, SECOND},
    micros::Micros,
};

/// The versions of a job that may hold.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicySet<'a> {
    specs: Vec<&'a JobSpec>,
}

impl<'a> PolicySet<'a> {
    /// The policies of these versions.
    pub(super) fn new(specs: Vec<&'a JobSpec>) -> Self {
        Self { specs }
    }

    /// Nothing is known: the job's creation was never answered.
    pub(super) fn is_unknown(&self) -> bool {
        self.specs.is_empty()
    }

    pub(super) fn may_misfire(&self, policy: Misfire) -> bool {
        self.specs.iter().any(|spec| spec.misfire == policy)
    }

    pub(super) fn must_misfire(&self, policy: Misfire) -> bool {
        !self.is_unknown() && self.specs.iter().all(|spec| spec.misfire == policy)
    }

    pub(super) fn may_overlap(&self, overlaps: &[Overlap]) -> bool {
        self.is_unknown()
            || self
                .specs
                .iter()
                .any(|spec| overlaps.contains(&spec.overlap))
    }

    /// Whether executions of the job exclude each other.
    pub(super) fn exclusive(&self) -> bool {
        !self.may_overlap(&[Overlap::Allow])
    }

    pub(super) fn may_recover(&self, policy: Recovery) -> bool {
        self.is_unknown() || self.specs.iter().any(|spec| spec.recovery == policy)
    }

    pub(super) fn shortest_grace(&self) -> Micros {
        self.specs
            .iter()
            .map(|spec| Micros::from(spec.misfire_grace_seconds) * SECOND)
            .min()
            .unwrap_or(0)
    }

    pub(super) fn longest_grace(&self) -> Micros {
        self.specs
            .iter()
            .map(|spec| Micros::from(spec.misfire_grace_seconds) * SECOND)
            .max()
            // A quarter of the maximum: sums of such bounds must not overflow.
            .unwrap_or(Micros::MAX / 4)
    }

    pub(super) fn most_attempts(&self) -> usize {
        self.specs
            .iter()
            .map(|spec| spec.max_attempts as usize)
            .max()
            .unwrap_or(usize::MAX / 4)
    }

    pub(super) fn fewest_attempts(&self) -> usize {
        self.specs
            .iter()
            .map(|spec| spec.max_attempts as usize)
            .min()
            .unwrap_or(0)
    }

    pub(super) fn most_recoveries(&self) -> usize {
        self.specs
            .iter()
            .map(|spec| spec.max_recoveries as usize)
            .max()
            .unwrap_or(usize::MAX / 4)
    }

    pub(super) fn fewest_recoveries(&self) -> u32 {
        self.specs
            .iter()
            .map(|spec| spec.max_recoveries)
            .min()
            .unwrap_or(0)
    }

    /// Whether the time limit of the job may explain an attempt that its client left after a
    /// duration.
    pub(super) fn timed_out(&self, took: Micros, tolerance: Micros) -> bool {
        self.specs
            .iter()
            .filter_map(|spec| spec.timeout_seconds)
            .any(|seconds| {
                let timeout = Micros::from(seconds) * SECOND;
                took >= timeout - tolerance
            })
    }

    pub(super) fn longest_timeout(&self) -> Micros {
        let seconds = self
            .specs
            .iter()
            .filter_map(|spec| spec.timeout_seconds)
            .max();
        seconds.map_or(0, |seconds| Micros::from(seconds) * SECOND)
    }

    /// The latest due time of a start, after its fire time.
    pub(super) fn longest_jitter(&self) -> Micros {
        self.specs
            .iter()
            .map(|spec| Micros::from(spec.jitter_seconds) * SECOND)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn fenced(&self) -> bool {
        !self.is_unknown() && self.specs.iter().all(|spec| spec.target.fenced)
    }
}
