//! Triggers: pending due times, and what becomes of one when it is taken.
//!
//! Cron, run-now, retry and recovery are all triggers, taken by one statement
//! (`store::leases`). [`Trigger::fire`] decides about fire times: which runs,
//! which are recorded and not run, which comes next. It is pure, so that two
//! nodes can never decide differently. Whether a fire time overlaps a running
//! execution depends on the cluster; `super::overlap` decides that after it.

use super::execution::{Reason, execution_id};
use super::job::JobDefinition;
use super::policies::{MisfirePolicy, Policies};
use super::schedule::Schedule;
use super::{Timestamp, named};
use chrono::TimeDelta;
use std::collections::VecDeque;
use uuid::Uuid;

/// Most missed fire times walked by one look; the next look takes the rest, so
/// that a year of missed seconds cannot hold up what is due on time.
const WALK_MAX: u32 = 100_000;

named! {
    /// What made a trigger.
    TriggerKind, "trigger kind" {
        /// The job's schedule; one per job.
        Schedule = "SCHEDULE",
        /// A person: run now.
        Manual = "MANUAL",
        /// A failed attempt that is tried again.
        Retry = "RETRY",
        /// A lost attempt that is run again.
        Recovery = "RECOVERY",
        /// A past range that a person asked for.
        Backfill = "BACKFILL",
        /// A fire time that waited for the previous execution to end.
        Buffered = "BUFFERED",
    }
}

/// One pending due time of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The job's id for the kind `SCHEDULE`, else the execution's id.
    pub id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// What made it.
    pub kind: TriggerKind,
    /// The instant that the schedule names; never rewritten.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_at: Timestamp,
    /// Fire times of the schedule that were run, for `maxRuns`.
    pub runs: i64,
}

/// What a taken trigger becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firing {
    /// The execution to start, if any.
    pub run: Option<Run>,
    /// Fire times that are recorded and not run, oldest first.
    pub skipped: Vec<Skipped>,
    /// What becomes of the trigger.
    pub then: Then,
}

/// An execution to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The occurrence's identity.
    pub execution_id: Uuid,
    /// The instant that the schedule names.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_time: Timestamp,
    /// True when the execution's row exists (retry, recovery) and is resumed.
    pub resumes: bool,
}

/// A run of consecutive fire times of one job that is recorded as one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The identity of the first.
    pub execution_id: Uuid,
    /// The first.
    pub fire_time: Timestamp,
    /// The last; equal to the first when there is one.
    pub through_fire_time: Timestamp,
    /// How many.
    pub occurrences: i32,
    /// Why they are not run.
    pub reason: Reason,
    /// The execution that they were folded into; none when it comes later.
    pub coalesced_into: Option<Uuid>,
}

/// What becomes of a taken trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// It moves on to the next fire time.
    Advance {
        /// The instant that the schedule names.
        fire_time: Timestamp,
        /// When it may start.
        due_at: Timestamp,
    },
    /// It waits for the end of its execution (fixed delay).
    Await(Uuid),
    /// The schedule names no further fire time; the trigger stays, never due.
    Exhaust,
    /// It was for one execution only.
    #[default]
    Remove,
}

impl Trigger {
    /// Decides what becomes of this trigger, taken at `now` (the database's).
    pub fn fire(&self, job: &JobDefinition, now: Timestamp) -> Firing {
        match self.kind {
            TriggerKind::Schedule => self.fire_schedule(job, now),
            TriggerKind::Manual | TriggerKind::Backfill | TriggerKind::Buffered => self.fire_one_off(false),
            TriggerKind::Retry | TriggerKind::Recovery => self.fire_one_off(true),
        }
    }

    fn fire_one_off(&self, resumes: bool) -> Firing {
        let run = Run { execution_id: self.id, fire_time: self.fire_time, due_time: self.due_at, resumes };
        Firing { run: Some(run), ..Firing::default() }
    }

