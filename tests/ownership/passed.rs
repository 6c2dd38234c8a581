//! Fire times that have passed and are not taken, when their job is edited or deleted.

use super::jittery::{in_its_jitter, jittery};
use crate::support::{
    ENDLESS, TestCluster, at, cron, eventually, fixed_delay, fixed_rate, once, with,
};
use horolog::actors::job_manager::bulk::{Bulk, BulkAction};
use horolog::actors::job_manager::exclusions::{CalendarRequest, CreateCalendar};
use horolog::actors::job_manager::{
    CommandError, DeleteJob, PauseCluster, PauseJob, ResumeCluster, RunJobNow, UpdateJob,
};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::lists::JobFilter;
use horolog::model::policies::{MisfirePolicy, OverlapPolicy};

async fn edit(cluster: &TestCluster, job: &Job, request: JobRequest) -> Result<Job, CommandError> {
    let version = cluster.store.job(job.id).await.unwrap().unwrap().version;
    cluster
        .try_command(UpdateJob {
            id: job.id,
            request,
            version,
        })
        .await
}

#[actix::test]
async fn an_edit_during_a_jitter_keeps_the_due_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let rules =
        serde_json::from_str(r#"{"excludeWindows": [{"from": "07:00", "to": "07:05"}]}"#).unwrap();
    let office = CalendarRequest {
        name: "office".into(),
        description: None,
        time_zone: None,
        rules,
    };
    cluster.command(CreateCalendar(office)).await;
    let edits: [JobRequest; 7] = [
        with(jittery(), |policies| policies.end_at = Some(at("23:00:00"))),
        with(jittery(), |policies| policies.max_runs = Some(1_000)),
        with(jittery(), |policies| policies.jitter_seconds = 541),
        with(fixed_rate(3_600), |_| ()),
        cron("0 0 3 * * ?"),
        fixed_delay(3_600),
        JobRequest {
            calendar: Some("office".into()),
            ..jittery()
        },
    ];
    let mut jobs = Vec::new();
    for _ in &edits {
        jobs.push(in_its_jitter(&cluster, jittery()).await);
    }
    cluster.advance(2);
    assert_eq!(node.poll().await.triggers, 0);
    for (job, request) in jobs.iter().zip(edits) {
        let edited = edit(&cluster, job, request).await.unwrap();
        assert!(
            edited
                .next_fire_time
                .is_some_and(|next| next > at("07:00:02")),
            "{:?}",
            edited.next_fire_time
        );
    }

    cluster.advance(596);
    node.poll().await;
    node.settle_all().await;
    for job in &jobs {
        let rows = "select concat_ws(' ', kind, status, due_time = $2) from job_execution_log
            where job_id = $1 and fire_time <= '2026-11-23T07:00:02Z'";
        let due_time = job.definition.due_time(job.id, at("07:00:00"));
        assert_eq!(
            cluster.texts(rows, &[&job.id, &due_time]).await,
            ["SCHEDULE SUCCESS t"]
        );
        let owed = "select id::text from job_trigger where job_id = $1 and kind <> 'SCHEDULE'";
        assert!(cluster.texts(owed, &[&job.id]).await.is_empty());
    }
}

#[actix::test]
async fn an_edit_after_a_lease_does_not_name_the_taken_fire_time_again() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(600)).await;
    cluster.node().await.poll().await;
    cluster.advance(599);
    // The writes of a lease of 07:10 before it commits.
    let lease = cluster.database.client().await;
    let taken = "begin; update job_trigger set fire_time = '2026-11-23T07:20:00Z', \
        due_at = '2026-11-23T07:20:00Z'";
    lease.batch_execute(taken).await.unwrap();
    let ending = with(fixed_rate(600), |policies| {
        policies.end_at = Some(at("23:00:00"));
    });
    let commit = async {
        let waits = "select from pg_stat_activity where wait_event_type = 'Lock' \
            and datname = current_database()";
        eventually("the edit waits", async || {
            (cluster.execute(waits, &[]).await > 0).then_some(())
        })
        .await;
        cluster.advance(2);
        lease.batch_execute("commit").await.unwrap();
    };
    let (edited, ()) = tokio::join!(edit(&cluster, &job, ending), commit);
    assert_eq!(edited.unwrap().next_fire_time, Some(at("07:20:00")));
}

