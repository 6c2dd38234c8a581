//! Blackouts: their scope, their effect, and their end.

use crate::exclusions::{TEN_MINUTES, blackout, ran, run, run_for, triggers};
use crate::support::{TestCluster, at, fixed_rate};
use horolog::actors::job_manager::exclusions::SetBlackoutEnd;
use horolog::actors::job_manager::{CommandError, RunJobNow};
use horolog::model::exclusions::{BlackoutEndPolicy, Scope};
use horolog::model::job_request::JobRequest;

#[actix::test]
async fn a_blackout_defers_schedules_of_its_scope_and_nothing_else() {
    let cluster = TestCluster::start().await;
    let billing = JobRequest {
        tags: vec!["billing".into()],
        ..fixed_rate(TEN_MINUTES)
    };
    let (billing, other) = (
        cluster.create(billing).await,
        cluster.create(fixed_rate(TEN_MINUTES)).await,
    );
    let node = cluster.node().await;
    let scope = Scope::Tag("billing".into());
    cluster
        .command(blackout(
            scope,
            "07:05:00",
            "07:35:00",
            BlackoutEndPolicy::Collapse,
        ))
        .await;

    assert_eq!(run_for(&cluster, &node, 2).await, 4);
    cluster.command(RunJobNow(billing.id)).await;
    assert_eq!(run(&node).await, 1, "what a person starts runs");
    assert_eq!(run_for(&cluster, &node, 2).await, 4);

    let folded = "SCHEDULE 07:10:00 SKIPPED COALESCED attempt 0, 2 times until 07:20:00";
    let ledger = cluster.ledger(&billing).await;
    let scheduled: Vec<&String> = ledger
        .iter()
        .filter(|row| row.starts_with("SCHEDULE"))
        .collect();
    assert_eq!(
        scheduled,
        [&ran("07:00:00"), folded, &ran("07:30:00"), &ran("07:40:00")]
    );
    assert_eq!(cluster.ledger(&other).await.len(), 5);
}

#[actix::test]
async fn after_a_blackout_all_run_or_none_does() {
    for (on_end, expected) in [(BlackoutEndPolicy::RunAll, 4), (BlackoutEndPolicy::Skip, 1)] {
        let cluster = TestCluster::start().await;
        let job = cluster.create(fixed_rate(TEN_MINUTES)).await;
        let node = cluster.node().await;
        cluster
            .command(blackout(Scope::Job(job.id), "07:05:00", "07:35:00", on_end))
            .await;
        assert_eq!(run_for(&cluster, &node, 3).await, 1);
        assert_eq!(run_for(&cluster, &node, 1).await, expected, "{on_end}");
        let rows = cluster.ledger(&job).await;
        let skipped =
            "SCHEDULE 07:10:00 SKIPPED CALENDAR attempt 0, 3 times until 07:30:00".to_owned();
        assert_eq!(
            rows.contains(&skipped),
            on_end == BlackoutEndPolicy::Skip,
            "{rows:?}"
        );
    }
}

#[actix::test]
async fn a_blackout_that_ends_early_lets_go_at_once() {
    for on_end in [BlackoutEndPolicy::Collapse, BlackoutEndPolicy::Skip] {
        let cluster = TestCluster::start().await;
        let job = cluster.create(fixed_rate(TEN_MINUTES)).await;
        let node = cluster.node().await;
        let black = cluster
            .command(blackout(Scope::Cluster, "07:05:00", "12:00:00", on_end))
            .await;
        assert_eq!(run_for(&cluster, &node, 2).await, 1);

        cluster.advance(300);
        cluster.command(SetBlackoutEnd(black.id, None)).await;
        let expected = usize::from(on_end == BlackoutEndPolicy::Collapse);
        assert_eq!(run(&node).await, expected, "{on_end}");
        assert_eq!(
            triggers(&cluster, &job).await,
            "SCHEDULE fires 07:30:00 due 07:30:00"
        );
        let over = cluster.try_command(SetBlackoutEnd(black.id, None)).await;
        assert!(matches!(over, Err(CommandError::Conflict(_))));
    }
}

#[actix::test]
async fn a_blackout_that_was_cancelled_before_it_began_defers_nothing() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(TEN_MINUTES)).await;
    let node = cluster.node().await;
    let black = cluster
        .command(blackout(
            Scope::Cluster,
            "07:05:00",
            "12:00:00",
            BlackoutEndPolicy::Skip,
        ))
        .await;
    assert_eq!(run(&node).await, 1);
    assert_eq!(
        triggers(&cluster, &job).await,
        "SCHEDULE fires 12:00:00 due 12:00:00"
    );

    cluster.command(SetBlackoutEnd(black.id, None)).await;
    assert_eq!(run_for(&cluster, &node, 2).await, 2);
    assert_eq!(
        cluster.ledger(&job).await,
        [ran("07:00:00"), ran("07:10:00"), ran("07:20:00")]
    );
}

#[actix::test]
async fn blackouts_that_are_not_over_are_bounded() {
    let cluster = TestCluster::start().await;
    let many = "insert into blackout (id, scope, tag, starts_at, ends_at, on_end, reason,
        created_at)
        select gen_random_uuid(), 'TAG', 'none', $1::timestamptz,
        $1::timestamptz + n * interval '1 hour', 'SKIP', 'many', $1::timestamptz
        from generate_series(1, 1000) as n returning id::text";
    assert_eq!(cluster.texts(many, &[&at("07:00:00")]).await.len(), 1_000);
    let one_more = || {
        blackout(
            Scope::Cluster,
            "20:00:00",
            "23:00:00",
            BlackoutEndPolicy::Skip,
        )
    };
    match cluster.try_command(one_more()).await {
        Err(CommandError::Conflict(message)) => {
            assert!(message.contains("1000 blackouts are not over"), "{message}");
        }
        other => panic!("refused, not {other:?}"),
    }
    cluster.advance(3_700);
    cluster.command(one_more()).await;
}