    fn fire_schedule(&self, job: &JobDefinition, now: Timestamp) -> Firing {
        let late = now - self.due_at > job.policies.misfire_grace();
        match (&job.schedule, job.policies.misfire_policy) {
            // At most one fire time of a fixed delay exists: it can be late, never missed.
            (Schedule::FixedDelay { .. }, _) => {
                let run = self.run(self.fire_time, self.due_at);
                Firing { run: Some(run), then: self.then_await(job, run.execution_id), ..Firing::default() }
            }
            _ if !late => self.fire_on_time(job),
            (_, MisfirePolicy::FireAll) => self.catch_up(job, now),
            (_, policy) => self.misfire(job, now, policy),
        }
    }

    fn fire_on_time(&self, job: &JobDefinition) -> Firing {
        let run = self.run(self.fire_time, self.due_at);
        Firing { run: Some(run), then: self.then_advance(job, self.fire_time, 1), ..Firing::default() }
    }

    /// `FIRE_ONCE`: the last missed fire time runs, the others are folded into
    /// it. `SKIP`: none runs.
    fn misfire(&self, job: &JobDefinition, now: Timestamp, policy: MisfirePolicy) -> Firing {
        let missed = self.missed(job, now);
        if policy == MisfirePolicy::Skip {
            let skipped = missed.range(self, 0, missed.count, Reason::Misfire, None);
            return Firing { run: None, skipped, then: self.then_advance(job, missed.last, 0) };
        }
        if missed.more {
            // The last one is not in sight: fold what was walked, and look again.
            let skipped = missed.range(self, 0, missed.count, Reason::Coalesced, None);
            return Firing { run: None, skipped, then: self.then_advance(job, missed.last, 0) };
        }
        let run = self.run(missed.last, job.due_time(self.job_id, missed.last));
        let skipped = missed.range(self, 0, missed.count - 1, Reason::Coalesced, Some(run.execution_id));
        Firing { run: Some(run), skipped, then: self.then_advance(job, missed.last, 1) }
    }

    /// `FIRE_ALL`: the oldest missed fire time within the bounds runs; those
    /// beyond them are skipped. The trigger stays overdue, and the lease's lane
    /// for what is overdue takes it again, one fire time a look.
    fn catch_up(&self, job: &JobDefinition, now: Timestamp) -> Firing {
        let Policies { catch_up_window_seconds: window, max_catch_up: most, .. } = job.policies;
        let (window, most) = (window.map(|seconds| now - TimeDelta::seconds(seconds.into())), most.map(i64::from));
        if window.is_none_or(|oldest| self.fire_time >= oldest) && most.is_none() {
            return self.fire_on_time(job);
        }
        let missed = self.missed(job, now);
        if missed.more && most.is_some() {
            let skipped = missed.range(self, 0, missed.count, Reason::Misfire, None);
            return Firing { run: None, skipped, then: self.then_advance(job, missed.last, 0) };
        }
        let too_many = most.map_or(0, |most| (missed.count - most).max(0));
        let too_old = window.map_or(0, |oldest| missed.before(oldest));
        match too_many.max(too_old) {
            0 => self.fire_on_time(job),
            beyond => {
                let skipped = missed.range(self, 0, beyond, Reason::Misfire, None);
                let last = skipped.last().map_or(self.fire_time, |range| range.through_fire_time);
                Firing { run: None, skipped, then: self.then_advance(job, last, 0) }
            }
        }
    }

    /// Walks the fire times from this trigger's to the last that is due at
    /// `now`, at most `WALK_MAX`.
    fn missed(&self, job: &JobDefinition, now: Timestamp) -> Missed {
        let mut fire_times = VecDeque::from([self.fire_time]);
        let mut last = self.fire_time;
        let due = |fire_time: &Timestamp| job.due_time(self.job_id, *fire_time) <= now;
        while let Some(next) = job.next_fire_time(last).filter(due) {
            if fire_times.len() >= WALK_MAX as usize {
                return Missed { count: i64::from(WALK_MAX), last, more: true, fire_times };
            }
            fire_times.push_back(next);
            last = next;
        }
        Missed { count: i64::try_from(fire_times.len()).unwrap_or(i64::MAX), last, more: false, fire_times }
    }