#[actix::test]
async fn an_edit_during_a_cluster_pause_keeps_the_old_misfire_policy() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let policies = [
        MisfirePolicy::FireOnce,
        MisfirePolicy::FireAll,
        MisfirePolicy::Skip,
    ];
    let mut jobs = Vec::new();
    for policy in policies {
        jobs.push(
            cluster
                .create(with(fixed_rate(60), |policies| {
                    policies.misfire_policy = policy;
                }))
                .await,
        );
    }
    cluster.command(PauseCluster(None)).await;
    cluster.advance(190);
    for job in &jobs {
        edit(&cluster, job, fixed_rate(3_600)).await.unwrap();
    }
    cluster.command(ResumeCluster).await;
    node.poll().await;
    node.settle_all().await;

    let folded = "SCHEDULE 07:00:00 SKIPPED COALESCED attempt 0, 3 times until 07:02:00";
    assert_eq!(
        cluster.ledger(&jobs[0]).await,
        [folded, "SCHEDULE 07:03:00 SUCCESS attempt 1"]
    );
    let each = (0..4)
        .map(|minute| format!("SCHEDULE 07:0{minute}:00 SUCCESS attempt 1"))
        .collect::<Vec<_>>();
    assert_eq!(cluster.ledger(&jobs[1]).await, each);
    let skipped = "SCHEDULE 07:00:00 SKIPPED MISFIRE attempt 0, 4 times until 07:03:00";
    assert_eq!(cluster.ledger(&jobs[2]).await, [skipped]);
}

#[actix::test]
async fn an_owed_fire_time_obeys_the_overlap_policy_and_counts_as_a_run() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let skips = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::Skip;
        policies.max_runs = Some(5);
    });
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..skips.clone()
        })
        .await;
    assert_eq!(node.lease().await.len(), 1);
    cluster.command(PauseCluster(None)).await;
    cluster.advance(65);
    edit(
        &cluster,
        &job,
        JobRequest {
            interval_seconds: Some(600),
            ..skips
        },
    )
    .await
    .unwrap();
    cluster.command(ResumeCluster).await;
    assert_eq!(cluster.store.job(job.id).await.unwrap().unwrap().runs, 2);
    node.lease().await;
    let skipped = "SCHEDULE 07:01:00 SKIPPED OVERLAP attempt 0, 1 times until 07:01:00";
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1", skipped]
    );
}

#[actix::test]
async fn an_edited_fixed_delay_keeps_its_one_fire_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (slower, other) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    cluster.command(PauseCluster(None)).await;
    cluster.advance(30);
    edit(&cluster, &slower, fixed_delay(600)).await.unwrap();
    edit(&cluster, &other, fixed_rate(600)).await.unwrap();
    cluster.command(ResumeCluster).await;
    node.poll().await;
    node.settle_all().await;
    let ran = ["SCHEDULE 07:00:00 SUCCESS attempt 1"];
    assert_eq!(cluster.ledger(&slower).await, ran);
    assert_eq!(cluster.ledger(&other).await, ran);
    assert_eq!(
        cluster.triggers(&slower).await,
        ["SCHEDULE fires 07:10:30 due 07:10:30"]
    );
    assert_eq!(
        cluster.triggers(&other).await,
        ["SCHEDULE fires 07:10:30 due 07:10:30"]
    );
}

#[actix::test]
async fn a_deletion_records_passed_fire_times_as_skipped() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let buffers = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll;
    });
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..buffers
        })
        .await;
    for _ in 0..4 {
        node.lease().await;
        cluster.advance(60);
    }
    cluster.command(RunJobNow(job.id)).await;
    cluster.command(DeleteJob(job.id)).await;

    let rows = cluster.ledger(&job).await;
    let deleted = |kind: &str, time: &str| {
        format!("{kind} {time} SKIPPED DELETED attempt 0, 1 times until {time}")
    };
    let mut expected = vec!["SCHEDULE 07:00:00 RUNNING attempt 1".to_owned()];
    expected.extend(["07:01:00", "07:02:00", "07:03:00"].map(|time| deleted("BUFFERED", time)));
    expected.extend([
        deleted("MANUAL", "07:04:00"),
        deleted("SCHEDULE", "07:04:00"),
    ]);
    let mut sorted = rows.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
    assert!(cluster.triggers(&job).await.is_empty());
}

