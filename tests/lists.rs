//! Lists: stable pages, filters that take every value, commands for many jobs.

use crate::api_node::ApiNode;
use serde_json::{Value, json};

const PAGE: &str = "query($first: Int, $after: String, $filter: JobFilter, $order: JobOrder) {
    jobsPage(first: $first, after: $after, filter: $filter, orderBy: $order) {
        totalCount nodes { id name } edges { cursor } pageInfo { hasNextPage hasPreviousPage
        endCursor } } }";

async fn create(node: &ApiNode, name: &str, more: Value) -> String {
    let mut input = json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600});
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    node.create(input).await
}

fn names(page: &Value) -> Vec<&str> {
    page["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect()
}

async fn page(node: &ApiNode, variables: Value) -> Value {
    node.data(PAGE, variables).await["jobsPage"].take()
}

async fn found(node: &ApiNode, filter: Value) -> Vec<String> {
    let page = page(node, json!({"filter": filter, "order": "NAME"})).await;
    names(&page).into_iter().map(str::to_owned).collect()
}

#[actix::test]
async fn pages_of_every_order_hold_each_job_once() {
    let node = ApiNode::start().await;
    for number in 0..7 {
        create(
            &node,
            &format!("job {number}"),
            json!({"initialDelaySeconds": 7_000 - number * 1_000}),
        )
        .await;
    }
    let paused = create(&node, "Job 7", json!({})).await;
    node.data(
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        json!({"id": paused}),
    )
    .await;
    let numbers = |names: &[String]| names.iter().map(|name| &name[4..]).collect::<String>();

    for (order, expected) in [
        ("NEWEST", "76543210"),
        ("OLDEST", "01234567"),
        ("NAME", "01234567"),
        ("NEXT_FIRE_TIME", "65432107"),
    ] {
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = page(&node, json!({"first": 3, "after": after, "order": order})).await;
            assert_eq!(page["totalCount"], 8);
            assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
            seen.extend(names(&page).into_iter().map(str::to_owned));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(numbers(&seen), expected, "{order}");
    }
}

#[actix::test]
async fn changes_between_two_pages_repeat_and_hide_no_row() {
    let node = ApiNode::start().await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(create(&node, &format!("job {number}"), json!({})).await);
    }
    let first = page(&node, json!({"first": 3})).await;
    assert_eq!(names(&first), ["job 5", "job 4", "job 3"]);
    create(&node, "job 6", json!({})).await;
    for gone in [3, 2] {
        node.data(
            "mutation($id: ID!) { deleteJob(id: $id) }",
            json!({"id": ids[gone]}),
        )
        .await;
    }
    let second = page(
        &node,
        json!({"first": 3, "after": first["pageInfo"]["endCursor"]}),
    )
    .await;
    assert_eq!(names(&second), ["job 1", "job 0"]);
}

#[actix::test]
async fn filters_find_what_they_say() {
    let node = ApiNode::start().await;
    let billing = create(
        &node,
        "Invoices",
        json!({"tags": ["billing", "daily"], "description": "Sends 100% of_them"}),
    )
    .await;
    create(
        &node,
        "mail",
        json!({"tags": ["daily"], "scheduleType": "FIXED_DELAY"}),
    )
    .await;
    node.data(
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        json!({"id": billing}),
    )
    .await;

    assert_eq!(
        found(&node, json!({"tags": ["daily"]})).await,
        ["Invoices", "mail"]
    );
    assert_eq!(
        found(&node, json!({"tags": ["daily", "billing"]})).await,
        ["Invoices"]
    );
    assert_eq!(found(&node, json!({"search": "VOICE"})).await, ["Invoices"]);
    assert_eq!(
        found(&node, json!({"search": "100% of_"})).await,
        ["Invoices"]
    );
    assert_eq!(found(&node, json!({"search": billing})).await, ["Invoices"]);
    assert_eq!(found(&node, json!({"status": ["ACTIVE"]})).await, ["mail"]);
    assert_eq!(
        found(&node, json!({"scheduleType": ["FIXED_DELAY"]})).await,
        ["mail"]
    );
    assert_eq!(found(&node, json!({"ids": [billing]})).await, ["Invoices"]);
    assert!(
        found(&node, json!({"status": ["DELETED"]}))
            .await
            .is_empty()
    );
    let tags = node.data("{ tags { tag jobs } }", json!({})).await;
    assert_eq!(
        tags["tags"],
        json!([{"tag": "daily", "jobs": 2}, {"tag": "billing", "jobs": 1}])
    );
}

