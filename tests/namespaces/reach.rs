//! What a caller reads and counts, and the role that it misses.

use super::Namespaces;
use serde_json::{Value, json};

#[actix::test]
async fn lists_counts_and_searches_have_what_is_within_reach() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=VIEWER"]).await;
    let queries = [
        "{ jobs { id name } }",
        "{ jobsPage(filter: {search: \"needle\"}) { nodes { id namespace } totalCount } }",
        "{ jobsPage(filter: {state: [FAILING]}) { nodes { id } } }",
        "{ executionsPage { nodes { id jobName } } }",
        "{ executionsPage(filter: {status: [FAILED]}) { nodes { id } pageInfo { hasNextPage } } }",
        "{ searchExecutions(text: \"needle\") { nodes { id } } }",
        "{ searchExecutions(text: \"needle\", outputs: true) { nodes { id } } }",
        "{ searchExecutions(text: \"job of\") { nodes { id } } }",
        "{ tags { tag jobs } }",
        "{ calendars { name namespace jobs } }",
        "{ backfills { id } }",
        "{ blackouts { id } }",
        "{ upcoming(hours: 168) { jobs } }",
        "{ agenda { entries { jobs } often { jobs } } }",
        "{ cluster { activeJobs pausedJobs } }",
        "{ overview { failingJobs failuresLastHour dueNow attentionTotal cluster { activeJobs }
            attention { kind jobId } nextDue { jobId } } }",
    ];
    for query in queries {
        let of_own = namespaces.data(&token, query, json!({})).await.to_string();
        let of_all = namespaces
            .data(&namespaces.admin, query, json!({}))
            .await
            .to_string();
        assert_ne!(of_own, of_all, "{query}");
        let foreign = &namespaces.foreign;
        for hidden in [
            &foreign.job,
            &foreign.execution,
            &foreign.backfill,
            &foreign.blackout,
        ] {
            assert!(!of_own.contains(hidden.as_str()), "{query}: {of_own}");
        }
        assert!(!of_own.contains("foreign"), "{query}: {of_own}");
    }
    let answer = namespaces.data(&token, queries[15], json!({})).await;
    let overview = &answer["overview"];
    assert_eq!(overview["failingJobs"], 1);
    assert_eq!(overview["failuresLastHour"], 1);
    assert_eq!(overview["cluster"]["activeJobs"], 1);
    let answer = namespaces.data(&token, queries[1], json!({})).await;
    assert_eq!(answer["jobsPage"]["totalCount"], 1);
    assert_eq!(answer["jobsPage"]["nodes"][0]["namespace"], "own");
    let answer = namespaces.data(&token, queries[8], json!({})).await;
    assert_eq!(answer["tags"], json!([{"tag": "tag-own", "jobs": 1}]));
    for query in [queries[3], queries[4]] {
        let answer = namespaces.data(&token, query, json!({})).await;
        let nodes = answer["executionsPage"]["nodes"].as_array().unwrap();
        let ids: Vec<&Value> = nodes.iter().map(|node| &node["id"]).collect();
        assert!(
            ids.contains(&&json!(namespaces.own.execution)),
            "{query}: {ids:?}"
        );
    }
}

