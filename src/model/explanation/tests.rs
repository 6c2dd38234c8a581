//! What an explanation says, as a table of facts.

use super::*;
use crate::model::schedule::cron::{CronOptions, CronSchedule};
use crate::model::target::{HandlerTarget, Target};

const JOB: Uuid = Uuid::from_u128(42);

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().expect("a time")
}

fn hourly() -> JobDefinition {
    let cron = CronSchedule::parse("0 * * * *", &CronOptions::default()).expect("valid");
    JobDefinition::plain("job", Schedule::Cron(cron))
}

fn job(definition: JobDefinition) -> Job {
    Job {
        namespace: "default".to_owned(),
        id: JOB,
        definition,
        status: JobStatus::Active,
        pause_reason: None,
        version: 1,
        created_at: at("00:30:00"),
        updated_at: at("00:30:00"),
        next_fire_time: Some(at("13:00:00")),
        excluded_from: None,
        paused_fire_time: None,
        runs: 0,
    }
}

/// It is half past twelve, and the job fires each hour since half past midnight.
fn facts() -> FireTimeFacts {
    FireTimeFacts {
        now: at("12:30:00"),
        job: job(hourly()),
        version: None,
        row: None,
        due_at: Some(at("13:00:00")),
        one_off: None,
        workers: 0,
        exclusions: Exclusions::default(),
        cluster_paused: None,
        kept_from: None,
        oldest: None,
        neighbours: (None, None),
    }
}

fn reason(facts: &FireTimeFacts, time: &str) -> FireTimeReason {
    facts.explain(at(time)).reason
}

#[test]
fn an_instant_that_is_no_fire_time_has_neighbours() {
    let explained = facts().explain(at("09:10:30"));
    assert_eq!(explained.reason, FireTimeReason::NotAFireTime);
    assert_eq!(
        (explained.before, explained.after),
        (Some(at("09:00:00")), Some(at("10:00:00")))
    );
    assert_eq!(
        previous_fire_time(&hourly(), at("09:00:00")),
        Some(at("08:00:00"))
    );
}

#[test]
fn what_is_ahead_runs_unless_something_keeps_it() {
    let mut facts = facts();
    assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::WillRun);
    facts.job.next_fire_time = None;
    assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::AfterEnd);
    facts.job.status = JobStatus::Paused;
    assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::Paused);
    facts.job.definition.policies.end_at = Some(at("14:00:00"));
    facts.job.status = JobStatus::Active;
    assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::AfterEnd);
}

#[test]
fn a_pause_of_then_is_told_although_the_job_fires_now() {
    let then = Job {
        status: JobStatus::Paused,
        pause_reason: Some("the target moves".into()),
        ..job(hourly())
    };
    let since = Some((at("08:30:00"), "api".to_owned()));
    let version = VersionThen {
        job: then,
        since,
        until: Some(at("09:30:00")),
    };
    let explained = FireTimeFacts {
        version: Some(version),
        ..facts()
    }
    .explain(at("09:00:00"));
    assert_eq!(explained.reason, FireTimeReason::Paused);
    assert_eq!(
        (explained.since, explained.until),
        (Some(at("08:30:00")), Some(at("09:30:00")))
    );
    assert!(
        explained.message.contains("the target moves"),
        "{}",
        explained.message
    );
}

#[test]
fn the_schedule_of_then_decides_not_the_one_of_now() {
    let daily = CronSchedule::parse("0 9 * * *", &CronOptions::default()).expect("valid");
    let then = job(JobDefinition::plain("job", Schedule::Cron(daily)));
    let version = VersionThen {
        job: then,
        since: None,
        until: None,
    };
    let facts = FireTimeFacts {
        version: Some(version),
        ..facts()
    };
    assert_eq!(reason(&facts, "10:00:00"), FireTimeReason::NotAFireTime);
    assert_eq!(
        reason(&facts, "15:00:00"),
        FireTimeReason::WillRun,
        "the schedule of now speaks of what is ahead"
    );
}

#[test]
fn what_has_passed_and_is_in_no_row_waits_or_is_purged() {
    let mut facts = facts();
    assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::Unknown);
    facts.kept_from = Some(at("10:00:00"));
    assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::NotRetained);
    facts.one_off = Some(None);
    assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::Waiting);
    facts = FireTimeFacts {
        due_at: Some(at("12:00:00")),
        ..self::facts()
    };
    facts.job.next_fire_time = Some(at("12:00:00"));
    assert_eq!(reason(&facts, "12:00:00"), FireTimeReason::Waiting);
    facts.cluster_paused = Some((at("11:00:00"), "restored".into()));
    assert_eq!(reason(&facts, "12:00:00"), FireTimeReason::ClusterPaused);
    assert_eq!(reason(&facts, "00:00:00"), FireTimeReason::BeforeCreation);
}

#[test]
fn a_row_knows_best() {
    let row = RowThen {
        id: JOB,
        status: ExecutionStatus::Skipped,
        reason: Some("OVERLAP".into()),
        message: None,
    };
    let explained = FireTimeFacts {
        row: Some(row),
        ..facts()
    }
    .explain(at("09:00:00"));
    assert_eq!(
        (explained.reason, explained.execution_id),
        (FireTimeReason::Skipped, Some(JOB))
    );
    assert_eq!(explained.message, "it was not run, OVERLAP");
}

#[test]
fn a_fire_time_of_a_handler_waits_for_workers() {
    let mut facts = facts();
    facts.job.definition.target = Target::Handler(HandlerTarget {
        name: "report".to_owned(),
    });
    facts.job.next_fire_time = Some(at("12:00:00"));
    facts.due_at = Some(at("12:00:00"));
    for (workers, expected) in [
        (
            0,
            "it is due, and waits: no worker offers the handler `report`",
        ),
        (
            1,
            "it is due, and no worker with the handler `report` has a free slot",
        ),
    ] {
        let explained = FireTimeFacts {
            workers,
            ..facts.clone()
        }
        .explain(at("12:00:00"));
        assert_eq!(explained.reason, FireTimeReason::Waiting);
        assert_eq!(explained.message, expected);
    }
}