#[actix::test]
async fn hostile_filters_find_nothing_and_break_nothing() {
    let node = ApiNode::start().await;
    create(&node, "job", json!({"description": "plain"})).await;
    for search in [
        "%",
        "_",
        "\\",
        "' or true --",
        "\"",
        "$1",
        "{a}",
        "?",
        "\u{202e}",
    ] {
        assert!(
            found(&node, json!({"search": search})).await.is_empty(),
            "{search}"
        );
    }
    let refused = async |filter: Value| {
        let error = node.error(PAGE, json!({"filter": filter})).await;
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        error["extensions"]["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(json!({"search": "x".repeat(10_000)})).await,
        "filter.search"
    );
    assert_eq!(refused(json!({"search": "a\u{0}b"})).await, "filter.search");
    assert_eq!(refused(json!({"tags": ["\u{0}"]})).await, "filter.tags.0");
    assert_eq!(refused(json!({"ids": ["nonsense"]})).await, "filter.ids.0");
    assert_eq!(
        refused(json!({"lastOutcome": ["GREAT"]})).await,
        "filter.lastOutcome.0"
    );
    let field =
        async |variables: Value| node.error(PAGE, variables).await["extensions"]["field"].clone();
    assert_eq!(
        (
            field(json!({"first": 201})).await,
            field(json!({"first": 0})).await
        ),
        (json!("first"), json!("first"))
    );
    let by_name = page(&node, json!({"order": "NAME"})).await["pageInfo"]["endCursor"].clone();
    for (after, order) in [
        (json!("nonsense"), "NAME"),
        (by_name, "NEWEST"),
        (json!("e30"), "NAME"),
    ] {
        assert_eq!(
            field(json!({"after": after, "order": order})).await,
            "after"
        );
    }
}

/// A node with four jobs: one succeeded, one failed, one runs and one never ran.
async fn outcomes() -> ApiNode {
    let node = ApiNode::start().await;
    let refused = json!({"target": {"http": {"url": "http://127.0.0.1:1/"}}});
    for (name, target) in [
        ("good", json!({})),
        ("bad", refused),
        ("busy", json!({"target": {"noop": {"sleepMillis": 60_000}}})),
    ] {
        let id = create(&node, name, target).await;
        node.data(
            "mutation($id: ID!) { runJobNow(id: $id) }",
            json!({"id": id}),
        )
        .await;
    }
    create(&node, "idle", json!({})).await;
    crate::support::eventually("they have run", async || {
        let jobs = node
            .data(
                "{ jobsPage(orderBy: NAME) { nodes { recentExecutions(count: 1) { status } } } }",
                json!({}),
            )
            .await;
        let status =
            |job: usize| jobs["jobsPage"]["nodes"][job]["recentExecutions"][0]["status"].clone();
        (status(0) == "FAILED" && status(1) == "RUNNING" && status(2) == "SUCCESS").then_some(())
    })
    .await;
    node
}

#[actix::test]
async fn jobs_are_found_by_their_last_outcome_and_shown_with_what_they_did() {
    let node = outcomes().await;
    for (outcome, expected) in [
        ("FAILED", "bad"),
        ("RUNNING", "busy"),
        ("SUCCESS", "good"),
        ("NONE", "idle"),
    ] {
        assert_eq!(
            found(&node, json!({"lastOutcome": [outcome]})).await,
            [expected]
        );
    }
    assert_eq!(
        found(&node, json!({"lastOutcome": ["FAILED", "NONE", "RUNNING"]})).await,
        ["bad", "busy", "idle"]
    );
    assert!(
        found(&node, json!({"lastOutcome": ["LOST"]}))
            .await
            .is_empty()
    );

    let facts = "{ jobsPage(orderBy: NAME) { nodes { inFlight previousFireTime recentExecutions { jobVersion failures }
        executions(first: 5) { nodes { jobName } pageInfo { hasNextPage } } } } }";
    let jobs = node.data(facts, json!({})).await["jobsPage"]["nodes"].take();
    assert_eq!(
        (&jobs[1]["inFlight"], &jobs[3]["inFlight"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&jobs[3]["previousFireTime"], &jobs[3]["recentExecutions"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(
        jobs[0]["recentExecutions"],
        json!([{"jobVersion": 0, "failures": 1}])
    );
    assert_eq!(
        jobs[0]["executions"],
        json!({"nodes": [{"jobName": "bad"}], "pageInfo": {"hasNextPage": false}})
    );
}

#[actix::test]
async fn the_executions_of_all_jobs_at_once_are_those_of_each() {
    let node = outcomes().await;
    let jobs = node.data("{ jobs { id name } }", json!({})).await["jobs"].take();
    let good = jobs
        .as_array()
        .unwrap()
        .iter()
        .find(|job| job["name"] == "good")
        .unwrap()["id"]
        .clone();
    for _ in 0..2 {
        node.data(
            "mutation($id: ID!) { runJobNow(id: $id) }",
            json!({"id": good}),
        )
        .await;
    }
    let ended = async || {
        let logs = node.logs(good.as_str().unwrap()).await;
        (logs.len() == 3 && logs.iter().all(|log| log["status"] == "SUCCESS")).then_some(())
    };
    crate::support::eventually("it has run three times", ended).await;
    let fields = "totalCount edges { cursor node { jobName } } pageInfo { hasNextPage \
        hasPreviousPage startCursor endCursor }";
    for texts in [
        "id",
        "id errorMessage",
        "id errorMessage output previousAttempts",
    ] {
        let all = "query($first: Int, $one: Int!) { jobs { id few: executions(first: $one) { nodes
            { id } }
            executions(first: $first) { FIELDS nodes { status TEXTS } } } }";
        let alone = "query($first: Int, $id: ID!) { job(id: $id) { executions(first: $first, \
            filter: {}) { FIELDS nodes { status TEXTS } } } }";
        let [all, alone] =
            [all, alone].map(|query| query.replace("FIELDS", fields).replace("TEXTS", texts));
        for first in [json!(1), json!(2), json!(3), Value::Null] {
            let jobs = node.data(&all, json!({"first": first, "one": 1})).await["jobs"].take();
            for job in jobs.as_array().unwrap() {
                let one = node
                    .data(&alone, json!({"first": first, "id": job["id"]}))
                    .await;
                assert_eq!(
                    job["executions"], one["job"]["executions"],
                    "{first} {texts}"
                );
                assert!(job["few"]["nodes"].as_array().unwrap().len() <= 1);
            }
        }
    }
    let refused = node
        .error(
            "{ jobs { executions(first: 201) { nodes { id } } } }",
            json!({}),
        )
        .await;
    assert_eq!(refused["extensions"]["field"], "first");
}

