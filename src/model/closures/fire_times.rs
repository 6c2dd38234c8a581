//! The fire times of a schedule that run if nothing is changed, as a person is shown them: what looks that come when
//! something is due make of them (`crate::model::trigger`). What does not run is leapt over, not walked, so that a
//! year-long blackout of a job that fires every second costs some fifty looks at its schedule.

use super::{Afterwards, Closures, Judgement, LEAPS_MAX};
use crate::model::Timestamp;
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use chrono::TimeDelta;
use uuid::Uuid;

/// Looks at the schedule for the first fire time: more than it takes to find the last one of a year of seconds.
const STEPS_OF_FIRST: usize = 128;
/// Looks for each of the others; and for all of them together as many as one search may leap.
const STEPS_OF_EACH: usize = 8;

/// What a schedule's trigger has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The fire time that it names.
    pub fire_time: Timestamp,
    /// The first closed fire time that it was sent past.
    pub closed_from: Option<Timestamp>,
}

/// A search through the fire times of one job.
struct Search<'a> {
    id: Uuid,
    job: &'a JobDefinition,
    closures: &'a Closures,
    /// Looks at the schedule that it may still take.
    steps: usize,
}

impl Closures {
    /// The fire times from `pending` on that run, at most `count`; only the pending one of a fixed delay. Fewer when too
    /// many that do not run lie between them.
    pub fn fire_times(&self, id: Uuid, job: &JobDefinition, pending: Pending, count: usize) -> Vec<Timestamp> {
        let mut search = Search { id, job, closures: self, steps: STEPS_OF_FIRST };
        let mut fire_times: Vec<Timestamp> = search.first(pending).into_iter().take(count).collect();
        search.steps = LEAPS_MAX + STEPS_OF_EACH * count;
        while let Some(last) = fire_times.last().filter(|_| fire_times.len() < count) {
            let next = search.next_open(*last).and_then(|fire_time| search.what_runs(fire_time));
            let Some(next) = next else { break };
            fire_times.push(next);
        }
        fire_times
    }
}

impl Search<'_> {
    /// When the search for it takes too long, the first is what the trigger names, unless that is closed.
    fn first(&mut self, pending: Pending) -> Option<Timestamp> {
        if matches!(self.job.schedule, Schedule::FixedDelay { .. }) {
            return Some(pending.fire_time);
        }
        let open = self.first_open(pending);
        let runs = open.and_then(|fire_time| self.what_runs(fire_time));
        if self.steps > 0 { runs } else { Some(pending.fire_time).filter(|fire_time| !self.is_closed(*fire_time)) }
    }

    /// The trigger may have been sent past what a calendar or a blackout closes no longer; but what a calendar had closed
    /// before it was edited stays closed.
    fn first_open(&mut self, pending: Pending) -> Option<Timestamp> {
        if let Some(closed_from) = pending.closed_from {
            let calendar = self.closures.calendar_of(self.job);
            let from = calendar.map_or(closed_from, |calendar| closed_from.max(calendar.changed_at()));
            let open = self.next_open(from - TimeDelta::microseconds(1));
            if let Some(open) = open.filter(|open| *open < pending.fire_time) {
                return Some(open);
            }
        }
        if self.is_closed(pending.fire_time) { self.next_open(pending.fire_time) } else { Some(pending.fire_time) }
    }

    fn is_closed(&self, fire_time: Timestamp) -> bool {
        matches!(self.closures.judge(self.id, self.job, fire_time), Judgement::Closed(_))
    }

    fn next_open(&mut self, after: Timestamp) -> Option<Timestamp> {
        self.closures.next_open_within(self.id, self.job, after, &mut self.steps)
    }

    /// The fire time that runs of those with which this open one is decided about: itself, or the last that a blackout
    /// holds back with it. None when the search takes too long.
    fn what_runs(&mut self, fire_time: Timestamp) -> Option<Timestamp> {
        match self.closures.judge(self.id, self.job, fire_time) {
            Judgement::Held(blackout) if blackout.afterwards == Afterwards::Collapse => {
                let end = self.end_of_blackouts(blackout.ends_at);
                let last = self.last_due_before(end, fire_time);
                (self.steps > 0).then_some(last)
            }
            _ => Some(fire_time),
        }
    }

    /// The first instant from the end of a blackout on that lies in none.
    fn end_of_blackouts(&mut self, mut end: Timestamp) -> Timestamp {
        while let Some(next) = self.closures.blackout_at(self.id, self.job, end).filter(|_| self.steps > 0) {
            end = next.ends_at;
            self.steps -= 1;
        }
        end
    }

    /// The last open fire time from `first` on that is due before `end`: each round steps to the next, and halves what
    /// lies behind it.
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
        self.next_open(after).filter(|next| self.job.due_time(self.id, *next) < end)
    }
}