#[actix::test]
async fn a_caller_who_may_read_is_told_the_role_that_is_missing() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=VIEWER", "mine=EDITOR"]).await;
    let own = &namespaces.own;
    for (request, role) in [
        (
            format!("mutation {{ pauseJob(id: \"{}\") {{ id }} }}", own.job),
            "OPERATOR",
        ),
        (
            format!("mutation {{ cancelExecution(id: \"{}\") }}", own.execution),
            "OPERATOR",
        ),
        (
            format!(
                "mutation {{ rerunExecution(id: \"{}\") {{ id }} }}",
                own.execution
            ),
            "OPERATOR",
        ),
        (
            format!("mutation {{ cancelBackfill(id: \"{}\") }}", own.backfill),
            "OPERATOR",
        ),
        (
            format!(
                "mutation {{ endBlackout(id: \"{}\") {{ id }} }}",
                own.blackout
            ),
            "EDITOR",
        ),
        (
            format!("mutation {{ deleteCalendar(name: \"{}\") }}", own.calendar),
            "EDITOR",
        ),
        (
            "mutation { createJob(input: {name: \"x\", namespace: \"own\",
                scheduleType: FIXED_RATE, intervalSeconds: 60}) { id } }"
                .to_owned(),
            "EDITOR",
        ),
    ] {
        let (code, message) = namespaces.error(&token, &request, json!({})).await;
        assert_eq!(code, "FORBIDDEN", "{request}: {message}");
        assert!(
            message.contains(&format!("needs the role {role} in own")),
            "{message}"
        );
    }
    // The values behind masks are those of a job that the caller may change.
    let copy = format!(
        "mutation {{ createJob(maskedFrom: \"{}\", input: {{name: \"x\", namespace: \"mine\",
            payload: {{secret: \"********\"}}, scheduleType: FIXED_RATE, intervalSeconds: 60}}) {{
                id }} }}",
        own.job
    );
    let (code, message) = namespaces.error(&token, &copy, json!({})).await;
    assert_eq!(code, "FORBIDDEN", "{message}");
    let all = "mutation { pauseJobs(all: true) { matched } }";
    let answer = namespaces.data(&token, all, json!({})).await;
    assert_eq!(
        answer["pauseJobs"]["matched"], 0,
        "no job within reach of the command"
    );
    let recorded = "select count(*)::int from audit_log where outcome = 'REFUSED'
        and details ->> 'reason' like '%in own%'";
    let recorded: i32 = namespaces
        .sql
        .query_one(recorded, &[])
        .await
        .unwrap()
        .get(0);
    assert!(recorded > 0, "refusals are in the audit log");
}

#[actix::test]
async fn what_concerns_all_namespaces_needs_a_role_in_the_whole_cluster() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=ADMIN"]).await;
    let wide = "mutation { createBlackout(input: {reason: \"r\", tag: \"tag-foreign\",
        startsAt: \"2990-01-01T00:00:00Z\", endsAt: \"2990-01-02T00:00:00Z\"}) { id } }";
    let id =
        namespaces.data(&namespaces.admin, wide, json!({})).await["createBlackout"]["id"].take();
    let end = format!("mutation {{ endBlackout(id: {id}) {{ id }} }}");
    for request in [
        wide,
        &wide.replace("tag: \"tag-foreign\",", ""),
        &end,
        "{ activity { fires } }",
        "{ users { id } }",
        "{ auditLog { nodes { id } } }",
        "mutation { pauseCluster }",
        "mutation { createNamespace(input: {name: \"x\"}) { name } }",
        "mutation { deleteNamespace(name: \"own\") }",
        "mutation { createUser(name: \"eve\", role: ADMIN) { id } }",
    ] {
        let (code, message) = namespaces.error(&token, request, json!({})).await;
        assert_eq!(code, "FORBIDDEN", "{request}: {message}");
    }
    let nodes = namespaces
        .data(
            &token,
            "{ nodes { id } me { role namespaceRoles { namespace role } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        nodes["nodes"].as_array().unwrap().len(),
        1,
        "every caller reads the nodes"
    );
    assert_eq!(
        nodes["me"],
        json!({"role": null, "namespaceRoles": [{"namespace": "own", "role": "ADMIN"}]})
    );
    let metrics = async |token: &str| {
        let url = format!("{}/metrics", namespaces.node.url);
        let request = namespaces.node.http.get(url).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        metrics(&token).await,
        403,
        "they count what happens in all namespaces"
    );
    assert_eq!(metrics(&namespaces.admin).await, 200);
}

