//! Faults by the API: clients that ask too much, and values that some reader cannot read.
//!
//! Both are harmless: no start may be later, nothing lost and nothing run twice.

use crate::drill::fault_spec::NodeChoice;
use crate::drill::testbed::DrillTestbed;
use crate::flood::{Family, Flood, subject};
use crate::history::Scope;
use crate::testbed::node::Slot;
use crate::testbed::now;
use anyhow::Context;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

/// Time limit of the answer to a poisoned request.
const ANSWER_MAX: Duration = Duration::from_secs(12);
/// Time limit for a node that can create a job.
const NODE_MAX: Duration = Duration::from_secs(30);
/// Time limit for the first success of a job with an odd payload.
const SUCCESS_MAX: Duration = Duration::from_secs(20);

/// Payloads, as a client writes them. Each is refused, or kept and sent to its target.
const PAYLOADS: [&str; 12] = [
    r#"{"v": 1.7976931348623157e308}"#,
    r#"{"v": -0.0}"#,
    r#"{"v": 5e-324}"#,
    r#"{"v": 1e400}"#,
    r#"{"v": 0.30000000000000004}"#,
    r#"{"v": 18446744073709551616}"#,
    r#"{"v": 123456789012345678901234567890}"#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#"{"a\u0000b": 1}"#,
    r#""\u0007\u202e""#,
    r#"{"": {"": [[[[[[[[[[{}]]]]]]]]]]}}"#,
];

/// A job that no node can read, as another version or a session of psql may have stored it.
const STORED: [&str; 3] = [
    "update job_definition set payload = '{\"v\": 1e400}' where id = $1",
    "update job_definition set target = '{\"telepathy\": {}}' where id = $1",
    "update job_definition set policies = '{\"retry\": \"often\"}' where id = $1",
];

/// Ten clients loop the dearest requests that the nodes accept.
pub(super) async fn flood(testbed: &DrillTestbed, lasting: Duration) -> Result<(), anyhow::Error> {
    let (nodes, subject) = flooded(testbed).await?;
    let from = now();
    let flood = Flood::begin(&nodes, &Family::ALL, subject)?;
    tokio::time::sleep(lasting).await;
    let tallies = flood.end().await?;
    testbed
        .records
        .fault("flood", Scope::Harmless, &[], from, now());
    for tally in tallies {
        testbed
            .records
            .measurement("flood".to_owned(), tally.to_string());
    }
    Ok(())
}

