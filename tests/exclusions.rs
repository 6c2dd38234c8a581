//! Calendars and blackouts over the whole cluster: what they close does not run
//! and is recorded, and a change of them reaches what is pending.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, TestNode, at, eventually, fixed_delay, fixed_rate};
use horolog::actors::job_manager::CommandError;
use horolog::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, DeleteCalendar, SetBlackoutEnd, UpdateCalendar,
};
use horolog::actors::job_manager::{CreateJob, DeleteJob, RunJobNow};
use horolog::model::exclusions::{BlackoutEndPolicy, Scope};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use serde_json::json;
use std::cell::Cell;

const TEN_MINUTES: i64 = 600;

fn calendar(rules: serde_json::Value) -> CalendarRequest {
    let rules = serde_json::from_value(rules).unwrap();
    CalendarRequest {
        name: "office".into(),
        description: None,
        time_zone: None,
        rules,
    }
}

/// Open until 07:15 and from 08:00 on.
fn breakfast() -> CalendarRequest {
    calendar(json!({"excludeWindows": [{"from": "07:15", "to": "08:00"}]}))
}

fn named(job: JobRequest) -> JobRequest {
    JobRequest {
        calendar: Some("office".into()),
        ..job
    }
}

fn blackout(scope: Scope, from: &str, to: &str, on_end: BlackoutEndPolicy) -> CreateBlackout {
    CreateBlackout {
        scope,
        starts_at: Some(at(from)),
        ends_at: at(to),
        on_end,
        reason: "database move".into(),
    }
}

/// Polls, runs and settles until nothing is due; how many ran.
async fn run(node: &TestNode) -> usize {
    let mut ran = 0;
    loop {
        let report = node.poll().await;
        ran += node.settle_all().await.settled;
        if report.triggers == 0 {
            return ran;
        }
    }
}

/// Polls every ten minutes, as many times.
async fn run_for(cluster: &TestCluster, node: &TestNode, polls: usize) -> usize {
    let mut ran = run(node).await;
    for _ in 0..polls {
        cluster.advance(600);
        ran += run(node).await;
    }
    ran
}

fn ran(time: &str) -> String {
    format!("SCHEDULE {time} SUCCESS attempt 1")
}

async fn triggers(cluster: &TestCluster, job: &Job) -> String {
    cluster.triggers(job).await.join("; ")
}

#[actix::test]
async fn what_a_calendar_closes_does_not_run_and_is_one_row() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let node = cluster.node().await;

    assert_eq!(run_for(&cluster, &node, 1).await, 2);
    assert_eq!(
        triggers(&cluster, &job).await,
        "SCHEDULE fires 08:00:00 due 08:00:00"
    );
    assert_eq!(run_for(&cluster, &node, 5).await, 1);

    let closed = "SCHEDULE 07:20:00 SKIPPED CALENDAR attempt 0, 4 times until 07:50:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [&ran("07:00:00"), &ran("07:10:00"), closed, &ran("08:00:00")]
    );
    let reason = "select error_message from job_execution_log where status = 'SKIPPED'";
    assert_eq!(cluster.texts(reason, &[]).await, ["calendar office"]);
}

#[actix::test]
async fn an_edited_calendar_moves_what_is_pending_and_not_what_is_past() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let delay = cluster.create(named(fixed_delay(TEN_MINUTES))).await;
    let node = cluster.node().await;
    run_for(&cluster, &node, 3).await;
    assert_eq!(
        triggers(&cluster, &delay).await,
        "SCHEDULE fires 07:20:00 due 08:00:00"
    );

    cluster.advance(240);
    cluster
        .command(UpdateCalendar(calendar(json!({})), 0))
        .await;
    run(&node).await;

    let closed = "SCHEDULE 07:20:00 SKIPPED CALENDAR attempt 0, 2 times until 07:30:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [&ran("07:00:00"), &ran("07:10:00"), closed]
    );
    assert_eq!(
        triggers(&cluster, &job).await,
        "SCHEDULE fires 07:40:00 due 07:40:00"
    );
    assert_eq!(
        cluster.ledger(&delay).await.last(),
        Some(&ran("07:20:00")),
        "a delay waits for the opening, and runs"
    );

    // Closed again before the next fire time: it is not run although it was to be.
    cluster
        .command(UpdateCalendar(
            calendar(json!({"excludeDates": ["2026-11-23"]})),
            1,
        ))
        .await;
    assert_eq!(run_for(&cluster, &node, 1).await, 0);
    let closed = "SCHEDULE 07:40:00 SKIPPED CALENDAR attempt 0";
    assert!(
        cluster
            .ledger(&job)
            .await
            .iter()
            .any(|row| row.starts_with(closed))
    );
    assert_eq!(
        cluster
            .texts(
                "select fire_time::text from job_trigger where id = $1",
                &[&job.id]
            )
            .await,
        ["2026-11-24 00:00:00+00"]
    );
}

