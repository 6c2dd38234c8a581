//! Namespaces: what a caller with roles in some of them reads, changes and never learns.

mod foreign;
mod quotas;
mod reach;
mod sockets;

use crate::api_node::ApiNode;
use crate::support::access::{namespace, token, token_in};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// A closed node with two namespaces, and a job, an execution, a calendar and the like in each.
struct Namespaces {
    node: ApiNode,
    sql: Client,
    /// The token of an admin of the cluster.
    admin: String,
    own: Content,
    foreign: Content,
}

/// What is in a namespace.
struct Content {
    job: String,
    execution: String,
    backfill: String,
    blackout: String,
    calendar: String,
}

impl Namespaces {
    async fn start() -> Self {
        let node = ApiNode::start().await;
        let sql = node.database.client().await;
        let admin = token(&sql, "ADMIN").await;
        // Nothing starts, so that what is there stays as it is.
        post(&node, &admin, "mutation { pauseCluster }", json!({})).await;
        namespace(&sql, "own").await;
        namespace(&sql, "foreign").await;
        let own = Content::of(&node, &sql, &admin, "own").await;
        let foreign = Content::of(&node, &sql, &admin, "foreign").await;
        Self {
            node,
            sql,
            admin,
            own,
            foreign,
        }
    }

    /// A token with these roles in namespaces.
    async fn token(&self, grants: &[&str]) -> String {
        token_in(&self.sql, grants).await
    }

    /// The answer to a request with a token.
    async fn post(&self, token: &str, query: &str, variables: Value) -> Value {
        post(&self.node, token, query, variables).await
    }

    /// The data of a request that succeeds.
    async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let mut answer = self.post(token, query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}: {answer}");
        answer["data"].take()
    }

    /// The code and the message of a request that fails.
    async fn error(&self, token: &str, query: &str, variables: Value) -> (String, String) {
        let answer = self.post(token, query, variables).await;
        let error = &answer["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }
}

impl Content {
    async fn of(node: &ApiNode, sql: &Client, admin: &str, namespace: &str) -> Self {
        let data = async |query: &str, variables: Value| {
            let answer = post(node, admin, query, variables).await;
            assert_eq!(answer["errors"], Value::Null, "{query}: {answer}");
            answer["data"].clone()
        };
        let calendar = format!("{namespace}/days");
        let create = "mutation($input: CalendarInput!) { createCalendar(input: $input) { name } }";
        let input = json!({"name": calendar, "excludeDates": ["12-25"]});
        data(create, json!({"input": input})).await;
        let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        let input = json!({"name": format!("job of {namespace}"), "namespace": namespace,
            "scheduleType": "CRON", "cronExpression": "0 0 * * *", "calendar": calendar,
            "tags": [format!("tag-{namespace}")], "description": "needle"});
        let job = data(create, json!({"input": input})).await;
        let job = job["createJob"]["id"].as_str().unwrap().to_owned();
        let query = "mutation($id: ID!) { createBlackout(input: {reason: \"r\", jobId: $id,
            startsAt: \"2990-01-01T00:00:00Z\", endsAt: \"2990-01-02T00:00:00Z\"}) { id } }";
        let blackout = data(query, json!({"id": job})).await;
        let query = "mutation($id: ID!) { backfillJob(id: $id, from: \"2024-01-01T00:00:00Z\",
            to: \"2024-01-09T00:00:00Z\") { id } }";
        let backfill = data(query, json!({"id": job})).await;
        // A failure, which the overview, the search and the lists show.
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Self {
            execution: fail(sql, &job).await,
            backfill: id(&backfill["backfillJob"]),
            blackout: id(&blackout["createBlackout"]),
            calendar,
            job,
        }
    }
}

/// Adds an execution of a job that failed; its id.
async fn fail(sql: &Client, job: &str) -> String {
    let job = uuid::Uuid::parse_str(job).unwrap();
    sql.query_one(FAILED, &[&job]).await.unwrap().get(0)
}

const FAILED: &str = "
with failed as (
    insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, reason, attempt,
        failures, error_message, output, started_at, finished_at, created_at)
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0')
               || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           $1, 'MANUAL', now(), now(), 'FAILED', 'ERROR', 1, 1, 'needle', 'needle', now(), now(),
           now()
    returning id, job_id
), failing as (
    insert into job_failing (job_id, execution_id, since, failed_at, message)
    select job_id, id, now(), now(), 'needle' from failed on conflict do nothing
)
select id::text from failed";

async fn post(node: &ApiNode, token: &str, query: &str, variables: Value) -> Value {
    let request = node
        .http
        .post(format!("{}/graphql", node.url))
        .bearer_auth(token)
        .json(&json!({"query": query, "variables": variables}));
    request.send().await.unwrap().json().await.unwrap()
}
