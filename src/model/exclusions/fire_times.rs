//! The fire times of a schedule to run unless something changes, for display. The rules are the
//! same as for a poll at each due time (`crate::model::trigger`). A search skips excluded stretches
//! instead of walking through them: a blackout of a year for a job of every second costs about
//! fifty steps.

use super::{Availability, BlackoutEndPolicy, ExcludedBy, Exclusions, LEAPS_MAX};
use crate::model::Timestamp;
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use chrono::TimeDelta;
use uuid::Uuid;

/// Steps of the search for the first fire time: more than the last second of a year needs.
const STEPS_OF_FIRST: usize = 128;
/// Steps of the search for each further fire time, in addition to the stretches to skip for all
/// fire times together.
const STEPS_OF_EACH: usize = 8;

/// The fire times not taken yet by the trigger of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The fire time of the trigger.
    pub fire_time: Timestamp,
    /// The first excluded fire time passed by the trigger.
    pub excluded_from: Option<Timestamp>,
}

impl Pending {
    /// Whether a fire time was excluded when the trigger was set. The trigger's own fire time is
    /// excluded if the search found no open fire time.
    pub fn was_sent_past(&self, fire_time: Timestamp) -> bool {
        self.excluded_from
            .is_some_and(|from| fire_time < self.fire_time || from == self.fire_time)
    }
}

/// A search through the fire times of a job.
struct Search<'a> {
    id: Uuid,
    job: &'a JobDefinition,
    exclusions: &'a Exclusions,
    /// Steps that the search may still take.
    steps: usize,
}

impl Exclusions {
    /// Whether a fire time not taken yet is available. The present rules of a calendar apply to
    /// fire times after the last edit. An earlier fire time stays excluded if the trigger was moved
    /// past the fire time, and open if the trigger was moved to the fire time. (Later fire times in
    /// an outage follow the present rules: old rules are not stored.)
    pub fn availability_of_pending(
        &self,
        id: Uuid,
        job: &JobDefinition,
        pending: Pending,
        fire_time: Timestamp,
    ) -> Availability<'_> {
        match self
            .calendar_of(job)
            .filter(|calendar| fire_time < calendar.changed_at())
        {
            Some(calendar) if pending.was_sent_past(fire_time) => {
                Availability::Excluded(ExcludedBy::Calendar(calendar))
            }
            Some(_) if fire_time == pending.fire_time => {
                self.availability_by_blackouts(id, job, fire_time)
            }
            _ => self.availability(id, job, fire_time),
        }
    }

    /// Whether a fire time had passed as excluded before the edit of the calendar. The present
    /// rules do not matter then.
    pub fn passed_excluded(
        &self,
        job: &JobDefinition,
        pending: Pending,
        fire_time: Timestamp,
    ) -> bool {
        let edited_since = self
            .calendar_of(job)
            .is_some_and(|calendar| fire_time < calendar.changed_at());
        edited_since && pending.was_sent_past(fire_time)
    }

    /// The fire times to run from `pending` on, at most `count`; of a fixed delay only the pending
    /// fire time. Fewer, if too many excluded fire times are in between.
    pub fn fire_times(
        &self,
        id: Uuid,
        job: &JobDefinition,
        pending: Pending,
        count: usize,
    ) -> Vec<Timestamp> {
        let mut search = Search {
            id,
            job,
            exclusions: self,
            steps: STEPS_OF_FIRST,
        };
        let mut fire_times: Vec<Timestamp> =
            search.first(pending).into_iter().take(count).collect();
        // A fresh budget: the stretches to skip count for all fire times together.
        search.steps = LEAPS_MAX + STEPS_OF_EACH * count;
        while let Some(last) = fire_times.last().filter(|_| fire_times.len() < count) {
            let next = search
                .next_open(*last)
                .and_then(|fire_time| search.what_runs(fire_time, pending));
            let Some(next) = next else { break };
            fire_times.push(next);
        }
        fire_times
    }
}

impl Search<'_> {
    /// After too long a search, the first is the fire time of the trigger, unless excluded.
    fn first(&mut self, pending: Pending) -> Option<Timestamp> {
        if matches!(self.job.schedule, Schedule::FixedDelay { .. }) {
            // The end of the next run decides about all later fire times.
            return Some(pending.fire_time);
        }
        let open = self.first_open(pending);
        let runs = open.and_then(|fire_time| self.what_runs(fire_time, pending));
        if self.steps > 0 {
            runs
        } else {
            Some(pending.fire_time).filter(|_| !self.is_excluded(pending))
        }
    }

    /// The trigger may have been moved past fire times no longer excluded. A fire time excluded by
    /// a calendar before the edit stays excluded.
    fn first_open(&mut self, pending: Pending) -> Option<Timestamp> {
        if let Some(excluded_from) = pending.excluded_from {
            let calendar = self.exclusions.calendar_of(self.job);
            let from = calendar.map_or(excluded_from, |calendar| {
                excluded_from.max(calendar.changed_at())
            });
            let open = self.next_open(from - TimeDelta::microseconds(1));
            if let Some(open) = open.filter(|open| *open < pending.fire_time) {
                return Some(open);
            }
        }
        if self.is_excluded(pending) {
            self.next_open(pending.fire_time)
        } else {
            Some(pending.fire_time)
        }
    }

    /// Whether the fire time of the trigger is excluded.
    fn is_excluded(&self, pending: Pending) -> bool {
        let availability =
            self.exclusions
                .availability_of_pending(self.id, self.job, pending, pending.fire_time);
        matches!(availability, Availability::Excluded(_))
    }

    fn next_open(&mut self, after: Timestamp) -> Option<Timestamp> {
        self.exclusions
            .next_open_within(self.id, self.job, after, &mut self.steps)
    }

    /// The fire time to run for an open fire time: the same, or the last fire time deferred by the
    /// same blackout. `None`: the search takes too long.
    fn what_runs(&mut self, fire_time: Timestamp, pending: Pending) -> Option<Timestamp> {
        match self
            .exclusions
            .availability_of_pending(self.id, self.job, pending, fire_time)
        {
            Availability::Deferred(blackout) if blackout.on_end == BlackoutEndPolicy::Collapse => {
                let end = self.end_of_blackouts(blackout.ends_at);
                let last = self.last_due_before(end, fire_time);
                (self.steps > 0).then_some(last)
            }
            _ => Some(fire_time),
        }
    }

    /// The first instant without a blackout, at or after the end of a blackout.
    fn end_of_blackouts(&mut self, mut end: Timestamp) -> Timestamp {
        while let Some(next) = self
            .exclusions
            .blackout_at(self.id, self.job, end)
            .filter(|_| self.steps > 0)
        {
            end = next.ends_at;
            self.steps -= 1;
        }
        end
    }

    /// The last open fire time from `first` on, due before `end`. Each round steps to the next fire
    /// time and halves the rest.
    fn last_due_before(&mut self, end: Timestamp, first: Timestamp) -> Timestamp {
        let (mut last, mut bound) = (first, end);
        while let Some(next) = self.next_due_before(end, last) {
            last = next;
            let middle = last + (bound - last).max(TimeDelta::zero()) / 2;
            match self.next_due_before(end, middle) {
                Some(beyond) => last = beyond,
                None => bound = middle,
            }
        }
        last
    }

    fn next_due_before(&mut self, end: Timestamp, after: Timestamp) -> Option<Timestamp> {
        self.next_open(after)
            .filter(|next| self.job.due_time(self.id, *next) < end)
    }
}