#[actix::test]
async fn a_calendar_is_kept_as_long_as_jobs_name_it_and_edited_by_version() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;

    let conflict = |result| matches!(result, Err(CommandError::Conflict(_)));
    assert!(conflict(
        cluster
            .try_command(CreateCalendar(breakfast()))
            .await
            .map(drop)
    ));
    assert!(conflict(
        cluster
            .try_command(UpdateCalendar(breakfast(), 7))
            .await
            .map(drop)
    ));
    assert!(conflict(
        cluster.try_command(DeleteCalendar("office".into())).await
    ));
    cluster.command(DeleteJob(job.id)).await;
    cluster.command(DeleteCalendar("office".into())).await;
    let gone = cluster.try_command(DeleteCalendar("office".into())).await;
    assert!(matches!(
        gone,
        Err(CommandError::NotFound {
            what: "calendar",
            ..
        })
    ));
}

#[actix::test]
async fn a_job_that_its_calendar_never_lets_fire_is_refused() {
    let cluster = TestCluster::start().await;
    let refused = async |request: JobRequest| match cluster.try_command(CreateJob(request)).await {
        Err(CommandError::Invalid(invalid)) => invalid.to_string(),
        other => panic!("refused, not {other:?}"),
    };
    assert_eq!(
        refused(named(fixed_rate(60))).await,
        "calendar: there is no calendar `office`"
    );
    cluster
        .command(CreateCalendar(calendar(
            json!({"includeDates": ["2020-01-01"]}),
        )))
        .await;
    let never = "calendar: closes every fire time of the schedule that is in sight";
    assert_eq!(refused(named(fixed_rate(60))).await, never);
}

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
async fn a_lease_waits_for_nobody_who_changes_exclusions() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let plain = cluster.create(fixed_rate(TEN_MINUTES)).await;
    let node = cluster.node().await;

    let lock = "select pg_advisory_lock(x'484f524f4c4f4701'::bigint)::text";
    cluster.texts(lock, &[]).await;
    // The second poll waits a moment for its turn.
    for _ in 0..2 {
        node.poll().await;
        node.settle_all().await;
        assert!(
            cluster.ledger(&job).await.is_empty(),
            "left for the next poll"
        );
        assert_eq!(
            cluster.ledger(&plain).await,
            [ran("07:00:00")],
            "the change does not concern it"
        );
    }
    cluster
        .texts(
            "select pg_advisory_unlock(x'484f524f4c4f4701'::bigint)::text",
            &[],
        )
        .await;
    assert_eq!(run(&node).await, 1);
}

#[actix::test]
async fn changes_without_a_pause_do_not_keep_leases_out() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(TEN_MINUTES)).await;
    let blackout = cluster
        .command(blackout(
            Scope::Tag("none".into()),
            "07:00:00",
            "23:00:00",
            BlackoutEndPolicy::Skip,
        ))
        .await;
    let node = cluster.node().await;
    let done = Cell::new(false);
    let change = async || {
        while !done.get() {
            cluster
                .command(SetBlackoutEnd(blackout.id, Some(at("22:00:00"))))
                .await;
        }
    };
    let leases = async {
        for fires in 1..=5 {
            eventually("the job is leased", async || {
                node.poll().await;
                (cluster.ledger(&job).await.len() == fires).then_some(())
            })
            .await;
            node.settle_all().await;
            cluster.advance(600);
        }
        done.set(true);
    };
    futures_util::join!(change(), change(), change(), change(), leases);
}