#[actix::test]
async fn executions_are_listed_filtered_and_paged() {
    let node = outcomes().await;
    let list = "query($first: Int, $after: String, $filter: ExecutionFilter) {
        executionsPage(first: $first, after: $after, filter: $filter) {
            totalCount nodes { id jobName status } pageInfo { hasNextPage endCursor } } }";
    let names = async |filter: Value| {
        let page = node.data(list, json!({"filter": filter})).await["executionsPage"].take();
        let mut names: Vec<String> = page["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["jobName"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(json!({})).await, "bad busy good");
    assert_eq!(names(json!({"status": ["FAILED", "LOST"]})).await, "bad");
    assert_eq!(
        names(json!({"status": ["SUCCESS"], "kind": ["MANUAL"]})).await,
        "good"
    );
    assert_eq!(names(json!({"reason": ["ERROR"]})).await, "bad");
    assert_eq!(names(json!({"to": "2020-01-01T00:00:00Z"})).await, "");
    assert_eq!(
        names(json!({"from": "2020-01-01T00:00:00Z", "status": ["RUNNING"]})).await,
        "busy"
    );
    assert_eq!(names(json!({"nodeId": uuid::Uuid::nil()})).await, "");
    let running = node
        .data(list, json!({"filter": {"status": ["RUNNING"]}}))
        .await;
    assert_eq!(running["executionsPage"]["totalCount"], 1);

    let (mut seen, mut after) = (0, Value::Null);
    loop {
        let page =
            node.data(list, json!({"first": 1, "after": after})).await["executionsPage"].take();
        seen += page["nodes"].as_array().unwrap().len();
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, 3);
    assert_eq!(
        node.error(list, json!({"after": "nonsense"})).await["extensions"]["field"],
        "after"
    );
    assert_eq!(
        node.error(list, json!({"filter": {"status": ["GREAT"]}}))
            .await["extensions"]["field"],
        "filter.status.0"
    );
}

#[actix::test]
async fn commands_reach_all_jobs_of_a_filter_and_count_what_they_changed() {
    let node = ApiNode::start().await;
    for number in 0..3 {
        create(&node, &format!("mail {number}"), json!({"tags": ["mail"]})).await;
    }
    create(&node, "other", json!({})).await;
    let mutation = |command: &str| {
        format!(
            "mutation($filter: JobFilter, $all: Boolean!) {{ {command}(filter: $filter, \
             all: $all) {{ matched changed }} }}"
        )
    };
    let bulk = async |command: &str, filter: Value| {
        let all = filter.is_null();
        let result = node
            .data(&mutation(command), json!({"filter": filter, "all": all}))
            .await[command]
            .take();
        (
            result["matched"].as_i64().unwrap(),
            result["changed"].as_i64().unwrap(),
        )
    };
    assert_eq!(bulk("pauseJobs", json!({"search": "mail 1"})).await, (1, 1));
    assert_eq!(bulk("pauseJobs", json!({"tags": ["mail"]})).await, (3, 2));
    assert_eq!(found(&node, json!({"status": ["PAUSED"]})).await.len(), 3);
    assert_eq!(bulk("resumeJobs", Value::Null).await, (4, 3));
    let next = node
        .data("{ jobsPage { nodes { nextFireTime version } } }", json!({}))
        .await;
    assert!(
        next["jobsPage"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["nextFireTime"].is_string())
    );
    assert_eq!(bulk("runJobsNow", json!({"tags": ["mail"]})).await, (3, 3));
    crate::support::eventually("they ran", async || {
        let done = node
            .data(
                "{ executionsPage(filter: {status: [SUCCESS]}) { nodes { id } } }",
                json!({}),
            )
            .await;
        (done["executionsPage"]["nodes"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    for command in ["pauseJobs", "resumeJobs", "deleteJobs", "runJobsNow"] {
        for empty in [
            Value::Null,
            json!({}),
            json!({"search": ""}),
            json!({"tags": [], "ids": null}),
        ] {
            let error = node
                .error(&mutation(command), json!({"filter": empty, "all": false}))
                .await;
            assert_eq!(
                error["extensions"]["field"], "filter",
                "{command} {empty}: {error}"
            );
        }
        let both = node
            .error(
                &mutation(command),
                json!({"filter": {"tags": ["mail"]}, "all": true}),
            )
            .await;
        assert_eq!(both["extensions"]["field"], "all", "{command}: {both}");
    }
    assert_eq!(bulk("deleteJobs", json!({"ids": []})).await, (0, 0));
    assert_eq!(
        found(&node, json!({})).await.len(),
        4,
        "nothing was deleted"
    );
    assert_eq!(bulk("deleteJobs", json!({"tags": ["mail"]})).await, (3, 3));
    assert_eq!(
        bulk("deleteJobs", json!({"status": ["DELETED"]})).await,
        (0, 0)
    );
    assert_eq!(found(&node, json!({})).await, ["other"]);
}
