//! The exclusion in the way of a job, and the end of the exclusion, for display with the job.

use super::{Blackout, BlackoutEndPolicy, Exclusions, Pending};
use crate::model::job::JobDefinition;
use crate::model::schedule::calendar::Calendar;
use crate::model::{Timestamp, text_enum};
use uuid::Uuid;

text_enum! {
    /// Kind of an exclusion.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "ExclusionKind")]
    ExclusionKind, "kind of exclusion" {
        /// A calendar of the job.
        Calendar = "CALENDAR",
        /// A blackout of a job, of a tag, or of all jobs.
        Blackout = "BLACKOUT",
    }
}

/// An exclusion of fire times of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobExclusion {
    pub kind: ExclusionKind,
    /// The name of the calendar, or the reason of the blackout.
    pub name: String,
    /// Start of the blackout. `None` for a calendar.
    pub from: Option<Timestamp>,
    /// When the job may fire again. `None`: the search in the calendar ends without an opening.
    pub until: Option<Timestamp>,
    /// Effect of a blackout's end on the deferred fire times.
    pub on_end: Option<BlackoutEndPolicy>,
}

impl Exclusions {
    /// The exclusion of the job at `now`; else the coming blackout for the next fire time. `None`
    /// if no fire time of the job is concerned: a calendar closed at night does not matter to a job
    /// at noon.
    pub fn exclusion_of(
        &self,
        id: Uuid,
        job: &JobDefinition,
        pending: Pending,
        now: Timestamp,
    ) -> Option<JobExclusion> {
        let next = pending.excluded_from.unwrap_or(pending.fire_time);
        let due = job.due_time(id, next);
        self.blackout_over(id, job, now, due)
            .or_else(|| self.excluding_calendar(job, now, next))
            .or_else(|| {
                // An ended blackout does not defer a fire time already due.
                if due > now {
                    self.blackout_over(id, job, due, due)
                } else {
                    None
                }
            })
    }

    /// The chain of blackouts in force from an instant on, if it lasts beyond a due time.
    fn blackout_over(
        &self,
        id: Uuid,
        job: &JobDefinition,
        at: Timestamp,
        due: Timestamp,
    ) -> Option<JobExclusion> {
        let blackout = self.blackout_at(id, job, at)?;
        let mut last: &Blackout = blackout;
        // Each blackout ends later than the previous.
        while let Some(next) = self.blackout_at(id, job, last.ends_at) {
            last = next;
        }
        (due < last.ends_at).then(|| JobExclusion {
            kind: ExclusionKind::Blackout,
            name: blackout.reason.clone(),
            from: Some(blackout.starts_at),
            until: Some(last.ends_at),
            on_end: Some(blackout.on_end),
        })
    }