#[actix::test]
async fn blackouts_that_are_not_over_are_bounded() {
    let cluster = TestCluster::start().await;
    let many = "insert into blackout (id, scope, tag, starts_at, ends_at, afterwards, reason, created_at)
        select gen_random_uuid(), 'TAG', 'none', $1::timestamptz, $1::timestamptz + n * interval '1 hour', 'SKIP', 'many', $1::timestamptz
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
            assert!(message.contains("1000 blackouts are not over"), "{message}")
        }
        other => panic!("refused, not {other:?}"),
    }
    cluster.advance(3_700);
    cluster.command(one_more()).await;
}

#[actix::test]
async fn calendars_and_blackouts_are_made_shown_and_ended_over_graphql() {
    let node = ApiNode::start().await;
    let create = "mutation($input: CalendarInput!) { createCalendar(input: $input) {
        name timeZone version jobs excludeDates includeWeekdays excludeWindows { from to weekdays } } }";
    let input = json!({"name": "holidays", "timeZone": "europe/berlin", "excludeDates": ["12-25"],
        "includeWeekdays": ["MONDAY"], "excludeWindows": [{"from": "22:00", "to": "06:00", "weekdays": ["FRIDAY"]}]});
    let expected = json!({"name": "holidays", "timeZone": "Europe/Berlin", "version": 0, "jobs": 0, "excludeDates": ["12-25"],
        "includeWeekdays": ["MONDAY"], "excludeWindows": [{"from": "22:00", "to": "06:00", "weekdays": ["FRIDAY"]}]});
    assert_eq!(
        node.data(create, json!({"input": input})).await["createCalendar"],
        expected
    );
    let update = "mutation($input: CalendarInput!) { updateCalendar(input: $input, version: 0) { version excludeDates } }";
    let updated = node
        .data(
            update,
            json!({"input": {"name": "holidays", "excludeDates": []}}),
        )
        .await;
    assert_eq!(
        updated["updateCalendar"],
        json!({"version": 1, "excludeDates": []})
    );
    assert_eq!(
        node.error(update, json!({"input": {"name": "holidays"}}))
            .await["extensions"]["code"],
        "CONFLICT"
    );
    let bad = node
        .error(
            create,
            json!({"input": {"name": "x", "excludeDates": ["tomorrow"]}}),
        )
        .await;
    assert_eq!(
        (&bad["extensions"]["code"], &bad["extensions"]["field"]),
        (&json!("BAD_USER_INPUT"), &json!("excludeDates.0"))
    );

    let preview =
        "query($input: CreateJobInput!) { previewSchedule(input: $input, count: 2) { fireTimes } }";
    let sundays = json!({"input": {"name": "sundays", "includeWeekdays": ["SUNDAY"]}});
    node.data(create, sundays).await;
    let input = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "0 12 * * *", "calendar": "sundays"});
    let fire_times =
        node.data(preview, json!({"input": input})).await["previewSchedule"]["fireTimes"].clone();
    let times: Vec<chrono::DateTime<chrono::Utc>> = serde_json::from_value(fire_times).unwrap();
    assert_eq!(times.len(), 2);
    assert!(
        times
            .iter()
            .all(|time| chrono::Datelike::weekday(time) == chrono::Weekday::Sun),
        "{times:?}"
    );

    let job = node.create(input).await;
    let next = "query($id: ID!) { job(id: $id) { calendar nextFireTime nextFireTimes(count: 2) } }";
    let shown = node.data(next, json!({"id": job})).await["job"].clone();
    assert_eq!(
        (&shown["calendar"], &shown["nextFireTime"]),
        (&json!("sundays"), &shown["nextFireTimes"][0])
    );
    assert_eq!(
        shown["nextFireTimes"],
        json!(
            times
                .iter()
                .map(|time| horolog::model::rfc3339(*time))
                .collect::<Vec<_>>()
        )
    );

    let create = "mutation($input: BlackoutInput!) { createBlackout(input: $input) { id tag afterwards reason } }";
    let forever = json!({"input": {"reason": "move", "endsAt": "2099-01-01T00:00:00Z"}});
    assert_eq!(
        node.error(create, forever).await["extensions"]["field"],
        "endsAt"
    );
    let both = json!({"input": {"reason": "move", "endsAt": "2099-01-01T00:00:00Z", "tag": "a", "jobId": job}});
    assert_eq!(
        node.error(create, both).await["extensions"]["field"],
        "jobId"
    );
    let soon = horolog::model::rfc3339(times[0]);
    let made = node
        .data(
            create,
            json!({"input": {"reason": "move", "endsAt": soon, "tag": "mail"}}),
        )
        .await;
    assert_eq!(
        (
            &made["createBlackout"]["tag"],
            &made["createBlackout"]["afterwards"]
        ),
        (&json!("mail"), &json!("COLLAPSE"))
    );
    let id = &made["createBlackout"]["id"];
    let later = horolog::model::rfc3339(times[1]);
    let moved =
        "mutation($id: ID!, $at: String!) { setBlackoutEnd(id: $id, endsAt: $at) { endsAt } }";
    let moved = node.data(moved, json!({"id": id, "at": later})).await;
    assert_eq!(moved["setBlackoutEnd"]["endsAt"], later);
    node.data(
        "mutation($id: ID!) { endBlackout(id: $id) { endsAt } }",
        json!({"id": id}),
    )
    .await;
    let shown = node
        .data("{ blackouts { id reason } calendars { name } }", json!({}))
        .await;
    assert_eq!(shown["blackouts"], json!([{"id": id, "reason": "move"}]));
    assert_eq!(
        shown["calendars"],
        json!([{"name": "holidays"}, {"name": "sundays"}])
    );

    let delete = "mutation($name: String!) { deleteCalendar(name: $name) }";
    assert_eq!(
        node.error(delete, json!({"name": "sundays"})).await["extensions"]["code"],
        "CONFLICT"
    );
    assert_eq!(
        node.data(delete, json!({"name": "holidays"})).await,
        json!({"deleteCalendar": true})
    );
    assert_eq!(
        node.error(delete, json!({"name": "holidays"})).await["extensions"]["code"],
        "NOT_FOUND"
    );
}

