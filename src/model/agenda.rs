//! Agenda: the fire times of a coming interval, in the order of time. The number of schedules
//! bounds it.

use super::Timestamp;
use super::exclusions::Exclusions;
use super::upcoming::Group;
use chrono::TimeDelta;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use uuid::Uuid;

/// Most fire times of a schedule in the list. A schedule with more fires often.
const LISTED: usize = 12;
/// Most named jobs of an instant.
const NAMED: usize = 10;
/// Consecutive fire times for the measurement of a schedule.
const IN_A_ROW: i32 = 24;

/// The fire times of an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agenda {
    /// All instants with a fire time, in the order of time.
    pub entries: Vec<AgendaEntry>,
    /// Schedules with more than 12 fire times in the interval, each at the first; the rarest first.
    pub often: Vec<AgendaEntry>,
    /// `false`: fire times were left out.
    pub complete: bool,
}

/// Jobs with the same fire time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgendaEntry {
    /// The instant of the schedules.
    pub fire_time: Timestamp,
    /// Number of all jobs.
    pub jobs: u32,
    /// Some of the jobs.
    pub named: Vec<(Uuid, String)>,
}

impl Agenda {
    /// The fire times of the groups in the range, at most `first` instants.
    pub fn of(
        groups: &[Group],
        exclusions: &Exclusions,
        range: &Range<Timestamp>,
        first: usize,
    ) -> Self {
        let mut times: BTreeMap<Timestamp, AgendaEntry> = BTreeMap::new();
        let mut often = Vec::new();
        for group in groups {
            let fire_times = fire_times(group, exclusions, range);
            if let Some(last) = fire_times.get(LISTED) {
                often.push((*last, entry(fire_times[0], group)));
                continue;
            }
            for fire_time in fire_times {
                let new = entry(fire_time, group);
                times
                    .entry(fire_time)
                    .and_modify(|known| known.add(&new))
                    .or_insert(new);
            }
        }
        often.sort_by_key(|(last, _)| Reverse(*last));
        let complete = times.len() <= first && often.len() <= first;
        let entries = times.into_values().take(first).collect();
        Self {
            entries,
            often: often
                .into_iter()
                .take(first)
                .map(|(_, entry)| entry)
                .collect(),
            complete,
        }
    }
}

impl AgendaEntry {
    fn add(&mut self, other: &Self) {
        self.jobs = self.jobs.saturating_add(other.jobs);
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.iter().take(room).cloned());
    }
}

fn entry(fire_time: Timestamp, group: &Group) -> AgendaEntry {
    AgendaEntry {
        fire_time,
        jobs: group.jobs,
        named: group.named.clone(),
    }
}

/// Fire times of an interval, up to the list's limit plus one.
fn fire_times(group: &Group, exclusions: &Exclusions, range: &Range<Timestamp>) -> Vec<Timestamp> {
    // The search is strictly after an instant, and the start belongs to the range.
    let mut after = range.start - TimeDelta::microseconds(1);
    let mut found = Vec::new();
    while found.len() <= LISTED {
        let Some(next) = exclusions
            .next_open(group.id, &group.job, after)
            .filter(|next| *next < range.end)
        else {
            break;
        };
        found.push(next);
        after = next;
    }
    found
}

/// Whether the average distance of the next 24 fire times of a schedule is at most `interval`.
pub fn fires_every(
    group: &Group,
    exclusions: &Exclusions,
    now: Timestamp,
    interval: TimeDelta,
) -> bool {
    let Some(first) = exclusions.next_open(group.id, &group.job, now) else {
        return false;
    };
    let mut last = first;
    for _ in 1..IN_A_ROW {
        let Some(fire_time) = exclusions.next_open(group.id, &group.job, last) else {
            return false;
        };
        last = fire_time;
    }
    last - first <= interval * (IN_A_ROW - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::JobDefinition;
    use crate::model::schedule::Schedule;

    fn at(seconds: i64) -> Timestamp {
        "2026-11-24T02:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::seconds(seconds)
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

    fn names(entry: &AgendaEntry) -> Vec<&str> {
        entry.named.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn instants_stand_in_the_order_of_time_with_all_that_fires_then() {
        let groups = [
            group("half", 1_800, 1),
            group("hour", 3_600, 7),
            group("minute", 60, 1),
            group("second", 1, 2),
        ];
        let agenda = Agenda::of(&groups, &Exclusions::default(), &(at(0)..at(7_200)), 100);
        let seen: Vec<_> = agenda
            .entries
            .iter()
            .map(|entry| (entry.fire_time, entry.jobs, names(entry)))
            .collect();
        let both = vec!["half", "hour"];
        let expected = [
            (at(0), 8, both.clone()),
            (at(1_800), 1, vec!["half"]),
            (at(3_600), 8, both),
            (at(5_400), 1, vec!["half"]),
        ];
        assert_eq!(seen, expected);
        let often: Vec<_> = agenda
            .often
            .iter()
            .map(|entry| (entry.fire_time, entry.jobs, names(entry)))
            .collect();
        assert_eq!(
            often,
            [(at(0), 1, vec!["minute"]), (at(0), 2, vec!["second"])],
            "the rarest first"
        );
        assert!(agenda.complete);
    }

    #[test]
    fn an_agenda_is_bounded_and_says_so() {
        let groups: Vec<Group> = (1..40)
            .map(|minutes| group("job", 60 * minutes, 1))
            .collect();
        let agenda = Agenda::of(&groups, &Exclusions::default(), &(at(0)..at(3_600)), 5);
        assert_eq!(
            (agenda.entries.len(), agenda.entries[4].fire_time),
            (5, at(480))
        );
        assert!(!agenda.complete);
        assert_eq!(agenda.entries[0].named.len(), NAMED);
    }

    #[test]
    fn what_fires_as_often_as_that_is_known_by_its_next_fire_times() {
        let every = |seconds, interval| {
            fires_every(
                &group("job", seconds, 1),
                &Exclusions::default(),
                at(1),
                TimeDelta::seconds(interval),
            )
        };
        assert!(every(1, 60) && every(60, 60) && !every(61, 60));
        assert!(every(3_600, 3_600) && !every(86_400, 3_600));
    }
}