    fn excluding_calendar(
        &self,
        job: &JobDefinition,
        now: Timestamp,
        next: Timestamp,
    ) -> Option<JobExclusion> {
        let calendar = self
            .calendar_of(job)
            .filter(|calendar| !calendar.is_open(now))?;
        let until = calendar.open_again(now, Calendar::sight(now));
        until
            .is_none_or(|until| next < until)
            .then(|| JobExclusion {
                kind: ExclusionKind::Calendar,
                name: calendar.name().to_owned(),
                from: None,
                until,
                on_end: None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::exclusions::Scope;
    use crate::model::schedule::Schedule;
    use crate::model::schedule::zone::Zone;
    use chrono::TimeDelta;
    use serde_json::json;

    const JOB: Uuid = Uuid::from_u128(42);

    /// Minutes after the midnight of a Friday.
    fn at(minutes: i64) -> Timestamp {
        "2026-11-27T00:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::minutes(minutes)
    }

    fn every(minutes: i64) -> JobDefinition {
        JobDefinition::plain(
            "job",
            Schedule::FixedRate {
                interval: TimeDelta::minutes(minutes),
                anchor: at(0),
            },
        )
    }

    fn blackout(from: i64, to: i64, on_end: BlackoutEndPolicy) -> Blackout {
        let (id, reason) = (
            Uuid::from_u128(u128::try_from(from).unwrap_or(0)),
            format!("move {from}"),
        );
        Blackout {
            id,
            scope: Scope::Cluster,
            starts_at: at(from),
            ends_at: at(to),
            on_end,
            reason,
        }
    }

    fn pending(fire_time: i64, excluded_from: Option<i64>) -> Pending {
        Pending {
            fire_time: at(fire_time),
            excluded_from: excluded_from.map(at),
        }
    }

    /// `name until minute` of what excludes the job.
    fn shown(
        exclusions: &Exclusions,
        job: &JobDefinition,
        pending: Pending,
        now: i64,
    ) -> Option<(String, Option<i64>)> {
        let excluded = exclusions.exclusion_of(JOB, job, pending, at(now))?;
        Some((
            excluded.name,
            excluded.until.map(|until| (until - at(0)).num_minutes()),
        ))
    }

    #[test]
    fn a_blackout_closes_from_its_start_to_the_end_of_the_last_that_follows_it() {
        for on_end in [
            BlackoutEndPolicy::Skip,
            BlackoutEndPolicy::Collapse,
            BlackoutEndPolicy::RunAll,
        ] {
            let blackouts = vec![
                blackout(10, 20, on_end),
                blackout(20, 30, BlackoutEndPolicy::Skip),
            ];
            let exclusions = Exclusions {
                blackouts,
                ..Exclusions::default()
            };
            let held = Some(("move 10".to_owned(), Some(30)));
            assert_eq!(
                shown(&exclusions, &every(1), pending(12, None), 15),
                held,
                "{on_end}: held back"
            );
            assert_eq!(
                shown(&exclusions, &every(1), pending(30, Some(12)), 15),
                held,
                "{on_end}: sent past it"
            );
            assert_eq!(
                shown(&exclusions, &every(1), pending(31, None), 31),
                None,
                "{on_end}: it is over"
            );
            assert_eq!(
                shown(&exclusions, &every(1), pending(15, None), 14),
                held,
                "{on_end}"
            );
            assert_eq!(
                shown(&exclusions, &every(60), pending(60, None), 15),
                None,
                "{on_end}: it takes nothing"
            );
        }
    }

    #[test]
    fn a_blackout_ahead_is_named_when_it_defers_the_next_fire_time() {
        let exclusions = Exclusions {
            blackouts: vec![blackout(50, 70, BlackoutEndPolicy::Collapse)],
            ..Exclusions::default()
        };
        assert_eq!(
            shown(&exclusions, &every(60), pending(60, None), 5),
            Some(("move 50".to_owned(), Some(70)))
        );
        assert_eq!(shown(&exclusions, &every(30), pending(30, None), 5), None);
    }

    #[test]
    fn a_calendar_closes_while_it_takes_fire_times() {
        let rules =
            serde_json::from_value(json!({"includeWindows": [{"from": "00:10", "to": "00:20"}]}))
                .expect("rules");
        let calendar = Calendar::new("office", Zone::default(), &rules).expect("valid");
        let exclusions = Exclusions {
            calendars: [("office".to_owned(), calendar)].into(),
            ..Exclusions::default()
        };
        let job = JobDefinition {
            calendar: Some("office".to_owned()),
            ..every(1)
        };
        assert_eq!(
            shown(&exclusions, &job, pending(10, Some(6)), 5),
            Some(("office".to_owned(), Some(10)))
        );
        assert_eq!(shown(&exclusions, &job, pending(16, None), 15), None);
        let daily = JobDefinition {
            calendar: Some("office".to_owned()),
            ..every(15)
        };
        assert_eq!(
            shown(&exclusions, &daily, pending(15, None), 5),
            None,
            "its next fire time counts"
        );
    }
}
