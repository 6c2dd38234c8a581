//! Executions by a text in their job's name, error or output.

use crate::api_node::ApiNode;
use serde_json::{Value, json};
use uuid::Uuid;

const SEARCH: &str = "query($text: String!, $outputs: Boolean!, $first: Int, $after: String,
        $filter: ExecutionFilter) {
    searchExecutions(text: $text, outputs: $outputs, first: $first, after: $after, filter: $filter)
    {
        totalCount nodes { id jobName fireTime status } pageInfo { hasNextPage hasPreviousPage
        endCursor } } }";

/// $3 executions of a job ($1), a second apart, the newest $2 seconds ago.
const RAN: &str = "insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, started_at, finished_at,
    error_message, output, created_at)
select (lpad(to_hex((extract(epoch from l.at) * 1000)::bigint), 12,
'0') || substr(md5(j.id || l.at::text), 1, 20))::uuid, j.id,
    'SCHEDULE', l.at, l.at, case when $4::text is null then 'SUCCESS' else 'FAILED' end, 1, l.at,
    l.at, $4::text, $5::text, l.at
from job_definition j, (select now() - make_interval(secs => $2::float8 + n) as at
from generate_series(0, $3 - 1) n) as l
where j.name = $1";

struct Log {
    node: ApiNode,
    sql: tokio_postgres::Client,
}

impl Log {
    async fn of(jobs: &[&str]) -> Self {
        let node = ApiNode::start().await;
        for name in jobs {
            let job = json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
                "initialDelaySeconds": 86400});
            node.create(job).await;
        }
        let sql = node.database.client().await;
        Self { node, sql }
    }

    async fn ran(
        &self,
        job: &str,
        ago: f64,
        times: i32,
        error: Option<&str>,
        output: Option<&str>,
    ) {
        self.sql
            .execute(RAN, &[&job, &ago, &times, &error, &output])
            .await
            .unwrap();
    }

    async fn page(&self, variables: Value) -> Value {
        let mut all = json!({"outputs": false});
        all.as_object_mut()
            .unwrap()
            .extend(variables.as_object().unwrap().clone());
        self.node.data(SEARCH, all).await["searchExecutions"].take()
    }

    /// How often each job is found, over all pages.
    async fn found(&self, variables: Value) -> Vec<String> {
        let (mut after, mut names, mut pages) = (Value::Null, Vec::new(), 0);
        loop {
            let mut asked = variables.clone();
            asked["after"] = after;
            let page = self.page(asked).await;
            let rows = page["nodes"].as_array().unwrap();
            names.extend(
                rows.iter()
                    .map(|row| row["jobName"].as_str().unwrap().to_owned()),
            );
            after = page["pageInfo"]["endCursor"].clone();
            pages += 1;
            if page["pageInfo"]["hasNextPage"] == false || pages > 100 {
                names.sort();
                return names;
            }
        }
    }
}

