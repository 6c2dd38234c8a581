//! Upcoming: the number of fire times in each coming minute.
//!
//! Jobs with the same schedule form one [`Group`] and are computed once. The work is bounded; an
//! incomplete plan is marked.

use super::Timestamp;
use super::exclusions::Exclusions;
use super::job::JobDefinition;
use super::schedule::Schedule;
use chrono::{DurationRound, TimeDelta};
use uuid::Uuid;

/// Longest plan, in minutes: a week.
pub const MINUTES_MAX: usize = 7 * 1_440;
/// Most fire times of a plan: a few hundred milliseconds of work.
const WALK_MAX: usize = 2_000_000;
/// Number of the fullest minutes in the list.
const CROWDED: usize = 10;

/// Jobs with the same schedule.
#[derive(Debug, Clone)]
pub struct Group {
    /// Id of a job of the group.
    pub id: Uuid,
    pub job: JobDefinition,
    /// Number of all jobs.
    pub jobs: u32,
    /// Some of the jobs.
    pub named: Vec<(Uuid, String)>,
}

/// Fire times per minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Start of the first minute.
    pub from: Timestamp,
    /// Fire times of each minute.
    pub minutes: Vec<u32>,
    /// The fullest minutes, fullest first, with some of the jobs.
    pub crowded: Vec<(Timestamp, u32, Vec<String>)>,
    /// `false`: fire times were left out to bound the work.
    pub complete: bool,
}

impl Plan {
    /// Counts the fire times of the groups in the `minutes` minutes after `now`.
    pub fn of(groups: &[Group], exclusions: &Exclusions, now: Timestamp, minutes: usize) -> Self {
        let from = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let mut plan = Self {
            from,
            minutes: vec![0; minutes.min(MINUTES_MAX)],
            crowded: Vec::new(),
            complete: true,
        };
        let mut budget = WALK_MAX;
        for group in groups {
            plan.add(group, exclusions, now, &mut budget);
        }
        plan.name_crowded(groups, exclusions);
        plan
    }

    fn add(&mut self, group: &Group, exclusions: &Exclusions, now: Timestamp, budget: &mut usize) {
        let end = self.end();
        let mut next = first(group, exclusions, now);
        while let Some(fire_time) = next.filter(|fire_time| *fire_time < end) {
            if *budget == 0 {
                self.complete = false;
                return;
            }
            *budget -= 1;
            let minute = usize::try_from((fire_time - self.from).num_minutes()).unwrap_or(0);
            if let Some(count) = self.minutes.get_mut(minute) {
                *count = count.saturating_add(group.jobs);
            }
            next = exclusions.next_open(group.id, &group.job, fire_time);
        }
    }

    fn end(&self) -> Timestamp {
        self.from + TimeDelta::minutes(i64::try_from(self.minutes.len()).unwrap_or(0))
    }

    fn name_crowded(&mut self, groups: &[Group], exclusions: &Exclusions) {
        let mut fullest: Vec<(usize, u32)> = self.minutes.iter().copied().enumerate().collect();
        fullest.retain(|(_, fires)| *fires > 1);
        fullest.sort_by_key(|(minute, fires)| (std::cmp::Reverse(*fires), *minute));
        let named = fullest.into_iter().take(CROWDED).map(|(minute, fires)| {
            let start = self.from + TimeDelta::minutes(i64::try_from(minute).unwrap_or(0));
            let before = start - TimeDelta::microseconds(1);
            let some = groups
                .iter()
                .filter(|group| {
                    let next = exclusions.next_open(group.id, &group.job, before);
                    next.is_some_and(|next| next < start + TimeDelta::minutes(1))
                })
                .flat_map(|group| &group.named)
                .take(5);
            let names = some.map(|(_, name)| name.clone()).collect();
            (start, fires, names)
        });
        self.crowded = named.collect();
    }
}

/// The first fire time after `now`. A fixed delay depends on executions, and is not planned.
fn first(group: &Group, exclusions: &Exclusions, now: Timestamp) -> Option<Timestamp> {
    match group.job.schedule {
        Schedule::FixedDelay { .. } => None,
        _ => exclusions.next_open(group.id, &group.job, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        "2026-11-24T10:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::seconds(seconds)
    }

    fn group(name: &str, seconds: i64, jobs: u32) -> Group {
        let schedule = Schedule::FixedRate {
            interval: TimeDelta::seconds(seconds),
            anchor: at(0),
        };
        let id = Uuid::from_u128(seconds.unsigned_abs().into());
        Group {
            id,
            job: JobDefinition::plain(name, schedule),
            jobs,
            named: vec![(id, name.to_owned())],
        }
    }

    #[test]
    fn every_fire_time_of_every_job_is_in_its_minute() {
        let groups = [group("often", 20, 2), group("seldom", 120, 5)];
        let plan = Plan::of(&groups, &Exclusions::default(), at(30), 4);
        assert_eq!((plan.from, plan.complete), (at(0), true));
        assert_eq!(plan.minutes, [2, 6, 11, 6], "what is past counts no more");
        assert_eq!(
            plan.crowded[0],
            (at(120), 11, vec!["often".to_owned(), "seldom".to_owned()])
        );
    }

    #[test]
    fn a_plan_is_bounded_and_says_so() {
        let groups: Vec<Group> = (0..10).map(|_| group("second", 1, 1)).collect();
        let plan = Plan::of(&groups, &Exclusions::default(), at(0), MINUTES_MAX);
        assert!(!plan.complete);
    }
}