    fn run(&self, fire_time: Timestamp, due_time: Timestamp) -> Run {
        let execution_id = execution_id(self.job_id, TriggerKind::Schedule, fire_time);
        Run { execution_id, fire_time, due_time, resumes: false }
    }

    /// What becomes of a schedule's trigger after `last`, when `ran` of its fire
    /// times run now.
    pub fn then_advance(&self, job: &JobDefinition, last: Timestamp, ran: i64) -> Then {
        if self.has_run_out(job, ran) {
            return Then::Exhaust;
        }
        job.next_fire_time(last).map_or(Then::Exhaust, |fire_time| Then::Advance {
            fire_time,
            due_at: job.due_time(self.job_id, fire_time),
        })
    }

    fn then_await(&self, job: &JobDefinition, execution_id: Uuid) -> Then {
        if self.has_run_out(job, 1) { Then::Exhaust } else { Then::Await(execution_id) }
    }

    fn has_run_out(&self, job: &JobDefinition, ran: i64) -> bool {
        job.policies.max_runs.is_some_and(|most| self.runs + ran >= most)
    }
}

/// Missed fire times of one schedule, oldest first; never none.
struct Missed {
    fire_times: VecDeque<Timestamp>,
    count: i64,
    last: Timestamp,
    /// Whether there are more than were walked.
    more: bool,
}

impl Missed {
    /// How many lie before an instant.
    fn before(&self, instant: Timestamp) -> i64 {
        i64::try_from(self.fire_times.partition_point(|fire_time| *fire_time < instant)).unwrap_or(i64::MAX)
    }

    /// The fire times from one position to before another as a range row, if any.
    fn range(&self, of: &Trigger, from: usize, to: i64, reason: Reason, into: Option<Uuid>) -> Vec<Skipped> {
        let to = usize::try_from(to).unwrap_or(0).min(self.fire_times.len());
        if to <= from {
            return Vec::new();
        }
        let (first, last) = (self.fire_times[from], self.fire_times[to - 1]);
        vec![Skipped {
            execution_id: execution_id(of.job_id, TriggerKind::Schedule, first),
            fire_time: first,
            through_fire_time: last,
            occurrences: i32::try_from(to - from).unwrap_or(i32::MAX),
            reason,
            coalesced_into: into,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JOB: Uuid = Uuid::from_u128(42);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_795_000_000 + seconds, 0).expect("in range")
    }

    fn every(seconds: i64) -> JobDefinition {
        job(Schedule::FixedRate { interval: TimeDelta::seconds(seconds), anchor: at(0) })
    }

    fn job(schedule: Schedule) -> JobDefinition {
        JobDefinition::plain("job", schedule)
    }

    fn every_with(seconds: i64, change: impl FnOnce(&mut Policies)) -> JobDefinition {
        let mut job = every(seconds);
        change(&mut job.policies);
        job
    }

    fn advance(fire_time: Timestamp) -> Then {
        Then::Advance { fire_time, due_at: fire_time }
    }

    fn trigger(kind: TriggerKind, fire_time: Timestamp) -> Trigger {
        Trigger { id: JOB, job_id: JOB, kind, fire_time, due_at: fire_time, runs: 0 }
    }

    fn id(fire_time: Timestamp) -> Uuid {
        execution_id(JOB, TriggerKind::Schedule, fire_time)
    }

    #[test]
    fn an_on_time_trigger_runs_and_moves_to_the_next_fire_time() {
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&every(10), at(10));
        assert_eq!(firing.run.map(|run| (run.execution_id, run.fire_time)), Some((id(at(10)), at(10))));
        assert_eq!((firing.skipped, firing.then), (vec![], advance(at(20))));
    }