#[actix::test]
async fn a_text_finds_executions_by_name_error_and_output() {
    let log = Log::of(&["Invoices", "Mail 100%_", "Report"]).await;
    log.ran("Invoices", 10.0, 2, None, Some("sent 12 letters"))
        .await;
    log.ran(
        "Mail 100%_",
        20.0,
        1,
        Some("could not reach the INVOICE server"),
        None,
    )
    .await;
    log.ran("Report", 30.0, 3, None, Some("done: invoice.pdf"))
        .await;

    assert_eq!(
        log.found(json!({"text": " invoice "})).await,
        ["Invoices", "Invoices", "Mail 100%_"]
    );
    let all = [
        "Invoices",
        "Invoices",
        "Mail 100%_",
        "Report",
        "Report",
        "Report",
    ];
    assert_eq!(
        log.found(json!({"text": "invoice", "outputs": true})).await,
        all
    );
    assert_eq!(
        log.found(json!({"text": "invoice", "outputs": true, "first": 1}))
            .await,
        all,
        "a page at a time"
    );
    assert_eq!(
        log.found(json!({"text": "invoice", "filter": {"status": ["FAILED"]}}))
            .await,
        ["Mail 100%_"]
    );
    assert_eq!(
        log.found(json!({"text": "letters"})).await,
        Vec::<String>::new()
    );
    assert_eq!(log.found(json!({"text": "100%_"})).await, ["Mail 100%_"]);
    for nothing in ["%", "_oice", "\\", "' or true --", "$1", "{a}"] {
        let found = log.found(json!({"text": nothing, "outputs": true})).await;
        assert!(
            found.iter().all(|name| name == "Mail 100%_"),
            "{nothing}: {found:?}"
        );
    }
    let newest = log.page(json!({"text": "report"})).await;
    let id = newest["nodes"][1]["id"].clone();
    let by_id = log.page(json!({"text": id})).await;
    assert_eq!(
        (
            &by_id["nodes"][0]["id"],
            by_id["nodes"].as_array().unwrap().len()
        ),
        (&id, 1)
    );
    let times: Vec<&str> = newest["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["fireTime"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|one, next| one > next), "{times:?}");
}

#[actix::test]
async fn the_next_page_finds_rows_beyond_the_scan_of_the_first() {
    let log = Log::of(&["Flood", "Rare"]).await;
    // More than are looked through for a page, and what is looked for below them.
    log.ran("Flood", 10.0, 20_050, Some("answered 503"), None)
        .await;
    log.ran("Rare", 30_000.0, 1, Some("answered 418"), None)
        .await;
    log.ran("Rare", 31_000.0, 1, None, None).await;

    let first = log.page(json!({"text": "418"})).await;
    assert_eq!(
        (
            first["nodes"].as_array().unwrap().len(),
            &first["pageInfo"]["hasNextPage"]
        ),
        (0, &json!(true))
    );
    assert_eq!(log.found(json!({"text": "418"})).await, ["Rare"]);
    // By its name the row would be found at once; but a page must not show rows below errors that
    // it has not seen.
    assert_eq!(log.page(json!({"text": "rare"})).await["nodes"], json!([]));
    assert_eq!(log.found(json!({"text": "rare"})).await, ["Rare", "Rare"]);
    assert_eq!(
        log.page(json!({"text": "503", "first": 200})).await["nodes"]
            .as_array()
            .unwrap()
            .len(),
        200
    );
}

#[actix::test]
async fn a_name_that_many_jobs_have_finds_all_of_them() {
    let log = Log::of(&["other"]).await;
    let input = |number: usize| {
        json!({"name": format!("probe {number}"),
        "scheduleType": "FIXED_RATE", "intervalSeconds": 3600, "initialDelaySeconds": 86400})
    };
    let inputs: Vec<Value> = (0..201).map(input).collect();
    let create = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    log.node.data(create, json!({"inputs": inputs})).await;
    for job in ["probe 0", "probe 200", "other"] {
        log.ran(job, 10.0, 1, None, None).await;
    }
    assert_eq!(
        log.found(json!({"text": "PROBE"})).await,
        ["probe 0", "probe 200"]
    );
    assert_eq!(log.found(json!({"text": "e 200"})).await, ["probe 200"]);
}

#[actix::test]
async fn a_search_that_cannot_be_made_is_refused_at_its_field() {
    let log = Log::of(&[]).await;
    for (variables, field) in [
        (json!({"text": " ", "outputs": false}), "text"),
        (json!({"text": "a\u{0}b", "outputs": false}), "text"),
        (json!({"text": "x".repeat(256), "outputs": false}), "text"),
        (
            json!({"text": "x", "outputs": false, "first": 201}),
            "first",
        ),
        (
            json!({"text": "x", "outputs": false, "after": "nonsense"}),
            "after",
        ),
        (
            json!({"text": "x", "outputs": false, "filter": {"status": ["GREAT"]}}),
            "filter.status.0",
        ),
    ] {
        let error = log.node.error(SEARCH, variables).await;
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["field"]),
            (&json!("BAD_USER_INPUT"), &json!(field))
        );
    }
    let nothing = log.page(json!({"text": Uuid::nil()})).await;
    assert_eq!(
        (&nothing["nodes"], &nothing["totalCount"]),
        (&json!([]), &Value::Null)
    );
}
