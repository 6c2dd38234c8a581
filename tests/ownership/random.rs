//! Random edits, pauses, resumes, deletions, cluster pauses, blackouts, edits of a calendar, polls
//! and ends at random instants around fire times. An oracle with nothing but the versions of each
//! job and the instants of the commands computes the fire times; each must be in one row, or still
//! wait in one trigger.

use super::oracle::{Era, Subject, last_is_delay, named, story};
use super::requests::{any_request, edited, soon};
use crate::support::{TestCluster, TestNode, failed, succeeded};
use fastrand::Rng;
use horolog::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, UpdateCalendar,
};
use horolog::actors::job_manager::{
    CreateJob, DeleteJob, MissedOnce, PauseCluster, PauseJob, ResumeCluster, ResumeJob, RunJobNow,
    UpdateJob,
};
use horolog::actors::trigger_acquirer::LOOK_AHEAD;
use horolog::model::Timestamp;
use horolog::model::exclusions::{BlackoutEndPolicy, Scope};
use horolog::model::execution::{Attempt, execution_id};
use horolog::model::job::Job;
use horolog::model::trigger::TriggerKind;
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::protocol::lease_store::Batch;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

const JOBS: usize = 6;
const STEPS: usize = 120;

/// Fire times in the log and the triggers: id, first, last, count (null: one that is or will be
/// run).
const ACCOUNTS: &str = "
select id, fire_time, coalesce(through_fire_time, fire_time), occurrences from job_execution_log
where job_id = $1 and kind in ('SCHEDULE', 'BUFFERED')
union all
select id, fire_time, fire_time, null from job_trigger where job_id = $1
and kind in ('OWED', 'BUFFERED')";

/// What a schedule's trigger has not taken yet begins here.
const PENDING: &str = "
select coalesce(excluded_from, fire_time) from job_trigger
where id = $1 and (due_at is not null or paused_due_at is not null)";

struct World {
    cluster: TestCluster,
    node: TestNode,
    rng: Rng,
    subjects: Vec<Subject>,
    running: Vec<Attempt>,
}

impl World {
    async fn begin(seed: u64) -> Self {
        let cluster = TestCluster::start().await;
        let node = cluster.node().await;
        let rules = serde_json::from_str(
            r#"{"excludeWindows": [{"from": "07:00:20", "to": "07:00:31"}, {"from": "07:01:02", "to": "07:01:09"}]}"#,
        );
        let (name, rules) = ("seconds".to_owned(), rules.unwrap());
        cluster
            .command(CreateCalendar(CalendarRequest {
                name,
                description: None,
                time_zone: None,
                rules,
            }))
            .await;
        let mut world = Self {
            cluster,
            node,
            rng: Rng::with_seed(seed),
            subjects: Vec::new(),
            running: Vec::new(),
        };
        for _ in 0..JOBS {
            world.create().await;
        }
        world
    }

    fn now(&self) -> Timestamp {
        self.cluster.clock.stub().unwrap()
    }

    async fn create(&mut self) {
        let now = self.now();
        let request = any_request(&mut self.rng, now);
        let Ok(job) = self.cluster.try_command(CreateJob(request.clone())).await else {
            return;
        };
        let era = Era {
            from: self.now(),
            definition: job.definition,
            status: job.status,
        };
        self.subjects.push(Subject {
            id: job.id,
            request,
            eras: vec![era],
            seen: BTreeSet::new(),
        });
    }

    /// Notes what the commands before have made of the jobs: each is its own instant.
    async fn note(&mut self) {
        let now = self.now();
        for subject in &mut self.subjects {
            let job: Job = self.cluster.store.job(subject.id).await.unwrap().unwrap();
            let last = subject.eras.last().unwrap();
            if last.definition != job.definition || last.status != job.status {
                subject.eras.push(Era {
                    from: now,
                    definition: job.definition,
                    status: job.status,
                });
            }
            if last_is_delay(subject) {
                let fire_time = self
                    .cluster
                    .sql
                    .query_opt(PENDING, &[&subject.id])
                    .await
                    .unwrap();
                let fire_time: Option<Timestamp> = fire_time.map(|row| row.get(0));
                subject
                    .seen
                    .extend(fire_time.filter(|fire_time| *fire_time <= now));
            }
        }
    }