    #[test]
    fn late_within_the_grace_is_simply_late() {
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&every(10), at(70));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(10)));
        assert_eq!(firing.then, advance(at(20)));
    }

    #[test]
    fn a_misfire_runs_the_last_missed_and_folds_the_others_into_it() {
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&every(10), at(75));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(70)));
        let [skipped] = firing.skipped[..] else { panic!("one range") };
        assert_eq!((skipped.execution_id, skipped.fire_time, skipped.through_fire_time), (id(at(10)), at(10), at(60)));
        assert_eq!((skipped.occurrences, skipped.coalesced_into), (6, Some(id(at(70)))));
        assert_eq!(firing.then, advance(at(80)));
    }

    #[test]
    fn a_single_missed_fire_time_runs_and_folds_nothing() {
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&every(1_000), at(100));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(10)));
        assert_eq!((firing.skipped, firing.then), (vec![], advance(at(1_000))));
    }

    #[test]
    fn folding_is_bounded_and_goes_on_with_the_next_look() {
        let first = trigger(TriggerKind::Schedule, at(0)).fire(&every(1), at(150_000));
        assert_eq!(first.run, None);
        let [skipped] = first.skipped[..] else { panic!("one range") };
        assert_eq!(
            (skipped.occurrences, skipped.through_fire_time, skipped.coalesced_into),
            (100_000, at(99_999), None)
        );
        assert_eq!(first.then, advance(at(100_000)));

        let rest = trigger(TriggerKind::Schedule, at(100_000)).fire(&every(1), at(150_000));
        assert_eq!(rest.run.map(|run| run.fire_time), Some(at(150_000)));
        assert_eq!(rest.skipped[0].occurrences, 50_000);
    }

    #[test]
    fn a_fixed_delay_waits_for_the_end_of_its_run_however_late() {
        let schedule = job(Schedule::FixedDelay { interval: TimeDelta::seconds(5) });
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&schedule, at(100_000));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(10)));
        assert_eq!((firing.skipped, firing.then), (vec![], Then::Await(id(at(10)))));
    }

    #[test]
    fn one_off_triggers_keep_the_id_of_their_birth() {
        for (kind, resumes) in [(TriggerKind::Manual, false), (TriggerKind::Recovery, true), (TriggerKind::Retry, true)]
        {
            let mut one_off = trigger(kind, at(10));
            one_off.id = Uuid::from_u128(99);
            let firing = one_off.fire(&every(10), at(500));
            assert_eq!(firing.run.map(|run| (run.execution_id, run.resumes)), Some((Uuid::from_u128(99), resumes)));
            assert_eq!(firing.then, Then::Remove);
        }
    }

    #[test]
    fn skip_records_what_was_missed_and_runs_none() {
        let job = every_with(10, |p| p.misfire_policy = MisfirePolicy::Skip);
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&job, at(75));
        let [skipped] = firing.skipped[..] else { panic!("one range") };
        assert_eq!((skipped.fire_time, skipped.through_fire_time, skipped.occurrences), (at(10), at(70), 7));
        assert_eq!((skipped.reason, skipped.coalesced_into), (Reason::Misfire, None));
        assert_eq!((firing.run, firing.then), (None, advance(at(80))));
    }

    #[test]
    fn fire_all_runs_every_one_oldest_first() {
        let job = every_with(10, |p| p.misfire_policy = MisfirePolicy::FireAll);
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&job, at(500));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(10)));
        assert_eq!((firing.skipped, firing.then), (vec![], advance(at(20))));
    }

    #[test]
    fn fire_all_skips_what_is_older_than_its_window_or_beyond_its_number() {
        let bounds: [fn(&mut Policies); 2] = [|p| p.catch_up_window_seconds = Some(100), |p| p.max_catch_up = Some(11)];
        for bound in bounds {
            let job = every_with(10, |p| {
                p.misfire_policy = MisfirePolicy::FireAll;
                bound(p);
            });
            let first = trigger(TriggerKind::Schedule, at(10)).fire(&job, at(500));
            let [skipped] = first.skipped[..] else { panic!("one range") };
            assert_eq!((skipped.through_fire_time, skipped.occurrences), (at(390), 39));
            assert_eq!((first.run, first.then), (None, advance(at(400))));
            let next = trigger(TriggerKind::Schedule, at(400)).fire(&job, at(500));
            assert_eq!(next.run.map(|run| run.fire_time), Some(at(400)));
        }
    }

    #[test]
    fn the_grace_is_the_jobs_own() {
        let job = every_with(10, |p| p.misfire_grace_seconds = 5);
        let firing = trigger(TriggerKind::Schedule, at(10)).fire(&job, at(36));
        assert_eq!(firing.run.map(|run| run.fire_time), Some(at(30)));
    }

    #[test]
    fn a_schedule_ends_with_its_last_run_or_at_its_end() {
        let job = every_with(10, |p| p.max_runs = Some(3));
        let third = Trigger { runs: 2, ..trigger(TriggerKind::Schedule, at(10)) };
        assert_eq!(third.fire(&job, at(10)).then, Then::Exhaust);
        let second = Trigger { runs: 1, ..trigger(TriggerKind::Schedule, at(10)) };
        assert_eq!(second.fire(&job, at(10)).then, advance(at(20)));
        let job = every_with(10, |p| p.end_at = Some(at(25)));
        assert_eq!(trigger(TriggerKind::Schedule, at(10)).fire(&job, at(10)).then, advance(at(20)));
        assert_eq!(trigger(TriggerKind::Schedule, at(20)).fire(&job, at(20)).then, Then::Exhaust);
    }

    proptest! {
        /// Whatever the downtime and the policy: every fire time up to now is run
        /// or recorded, once, in order, and the trigger ends beyond now.
        #[test]
        fn every_missed_fire_time_is_run_or_recorded_once(
            step in 1_i64..50, down in 0_i64..3_000, grace in 0_i32..100, policy in 0_usize..3,
            window in proptest::option::of(1_i32..500), most in proptest::option::of(1_i32..50), jitter in 0_i32..40,
        ) {
            let job = every_with(step, |p| {
                p.misfire_policy = [MisfirePolicy::FireOnce, MisfirePolicy::FireAll, MisfirePolicy::Skip][policy];
                (p.misfire_grace_seconds, p.jitter_seconds) = (grace, jitter);
                (p.catch_up_window_seconds, p.max_catch_up) = (window, most);
            });
            let now = at(down);
            let mut pending = Trigger { due_at: job.due_time(JOB, at(0)), ..trigger(TriggerKind::Schedule, at(0)) };
            let (mut accounted, mut runs) = (Vec::new(), 0_i64);
            while pending.due_at <= now {
                let firing = pending.fire(&job, now);
                for range in &firing.skipped {
                    let mut fire_time = range.fire_time;
                    for _ in 0..range.occurrences {
                        accounted.push(fire_time);
                        fire_time += TimeDelta::seconds(step);
                    }
                    prop_assert_eq!(*accounted.last().unwrap(), range.through_fire_time);
                }
                accounted.extend(firing.run.map(|run| run.fire_time));
                runs += i64::from(firing.run.is_some());
                let Then::Advance { fire_time, due_at } = firing.then else { panic!("it goes on") };
                prop_assert!(fire_time > pending.fire_time && due_at >= fire_time);
                (pending.fire_time, pending.due_at) = (fire_time, due_at);
            }
            let oracle: Vec<Timestamp> = (0..=down + step).map(|k| at(k * step)).take_while(|t| *t < pending.fire_time).collect();
            prop_assert_eq!(&accounted, &oracle);
            prop_assert!(policy != 1 || window.is_some() || most.is_some() || runs == i64::try_from(oracle.len()).unwrap());
        }

        #[test]
        fn jitter_is_the_same_everywhere_and_keeps_the_order(step in 1_i64..100, jitter in 0_i32..1_000, k in 0_i64..10_000) {
            let job = every_with(step, |p| p.jitter_seconds = jitter);
            let (this, next) = (at(k * step), at((k + 1) * step));
            let due = job.due_time(JOB, this);
            prop_assert_eq!(due, job.due_time(JOB, this));
            prop_assert!(due >= this && due < next && due <= this + TimeDelta::seconds(jitter.into()));
            prop_assert!(due <= job.due_time(JOB, next));
        }
    }
}