const NEXT: &str =
    "query($id: ID!, $n: Int!) { job(id: $id) { nextFireTime nextFireTimes(count: $n) } }";

/// The next fire time of a job, and the list of which it is the first.
async fn next(node: &ApiNode, id: &serde_json::Value) -> Vec<String> {
    let shown = node.data(NEXT, json!({"id": id, "n": 12})).await["job"].clone();
    assert_eq!(shown["nextFireTime"], shown["nextFireTimes"][0]);
    serde_json::from_value(shown["nextFireTimes"].clone()).unwrap()
}

#[actix::test]
async fn the_next_fire_time_is_the_first_of_the_next_fire_times_whatever_closes_since() {
    let node = ApiNode::start().await;
    let monthly = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "0 0 1 * *"});
    let id = json!(node.create(monthly).await);
    let open = next(&node, &id).await;
    assert_eq!(open.len(), 12);
    // From the first of them until a day after the third.
    let ends_at = open[2].replace("-01T", "-02T");
    let create = "mutation($input: BlackoutInput!) { createBlackout(input: $input) { id } }";
    let blackout = async |on_end: &str| {
        let input = json!({"reason": "move", "startsAt": open[0], "endsAt": ends_at, "afterwards": on_end, "jobId": id});
        node.data(create, json!({"input": input})).await["createBlackout"]["id"].clone()
    };

    for (on_end, shown) in [
        ("SKIP", &open[3..]),
        ("COLLAPSE", &open[2..]),
        ("RUN_ALL", &open[..]),
    ] {
        let made = blackout(on_end).await;
        assert_eq!(next(&node, &id).await[..9], shown[..9], "{on_end}");
        node.data(
            "mutation($id: ID!) { endBlackout(id: $id) { id } }",
            json!({"id": made}),
        )
        .await;
        assert_eq!(
            next(&node, &id).await,
            open,
            "it was cancelled before it began"
        );
    }
    blackout("SKIP").await;
    let listed =
        "{ jobs { nextFireTime nextFireTimes(count: 1) } jobsPage { nodes { nextFireTime } } }";
    let listed = node.data(listed, json!({})).await;
    assert_eq!(
        listed["jobs"],
        json!([{"nextFireTime": open[3], "nextFireTimes": [open[3]]}])
    );
    assert_eq!(
        listed["jobsPage"]["nodes"],
        json!([{"nextFireTime": open[3]}])
    );
}