    async fn step(&mut self) {
        let which = self.rng.usize(0..self.subjects.len());
        let (id, now) = (self.subjects[which].id, self.now());
        match self.rng.u8(0..42) {
            0..=9 => {
                self.cluster
                    .clock
                    .advance(Duration::from_millis(self.rng.u64(1..1_500)));
                self.note().await;
            }
            10..=19 => self.poll().await,
            20..=23 => self.settle().await,
            24..=29 => {
                let request = edited(&mut self.rng, &self.subjects[which].request, now);
                let version = self.cluster.store.job(id).await.unwrap().unwrap().version;
                let edit = UpdateJob {
                    id,
                    request: request.clone(),
                    version,
                };
                if self.cluster.try_command(edit).await.is_ok() {
                    self.subjects[which].request = request;
                }
            }
            30..=32 => drop(self.cluster.try_command(PauseJob(id, None)).await),
            33..=35 => {
                let missed = [MissedOnce::Skip, MissedOnce::Run][self.rng.usize(0..2)];
                drop(self.cluster.try_command(ResumeJob(id, missed)).await);
            }
            36 if self.rng.bool() => {
                drop(self.cluster.try_command(DeleteJob(id)).await);
                self.create().await;
            }
            36 => drop(self.cluster.try_command(RunJobNow(id)).await),
            37 => drop(self.cluster.try_command(PauseCluster(None)).await),
            38 => drop(self.cluster.try_command(ResumeCluster).await),
            39..=40 => self.edit_calendar().await,
            _ => {
                let on_end = [
                    BlackoutEndPolicy::Skip,
                    BlackoutEndPolicy::Collapse,
                    BlackoutEndPolicy::RunAll,
                ][self.rng.usize(0..3)];
                let scope = if self.rng.bool() {
                    Scope::Cluster
                } else {
                    Scope::Job(id)
                };
                let (starts_at, ends_at) =
                    (Some(soon(&mut self.rng, now)), soon(&mut self.rng, now));
                let reason = "work".to_owned();
                drop(
                    self.cluster
                        .try_command(CreateBlackout {
                            scope,
                            starts_at,
                            ends_at,
                            on_end,
                            reason,
                        })
                        .await,
                );
            }
        }
        self.note().await;
    }

    /// Excludes other seconds than before, also past ones.
    async fn edit_calendar(&mut self) {
        let version = "select version from calendar where name = 'seconds'";
        let version = self
            .cluster
            .sql
            .query_one(version, &[])
            .await
            .unwrap()
            .get(0);
        let second = self.rng.u8(0..50);
        let (from, to) = (
            format!("07:00:{second:02}"),
            format!("07:00:{:02}", second + self.rng.u8(1..10)),
        );
        let rules = serde_json::json!({"excludeWindows": [{"from": from, "to": to}]});
        let rules = serde_json::from_value(rules).unwrap();
        let request = CalendarRequest {
            name: "seconds".to_owned(),
            description: None,
            time_zone: None,
            rules,
        };
        self.cluster.command(UpdateCalendar(request, version)).await;
    }

    async fn poll(&mut self) {
        let leased = self
            .node
            .leases
            .lease(self.node.id, Batch::of(64), LOOK_AHEAD)
            .await
            .unwrap();
        self.running
            .extend(leased.into_iter().flat_map(|leased| leased.attempts));
    }

    async fn settle(&mut self) {
        let ends: Vec<Attempt> = (0..self.running.len().min(3))
            .map(|_| {
                self.running
                    .swap_remove(self.rng.usize(0..self.running.len()))
            })
            .collect();
        for attempt in ends {
            let settlement = if self.rng.u8(0..3) == 0 {
                failed(&attempt)
            } else {
                succeeded(&attempt)
            };
            self.cluster
                .store
                .settle(&[settlement], &LeaseUpdates::default())
                .await
                .unwrap();
        }
    }

