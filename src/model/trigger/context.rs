//! The fire context: a trigger, and the facts for the outcome.

use super::Trigger;
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, Exclusions};
use crate::model::job::JobDefinition;

/// A trigger, and the facts for the outcome.
#[derive(Clone, Copy)]
pub(super) struct FireContext<'a> {
    pub(super) trigger: &'a Trigger,
    pub(super) job: &'a JobDefinition,
    pub(super) exclusions: &'a Exclusions,
    /// The database's clock at the poll.
    pub(super) now: Timestamp,
}

impl<'a> FireContext<'a> {
    /// The instant of the decision. The look-ahead polls a trigger before the due time: then the
    /// due time counts, not the clock.
    pub(super) fn at(&self) -> Timestamp {
        self.now.max(self.trigger.due_at)
    }

    pub(super) fn availability(&self, fire_time: Timestamp) -> Availability<'a> {
        self.exclusions.availability_of_pending(
            self.trigger.job_id,
            self.job,
            self.trigger.names(),
            fire_time,
        )
    }

    /// Fire time plus jitter.
    pub(super) fn due_time(&self, fire_time: Timestamp) -> Timestamp {
        self.job.due_time(self.trigger.job_id, fire_time)
    }

    /// Whether a due time is a misfire: later than the grace.
    pub(super) fn is_late(&self, due_at: Timestamp) -> bool {
        self.now - due_at > self.job.policies.misfire_grace()
    }
}