#[actix::test]
async fn commands_within_reach_work_as_ever() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=EDITOR"]).await;
    let own = &namespaces.own;
    let id = json!({"id": own.job});
    for request in [
        "mutation($id: ID!) { updateJob(id: $id, version: 0, input: {name: \"new\",
            scheduleType: CRON, cronExpression: \"0 1 * * *\", calendar: \"own/days\"}) { name } }",
        "mutation($id: ID!) { pauseJob(id: $id, cancelRunning: true) { status } }",
        "mutation($id: ID!) { resumeJob(id: $id) { status } }",
        "mutation($id: ID!) { runJobNow(id: $id, payload: {a: 1}) }",
        "mutation($id: ID!) { createBlackout(input: {reason: \"r\", jobId: $id,
            startsAt: \"2990-01-01T00:00:00Z\", endsAt: \"2990-01-02T00:00:00Z\"}) { id } }",
        "mutation($id: ID!) { pauseJobs(filter: {ids: [$id]}) { matched } }",
        "mutation($id: ID!) { resumeJobs(filter: {ids: [$id]}) { matched } }",
        "mutation($id: ID!) { runJobsNow(filter: {ids: [$id]}) { matched } }",
        "mutation($id: ID!) { backfillJob(id: $id, from: \"2024-01-01T00:00:00Z\",
            to: \"2024-01-02T00:00:00Z\") { id } }",
    ] {
        namespaces.data(&token, request, id.clone()).await;
    }
    let rerun = format!(
        "mutation {{ rerunExecution(id: \"{}\") {{ created }} }}",
        own.execution
    );
    namespaces.data(&token, &rerun, json!({})).await;
    let cancel = "mutation { cancelExecutions(all: true) { matched } }";
    namespaces.data(&token, cancel, json!({})).await;
    let calendar = "mutation { updateCalendar(input: {name: \"own/days\", excludeDates: []},
        version: 0) { version namespace } }";
    let calendar = namespaces.data(&token, calendar, json!({})).await;
    assert_eq!(
        calendar["updateCalendar"],
        json!({"version": 1, "namespace": "own"})
    );
    let other = format!(
        "mutation {{ updateJob(id: \"{}\", version: 3, input: {{name: \"n\", namespace: \"mine\",
            scheduleType: FIXED_RATE, intervalSeconds: 60}}) {{ id }} }}",
        own.job
    );
    let (code, message) = namespaces.error(&token, &other, json!({})).await;
    assert_eq!(code, "BAD_USER_INPUT", "{message}");
    let delete = format!(
        "mutation {{ deleteJob(id: \"{}\", cancelRunning: true) }}",
        own.job
    );
    namespaces.data(&token, &delete, json!({})).await;
    namespaces
        .data(
            &token,
            "mutation { deleteCalendar(name: \"own/days\") }",
            json!({}),
        )
        .await;
    let left = "select count(*)::int from job_trigger t join job_definition j on j.id = t.job_id
        where j.namespace = 'own'";
    let left: i32 = namespaces.sql.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "the triggers are gone");
}

/// A table that a migration adds needs a decision: a view of its own, or a row here.
#[actix::test]
async fn every_table_with_jobs_or_namespaces_has_a_view_of_its_reach() {
    // A worker is shown to those who reach its namespace by `workers.list` alone.
    const OF_THE_CLUSTER: [&str; 3] = ["cluster_node", "job_lease", "role_binding"];
    let namespaces = Namespaces::start().await;
    let tables = "select distinct c.relname::text from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname in ('job_id', 'namespace')
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
          and not c.relispartition and c.relname <> all($1)
        union select 'job_definition' union select 'calendar' union select 'namespace'";
    let known: Vec<&str> = OF_THE_CLUSTER.to_vec();
    let rows = namespaces.sql.query(tables, &[&known]).await.unwrap();
    // A request opens a connection with the views.
    let token = namespaces.token(&["own=VIEWER"]).await;
    namespaces.data(&token, "{ jobs { id } }", json!({})).await;
    let views = "select relname::text, pg_get_viewdef(oid),
            exists (select from pg_attribute where attrelid = oid and attname = 'job_id')
        from pg_class
        where relkind = 'v' and relnamespace <> 'public'::regnamespace and relpersistence = 't'";
    let views = namespaces.sql.query(views, &[]).await.unwrap();
    let of_own = "select set_config('horolog.namespaces', '{own}', false)";
    namespaces.sql.query_one(of_own, &[]).await.unwrap();
    let mut names: Vec<String> = Vec::new();
    let mut rows_within_reach = 0;
    for view in &views {
        let (name, definition): (String, String) = (view.get(0), view.get(1));
        assert!(definition.contains("horolog.namespaces"), "{definition}");
        if view.get(2) {
            let definition = definition.trim_end_matches(';');
            let count = format!(
                "select count(*) filter (where j.namespace <> 'own'), count(*)
                 from ({definition}) v join job_definition j on j.id = v.job_id"
            );
            let row = namespaces.sql.query_one(&count, &[]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), 0, "foreign rows in {name}");
            rows_within_reach += row.get::<_, i64>(1);
        }
        names.push(name);
    }
    assert!(rows_within_reach >= 6, "{rows_within_reach}");
    for row in rows {
        let table: String = row.get(0);
        assert!(names.contains(&table), "{table}: {names:?}");
    }
}