    /// What the tables say of a job.
    async fn evidence(&self, id: Uuid) -> String {
        let rows = "select l::text from job_execution_log l where job_id = $1 union all
            select t::text from job_trigger t where job_id = $1 union all select b::text
            from blackout b";
        self.cluster.texts(rows, &[&id]).await.join("\n")
    }

    /// Every fire time up to now is accounted for, once, and nothing else is.
    async fn check(&self, context: &str) {
        for subject in &self.subjects {
            let (expected, ahead) = named(subject, self.now());
            let mut accounted: BTreeMap<Timestamp, usize> = BTreeMap::new();
            for row in self
                .cluster
                .sql
                .query(ACCOUNTS, &[&subject.id])
                .await
                .unwrap()
            {
                let (id, first, last, count): (Uuid, Timestamp, Timestamp, Option<i32>) =
                    (row.get(0), row.get(1), row.get(2), row.get(3));
                if id != execution_id(subject.id, TriggerKind::Schedule, first) {
                    continue; // A person started it.
                }
                let covered: Vec<_> = expected.range(first..=last).copied().collect();
                let covered = if last_is_delay(subject) {
                    vec![first]
                } else {
                    covered
                };
                let lies_ahead = first == last && ahead.contains(&first);
                let matches =
                    count.is_none_or(|count| count == i32::try_from(covered.len()).unwrap());
                assert!(
                    lies_ahead || !covered.is_empty() && matches,
                    "{context}: {first}/{last} ({count:?}) is not what the schedule names: \
                     {covered:?}"
                );
                for fire_time in covered {
                    *accounted.entry(fire_time).or_default() += 1;
                }
            }
            let pending = self
                .cluster
                .sql
                .query_opt(PENDING, &[&subject.id])
                .await
                .unwrap();
            let pending: Option<Timestamp> = pending.map(|row| row.get(0));
            for fire_time in &expected {
                let waits = pending.is_some_and(|pending| pending <= *fire_time);
                let times = accounted.get(fire_time).copied().unwrap_or(0);
                assert!(
                    times == 1 || times == 0 && waits,
                    "{context}: {fire_time} is accounted for {times} times \
                     (the trigger is at {pending:?}): {}\n{}",
                    story(subject),
                    self.evidence(subject.id).await
                );
            }
            assert!(
                accounted.values().all(|times| *times == 1),
                "{context}: {accounted:?}: {}",
                story(subject)
            );
        }
    }
}

async fn live(seed: u64) {
    let mut world = World::begin(seed).await;
    for step in 0..STEPS {
        world.step().await;
        if step % 10 == 9 {
            world.check(&format!("seed {seed}, step {step}")).await;
        }
    }
    // Half of the runs keep the waiting fire times, half take them first.
    drop(world.cluster.try_command(ResumeCluster).await);
    if seed.is_multiple_of(2) {
        for _ in 0..20 {
            world.cluster.clock.advance(Duration::from_millis(900));
            world.note().await;
            world.poll().await;
            world.settle().await;
            // A failure may have paused its job.
            world.note().await;
        }
    }
    world.check(&format!("seed {seed}, before the end")).await;
    for which in 0..world.subjects.len() {
        drop(
            world
                .cluster
                .try_command(DeleteJob(world.subjects[which].id))
                .await,
        );
    }
    world.note().await;
    world.check(&format!("seed {seed}, the end")).await;
    let left = "select t::text from job_trigger t where kind <> 'RETRY'";
    let left = world.cluster.texts(left, &[]).await;
    assert!(left.is_empty(), "seed {seed}: {left:?}");
}

#[actix::test]
async fn every_fire_time_of_every_version_is_accounted_for_once() {
    let seeds = std::env::var("HOROLOG_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(6);
    let first = std::env::var("HOROLOG_FIRST_SEED")
        .ok()
        .and_then(|first| first.parse().ok())
        .unwrap_or(1);
    for seed in first..first + seeds {
        live(seed).await;
    }
}