/// The nodes for a flood, and its subject, as soon as a node can create it: another fault may have
/// the database or all nodes at the moment.
async fn flooded(testbed: &DrillTestbed) -> Result<(Vec<SocketAddr>, Uuid), anyhow::Error> {
    let started = Instant::now();
    loop {
        let mut nodes = Vec::new();
        for slot in testbed.slots() {
            // A locked slot belongs to another fault.
            nodes.extend(slot.try_lock().ok().and_then(|slot| slot.address()));
        }
        let created = match nodes.first() {
            Some(first) => subject(&testbed.http, *first).await,
            None => Err(anyhow::anyhow!("no node lives")),
        };
        match created {
            Ok(subject) => return Ok((nodes, subject)),
            Err(error) if started.elapsed() >= NODE_MAX => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Odd values and requests. The slot of the node is held, so that no other fault meets it; the node
/// must answer, live, and run all accepted jobs.
pub(super) async fn poisoned_values(
    testbed: &DrillTestbed,
    who: NodeChoice,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let from = now();
    let mut accepted = Vec::new();
    for payload in PAYLOADS {
        match create(testbed, &slot, payload).await {
            Ok(Some(job)) => accepted.push((payload, job)),
            Ok(None) => {}
            Err(error) => testbed
                .records
                .broken(format!("a job with the payload {payload}: {error:#}")),
        }
    }
    for (name, request) in requests() {
        if let Err(error) = post(testbed, &slot, request).await {
            testbed.records.broken(format!("{name}: {error:#}"));
        }
    }
    let mut stored = Vec::new();
    for statement in STORED {
        let Ok(Some(job)) = create(testbed, &slot, "1").await else {
            continue;
        };
        let servers = testbed.servers.read().await;
        // Another fault may have the database: the row is left out then.
        if servers
            .primary
            .sql()
            .await?
            .execute(statement, &[&job])
            .await
            .is_ok()
        {
            stored.push(job);
        }
    }
    // After all requests: an accepted job must run in spite of the others.
    for (payload, job) in &accepted {
        if !succeeds(testbed, *job).await? {
            testbed.records.broken(format!(
                "a job with the payload {payload} was accepted and never succeeded"
            ));
        }
    }
    let jobs: Vec<Uuid> = accepted
        .into_iter()
        .map(|(_, job)| job)
        .chain(stored)
        .collect();
    forget(&testbed.servers.read().await.primary.sql().await?, &jobs).await?;
    testbed.records.fault(
        "poisoned-values",
        Scope::Harmless,
        &[slot.name().unwrap_or_default()],
        from,
        now(),
    );
    Ok(())
}

/// None when the job was refused for its payload, or for a fault of the database.
async fn create(
    testbed: &DrillTestbed,
    slot: &Slot,
    payload: &str,
) -> Result<Option<Uuid>, anyhow::Error> {
    let query = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    let input = format!(
        r#"{{"name": "poisoned", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
            "payload": {payload}, "target": {{"noop": {{"sleepMillis": 0}}}}}}"#
    );
    let answer = post(
        testbed,
        slot,
        format!(r#"{{"query": "{query}", "variables": {{"input": {input}}}}}"#),
    )
    .await?;
    Ok(answer["data"]["createJob"]["id"]
        .as_str()
        .and_then(|id| id.parse().ok()))
}

/// Requests that may never return from a parser or a validation.
fn requests() -> [(&'static str, String); 4] {
    let list = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    let levels = 20;
    let mut fragments = String::new();
    for level in 0..levels {
        let spreads = format!("...f{} ", level + 1).repeat(10);
        write!(fragments, " fragment f{level} on Query {{ {spreads} }}")
            .expect("a string takes all text");
    }
    [
        (
            "a request with a value nested 2,000 deep",
            body_of(&format!("{{ jobs(x: {list}) {{ id }} }}")),
        ),
        (
            "a request with a default nested 2,000 deep",
            body_of(&format!("query($x: JSON = {list}) {{ jobs {{ id }} }}")),
        ),
        (
            "a request with selections nested 2,000 deep",
            body_of(&("{ jobs ".repeat(2_000) + &" }".repeat(2_000))),
        ),
        (
            "a request with fragments that grow tenfold twenty times",
            body_of(&format!(
                "query {{ ...f0 }}{fragments} fragment f{levels} on Query {{ __typename }}"
            )),
        ),
    ]
}

/// The body of a request with a query.
fn body_of(query: &str) -> String {
    serde_json::json!({"query": query}).to_string()
}

/// An answer of any kind.
async fn post(testbed: &DrillTestbed, slot: &Slot, body: String) -> Result<Value, anyhow::Error> {
    let address = slot.address().context("no node lives there")?;
    let answer = testbed
        .http
        .post_text(&format!("http://{address}/graphql"), body, ANSWER_MAX)
        .await;
    Ok(answer
        .map_err(|error| anyhow::anyhow!("no answer: {error:?}"))?
        .1)
}

async fn succeeds(testbed: &DrillTestbed, job: Uuid) -> Result<bool, anyhow::Error> {
    let started = Instant::now();
    while started.elapsed() < SUCCESS_MAX {
        let servers = testbed.servers.read().await;
        if let Ok(sql) = servers.primary.sql().await {
            let success =
                "select from job_execution_log where job_id = $1 and status = 'SUCCESS' limit 1";
            if sql.query_opt(success, &[&job]).await?.is_some() {
                return Ok(true);
            }
        }
        // The lock is free during the pause: faults of the servers must not wait.
        drop(servers);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

/// By SQL: the API cannot delete an unreadable row.
async fn forget(sql: &Client, jobs: &[Uuid]) -> Result<(), anyhow::Error> {
    sql.execute(
        "update job_definition set status = 'DELETED' where id = any($1)",
        &[&jobs],
    )
    .await?;
    sql.execute("delete from job_trigger where job_id = any($1)", &[&jobs])
        .await?;
    Ok(())
}