#[actix::test]
async fn a_pause_and_a_deletion_record_what_has_passed_as_one_row() {
    let cluster = TestCluster::start().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(cluster.create(fixed_rate(60)).await);
    }
    cluster.advance(200);
    cluster.command(PauseJob(jobs[0].id, None)).await;
    cluster.command(DeleteJob(jobs[1].id)).await;
    for (job, action) in [
        (&jobs[2], BulkAction::Pause(None)),
        (&jobs[3], BulkAction::Delete),
    ] {
        let filter = JobFilter {
            ids: Some(vec![job.id]),
            ..JobFilter::default()
        };
        cluster
            .command(Bulk {
                filter,
                action,
                cancels: false,
            })
            .await;
    }

    let row = |reason| {
        [format!(
            "SCHEDULE 07:00:00 SKIPPED {reason} attempt 0, 4 times until 07:03:00"
        )]
    };
    assert_eq!(cluster.ledger(&jobs[0]).await, row("PAUSED"));
    assert_eq!(cluster.ledger(&jobs[1]).await, row("DELETED"));
    assert_eq!(cluster.ledger(&jobs[2]).await, row("PAUSED"));
    assert_eq!(cluster.ledger(&jobs[3]).await, row("DELETED"));
}

#[actix::test]
async fn a_pause_records_what_an_earlier_edit_left_to_run() {
    let cluster = TestCluster::start().await;
    let job = in_its_jitter(&cluster, jittery()).await;
    cluster.advance(2);
    edit(&cluster, &job, fixed_rate(3_600)).await.unwrap();
    cluster.command(PauseJob(job.id, None)).await;
    let row = "SCHEDULE 07:00:00 SKIPPED PAUSED attempt 0, 1 times until 07:00:00";
    assert_eq!(cluster.ledger(&job).await, [row]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 08:00:02 paused"]
    );
}

#[actix::test]
async fn an_edit_judges_only_what_it_changes() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let done = cluster.create(once("07:00:00")).await;
    let ended = with(fixed_rate(60), |policies| {
        policies.end_at = Some(at("07:00:30"));
    });
    let past_its_end = cluster.create(ended.clone()).await;
    let slow = with(once("07:00:00"), |policies| policies.jitter_seconds = 3_600);
    let waiting = cluster.create(slow.clone()).await;
    node.poll().await;
    node.settle_all().await;
    cluster.advance(60);

    let renamed = |request: &JobRequest| JobRequest {
        name: "other".into(),
        tags: vec!["x".into()],
        ..request.clone()
    };
    for (job, request) in [
        (&done, once("07:00:00")),
        (&past_its_end, ended.clone()),
        (&waiting, slow),
    ] {
        let before = cluster.triggers(job).await;
        let edited = edit(&cluster, job, renamed(&request)).await.unwrap();
        assert_eq!(edited.definition.name, "other");
        assert_eq!(cluster.triggers(job).await, before);
    }
    let field = |refused: Result<Job, CommandError>| match refused {
        Err(CommandError::Invalid(invalid)) => invalid.field.into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        field(edit(&cluster, &done, once("07:00:30")).await),
        "startAt"
    );
    let earlier = with(ended.clone(), |policies| {
        policies.end_at = Some(at("07:00:20"));
    });
    assert_eq!(field(edit(&cluster, &past_its_end, earlier).await), "endAt");
    assert!(
        edit(&cluster, &done, once("08:00:00"))
            .await
            .unwrap()
            .next_fire_time
            .is_some()
    );
    let open = JobRequest {
        interval_seconds: Some(30),
        ..ended
    };
    assert_eq!(
        edit(&cluster, &past_its_end, open)
            .await
            .unwrap()
            .next_fire_time,
        None,
        "its end was past before"
    );
    for job in [&past_its_end, &waiting] {
        cluster.command(PauseJob(job.id, None)).await;
        cluster.command(DeleteJob(job.id)).await;
    }
}
