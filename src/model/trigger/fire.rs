//! What becomes of a trigger that is taken: the one place where fire times are
//! decided about.
//!
//! Every fire time that a trigger passes either runs or is recorded, once. A
//! fire time that is on time is the only one it looks at; what is late, excluded
//! or deferred is walked, so many at a poll, and the next poll goes on.

use super::{FireOutcome, NewExecution, NextState, SkippedRange, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, Blackout, BlackoutEndPolicy, ExcludedBy, Exclusions};
use crate::model::execution::{Reason, execution_id, one_off_execution_id};
use crate::model::job::JobDefinition;
use crate::model::policies::{MisfirePolicy, Policies};
use crate::model::schedule::Schedule;
use crate::model::schedule::calendar::Calendar;
use crate::safeguards::{Safeguard, is_off};
use chrono::TimeDelta;
use uuid::Uuid;

/// Most fire times walked by one poll; the next poll takes the rest, so that a
/// year of missed seconds cannot hold up what is due on time.
const WALK_MAX: usize = 100_000;

/// Fire times that are due, oldest first, each with its availability.
pub(super) type Walked<'a> = [(Timestamp, Availability<'a>)];

impl Trigger {
    /// Decides what becomes of this trigger, taken at `now` (the database's).
    pub fn fire(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> FireOutcome {
        match self.kind {
            TriggerKind::Schedule => self.fire_schedule(job, exclusions, now),
            TriggerKind::Manual | TriggerKind::Buffered | TriggerKind::Rerun => {
                self.fire_one_off(false)
            }
            TriggerKind::Owed => self.fire_owed(job, exclusions, now),
            // Who knows the backfill fires it (`super::backfill`); without one it is nothing.
            TriggerKind::Backfill => FireOutcome::default(),
            TriggerKind::Retry | TriggerKind::Recovery => self.fire_one_off(true),
        }
    }

    /// Where a schedule's trigger goes after the fire time `last`, when `ran` of
    /// its fire times run now.
    pub fn next_state_after(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        last: Timestamp,
        ran: i64,
    ) -> NextState {
        if self.has_run_out(job, ran) {
            NextState::Exhaust
        } else {
            schedule_next(self.job_id, job, exclusions, last)
        }
    }

    /// Where the trigger goes when a poll found nothing to run up to `last`.
    fn next_state_to_poll_again(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        last: Timestamp,
    ) -> NextState {
        let next = job
            .next_fire_time(last)
            .filter(|_| !self.has_run_out(job, 0));
        match next.map(|next| (next, self.availability(job, exclusions, next))) {
            // A poll walks only so many. Were the trigger set to this one, the calendar of now
            // might open it.
            Some((next, Availability::Excluded(_)))
                if exclusions.passed_excluded(job, self.names(), next) =>
            {
                NextState::Advance {
                    fire_time: self.fire_time.max(next),
                    due_at: self.due_at,
                    excluded_from: Some(next),
                }
            }
            // It passed open and waits out its jitter. The calendar of now might close it.
            Some((next, availability @ (Availability::Open | Availability::Deferred(_))))
                if next == self.fire_time =>
            {
                let due_at = due_at(self.job_id, job, next, availability);
                NextState::Advance {
                    fire_time: next,
                    due_at,
                    excluded_from: None,
                }
            }
            _ => self.next_state_after(job, exclusions, last, 0),
        }
    }

    fn fire_one_off(&self, resumes: bool) -> FireOutcome {
        let execution = NewExecution {
            execution_id: self.id,
            fire_time: self.fire_time,
            due_time: self.due_at,
            resumes,
        };
        FireOutcome {
            execution: Some(execution),
            ..FireOutcome::default()
        }
    }

    /// Whether it runs was decided by the version that named it; only a blackout that came since
    /// has a say.
    fn fire_owed(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> FireOutcome {
        let skips = |blackout: &&Blackout| blackout.on_end == BlackoutEndPolicy::Skip;
        if let Some(blackout) = exclusions
            .blackout_at(self.job_id, job, self.due_at)
            .filter(skips)
        {
            let excluded = [(
                self.fire_time,
                Availability::Excluded(ExcludedBy::Blackout(blackout)),
            )];
            return FireOutcome {
                skipped: self.ranges(&excluded, Reason::Calendar, None),
                ..FireOutcome::default()
            };
        }
        match exclusions.blackout_at(self.job_id, job, now.max(self.due_at)) {
            Some(blackout) => self.postponed(blackout.ends_at),
            None => self.fire_one_off(false),
        }
    }

    fn fire_schedule(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> FireOutcome {
        // A poll reaches a little ahead: then it is the due time that counts.
        let at = now.max(self.due_at);
        if matches!(job.schedule, Schedule::FixedDelay { .. }) {
            return self.fire_delay(job, exclusions, at);
        }
        let pending = self.excluded_from.unwrap_or(self.fire_time);
        let on_time = self.excluded_from.is_none() && !is_late(job, now, self.due_at);
        if on_time
            && exclusions.is_open(self.job_id, job, pending, at)
            && job.due_time(self.job_id, pending) <= at
        {
            return self.run_one(job, exclusions, pending);
        }
        let (walked, more) = self.walk(job, exclusions, pending, at);
        self.fire_walked(job, exclusions, now, (&walked, more))
    }

    /// At most one fire time of a fixed delay exists: it can be late, never
    /// missed. While it is excluded it waits, and its chain with it.
    pub(super) fn fire_delay(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        at: Timestamp,
    ) -> FireOutcome {
        if let Some(blackout) = exclusions.blackout_at(self.job_id, job, at) {
            return self.postponed(blackout.ends_at);
        }
        if let Some(calendar) = exclusions
            .calendar_of(job)
            .filter(|calendar| !calendar.is_open(at))
        {
            // No opening in sight: poll again tomorrow.
            return self.postponed(
                calendar
                    .open_again(at, Calendar::sight(at))
                    .unwrap_or(at + TimeDelta::days(1)),
            );
        }
        let execution = self.execution(self.fire_time, self.due_at);
        let next_state = if self.has_run_out(job, 1) {
            NextState::Exhaust
        } else {
            NextState::Await(execution.execution_id)
        };
        FireOutcome {
            execution: Some(execution),
            skipped: Vec::new(),
            next_state,
        }
    }

    fn postponed(&self, due_at: Timestamp) -> FireOutcome {
        let next_state = NextState::Advance {
            fire_time: self.fire_time,
            due_at,
            excluded_from: self.excluded_from,
        };
        FireOutcome {
            next_state,
            ..FireOutcome::default()
        }
    }

    /// The fire times from `first` that are due at `at` or passed excluded, and whether there are
    /// more than were walked. None is due when a calendar or blackout was edited
    /// and the trigger only has to look where it goes now.
    fn walk<'a>(
        &self,
        job: &JobDefinition,
        exclusions: &'a Exclusions,
        first: Timestamp,
        at: Timestamp,
    ) -> (Vec<(Timestamp, Availability<'a>)>, bool) {
        let mut walked = Vec::new();
        let mut next = Some(first);
        let is_decided = |fire_time: &Timestamp| {
            job.due_time(self.job_id, *fire_time) <= at
                || exclusions.passed_excluded(job, self.names(), *fire_time)
        };
        while let Some(fire_time) = next.filter(is_decided) {
            if walked.len() == WALK_MAX {
                return (walked, true);
            }
            walked.push((fire_time, self.availability(job, exclusions, fire_time)));
            next = job.next_fire_time(fire_time);
        }
        (walked, false)
    }

    pub(super) fn availability<'a>(
        &self,
        job: &JobDefinition,
        exclusions: &'a Exclusions,
        fire_time: Timestamp,
    ) -> Availability<'a> {
        exclusions.availability_of_pending(self.job_id, job, self.names(), fire_time)
    }

    /// Records what is excluded in front, then decides about the rest by its first;
    /// in a blackout that has to wait.
    pub(super) fn fire_walked(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
        (walked, more): (&Walked<'_>, bool),
    ) -> FireOutcome {
        let excluded = walked
            .iter()
            .take_while(|(_, availability)| matches!(availability, Availability::Excluded(_)))
            .count();
        let (excluded, rest) = walked.split_at(excluded);
        let mut skipped = self.ranges(excluded, Reason::Calendar, None);
        let Some((fire_time, availability)) = rest.first() else {
            let before = self.pending() - TimeDelta::microseconds(1);
            let last = excluded.last().map_or(before, |(fire_time, _)| *fire_time);
            return FireOutcome {
                execution: None,
                skipped,
                next_state: self.next_state_to_poll_again(job, exclusions, last),
            };
        };
        if let Some(blackout) = exclusions.blackout_at(self.job_id, job, now.max(self.due_at)) {
            let next_state = NextState::Advance {
                fire_time: *fire_time,
                due_at: blackout.ends_at,
                excluded_from: None,
            };
            return FireOutcome {
                execution: None,
                skipped,
                next_state,
            };
        }
        let outcome = match availability {
            Availability::Deferred(blackout) if blackout.on_end == BlackoutEndPolicy::Collapse => {
                self.fold(job, exclusions, (rest, more), |next| {
                    !matches!(next, Availability::Open)
                })
            }
            Availability::Deferred(_) => self.run_one(job, exclusions, *fire_time),
            _ if !is_late(job, now, job.due_time(self.job_id, *fire_time)) => {
                self.run_one(job, exclusions, *fire_time)
            }
            _ => self.misfire(job, exclusions, now, (rest, more)),
        };
        skipped.extend(outcome.skipped);
        FireOutcome { skipped, ..outcome }
    }

    fn misfire(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
        (rest, more): (&Walked<'_>, bool),
    ) -> FireOutcome {
        let missed = |next: &Availability<'_>| !matches!(next, Availability::Deferred(_));
        match job.policies.misfire_policy {
            MisfirePolicy::FireOnce => {
                let part = self.up_to_the_grace(job, now, (rest, more));
                self.fold(job, exclusions, (part, more), missed)
            }
            MisfirePolicy::FireAll => {
                self.catch_up(job, exclusions, now, (leading(rest, missed), more))
            }
            MisfirePolicy::Skip => {
                let part = self.up_to_the_grace(job, now, (rest, more));
                self.skip(job, exclusions, leading(part, missed))
            }
        }
    }

    /// The fire times that this poll decides about. The oldest that is pending speaks for all that
    /// are due, also for those within their grace; so a poll that does not see them all leaves a
    /// late one to the next poll.
    fn up_to_the_grace<'w, 'a>(
        &self,
        job: &JobDefinition,
        now: Timestamp,
        (rest, more): (&'w Walked<'a>, bool),
    ) -> &'w Walked<'a> {
        let late = |fire_time| is_late(job, now, job.due_time(self.job_id, fire_time));
        let next = rest.last().and_then(|(last, _)| job.next_fire_time(*last));
        if !more || next.is_some_and(late) {
            return rest;
        }
        match rest.partition_point(|(fire_time, _)| late(*fire_time)) {
            // A grace of more fire times than a poll walks: it has to go on all the same.
            0 | 1 => rest,
            late => &rest[..late - 1],
        }
    }

    /// The last one that is not excluded runs, the others are folded into it.
    fn fold(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        (rest, more): (&Walked<'_>, bool),
        belongs: impl Fn(&Availability<'_>) -> bool,
    ) -> FireOutcome {
        let group = leading(rest, belongs);
        if more && group.len() == rest.len() {
            // The last one is not in sight: fold what was walked, and poll again.
            let skipped = self.ranges(group, Reason::Coalesced, None);
            return FireOutcome {
                execution: None,
                skipped,
                next_state: self.next_state_after(job, exclusions, group[group.len() - 1].0, 0),
            };
        }
        // Never all of them: the first of the rest is not excluded.
        let last = group
            .iter()
            .rposition(|(_, availability)| !matches!(availability, Availability::Excluded(_)))
            .unwrap_or(0);
        let mut outcome = self.run_one(job, exclusions, group[last].0);
        outcome.skipped = self.ranges(
            &group[..last],
            Reason::Coalesced,
            outcome.execution.map(|execution| execution.execution_id),
        );
        outcome
    }

    /// None of these fire times runs.
    fn skip(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        missed: &Walked<'_>,
    ) -> FireOutcome {
        let last = missed
            .last()
            .map_or(self.fire_time, |(fire_time, _)| *fire_time);
        let skipped = self.ranges(missed, Reason::Misfire, None);
        FireOutcome {
            execution: None,
            skipped,
            next_state: self.next_state_after(job, exclusions, last, 0),
        }
    }

    /// `FIRE_ALL`: the oldest missed fire time within the bounds runs; those
    /// beyond them are skipped. The trigger stays overdue, and the lease's lane
    /// for what is overdue takes it again, one fire time a poll.
    fn catch_up(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
        (missed, more): (&Walked<'_>, bool),
    ) -> FireOutcome {
        let Policies {
            catch_up_window_seconds: window,
            max_catch_up: most,
            ..
        } = job.policies;
        let most = most.map(|most| usize::try_from(most).unwrap_or(0));
        let oldest = window.map(|seconds| now - TimeDelta::seconds(seconds.into()));
        let open = || {
            missed
                .iter()
                .enumerate()
                .filter(|(_, (_, availability))| matches!(availability, Availability::Open))
        };
        let too_many = most.map_or(0, |most| open().count().saturating_sub(most));
        let too_old = oldest.map_or(0, |oldest| {
            open()
                .take_while(|(_, (fire_time, _))| *fire_time < oldest)
                .count()
        });
        match too_many.max(too_old) {
            0 => self.run_one(job, exclusions, missed[0].0),
            beyond => {
                let end = open()
                    .nth(beyond)
                    .map_or(missed.len(), |(position, _)| position);
                let decided = self.up_to_the_grace(job, now, (missed, more)).len();
                self.skip(job, exclusions, &missed[..end.min(decided)])
            }
        }
    }

    /// This fire time runs, and the trigger goes to the one after it.
    fn run_one(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        fire_time: Timestamp,
    ) -> FireOutcome {
        let due_time = if fire_time == self.fire_time {
            self.due_at
        } else {
            job.due_time(self.job_id, fire_time)
        };
        let execution = self.execution(fire_time, due_time);
        FireOutcome {
            execution: Some(execution),
            skipped: Vec::new(),
            next_state: self.next_state_after(job, exclusions, fire_time, 1),
        }
    }

    pub(super) fn execution(&self, fire_time: Timestamp, due_time: Timestamp) -> NewExecution {
        let execution_id = if is_off(Safeguard::DeterministicId) {
            one_off_execution_id(fire_time)
        } else {
            execution_id(self.job_id, TriggerKind::Schedule, fire_time)
        };
        NewExecution {
            execution_id,
            fire_time,
            due_time,
            resumes: false,
        }
    }

    fn has_run_out(&self, job: &JobDefinition, ran: i64) -> bool {
        job.policies
            .max_runs
            .is_some_and(|most| self.runs + ran >= most)
    }

    /// Range rows for fire times that are not run: those that are not closed for
    /// `reason`, folded `into` another; the excluded ones between them by what
    /// excluded them.
    pub(super) fn ranges(
        &self,
        fire_times: &Walked<'_>,
        reason: Reason,
        into: Option<Uuid>,
    ) -> Vec<SkippedRange> {
        let alike = |(_, this): &(_, Availability<'_>), (_, that): &(_, Availability<'_>)| match (
            this, that,
        ) {
            (Availability::Excluded(this), Availability::Excluded(that)) => this.is_by(*that),
            (this, that) => {
                !matches!(this, Availability::Excluded(_))
                    && !matches!(that, Availability::Excluded(_))
            }
        };
        let range = |fire_times: &Walked<'_>| {
            let (first, availability) = *fire_times.first()?;
            let (through, _) = *fire_times.last()?;
            let (reason, message, coalesced_into) = match availability {
                Availability::Excluded(excluded) => {
                    (Reason::Calendar, Some(excluded.reason()), None)
                }
                Availability::Open | Availability::Deferred(_) => (reason, None, into),
            };
            Some(SkippedRange {
                execution_id: execution_id(self.job_id, TriggerKind::Schedule, first),
                fire_time: first,
                through_fire_time: through,
                occurrences: i32::try_from(fire_times.len()).unwrap_or(i32::MAX),
                reason,
                message,
                coalesced_into,
            })
        };
        fire_times.chunk_by(alike).filter_map(range).collect()
    }
}

/// Where a schedule's trigger goes after a fire time: to the first that is not
/// excluded, due when nothing holds it back. When none is in sight it goes to the
/// next, which is judged again when it is due.
pub fn schedule_next(
    id: Uuid,
    job: &JobDefinition,
    exclusions: &Exclusions,
    after: Timestamp,
) -> NextState {
    let Some(next) = job.next_fire_time(after) else {
        return NextState::Exhaust;
    };
    let availability = exclusions.availability(id, job, next);
    let Availability::Excluded(_) = availability else {
        return NextState::Advance {
            fire_time: next,
            due_at: due_at(id, job, next, availability),
            excluded_from: None,
        };
    };
    let fire_time = exclusions.next_open(id, job, next).unwrap_or(next);
    let due_at = due_at(
        id,
        job,
        fire_time,
        exclusions.availability(id, job, fire_time),
    );
    NextState::Advance {
        fire_time,
        due_at,
        excluded_from: Some(next),
    }
}

/// When a fire time may start.
fn due_at(
    id: Uuid,
    job: &JobDefinition,
    fire_time: Timestamp,
    availability: Availability<'_>,
) -> Timestamp {
    match availability {
        Availability::Deferred(blackout) => blackout.ends_at,
        Availability::Open | Availability::Excluded(_) => job.due_time(id, fire_time),
    }
}

fn is_late(job: &JobDefinition, now: Timestamp, due_at: Timestamp) -> bool {
    now - due_at > job.policies.misfire_grace()
}

/// The fire times in front that belong together.
fn leading<'w, 'a>(
    rest: &'w Walked<'a>,
    belongs: impl Fn(&Availability<'_>) -> bool,
) -> &'w Walked<'a> {
    let end = rest
        .iter()
        .position(|(_, availability)| !belongs(availability))
        .unwrap_or(rest.len());
    &rest[..end]
}
