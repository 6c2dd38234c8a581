//! Failover: from `kill -9` of a busy node to the first request of the next attempt, as the target
//! sees both. One node of three is killed at a time, with several executions in flight.
//!
//! Only the figure is measured. The drills check the promises (`run kill`).

use super::lateness::millis;
use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::Grid;
use super::{Name, Options};
use crate::history::Delivery;
use crate::job::Target;
use crate::micros::Micros;
use crate::testbed::sink::{self, Sink};
use anyhow::{Context, ensure};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Number of nodes; two are left when one is dead.
const NODES: usize = 3;
/// Number of executions in flight at the kill.
const JOBS: u32 = 12;
/// Length of first attempts: longer than the time of a kill.
const FIRST_ATTEMPT: u32 = 1_500;
/// Pause between two kills: the default TTL of a node, and a little.
const SETTLED: Duration = Duration::from_millis(4_500);
/// How long anything may take.
const LONGEST: Duration = Duration::from_mins(1);

/// From the kill to the first redelivery.
pub(super) async fn failover(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Failover, options).await?;
    // The channel is for targets that request the death of their node: these do not.
    let (killer, _wanted_dead) = mpsc::unbounded_channel();
    let journal = options.directory.join("failover/sink.jsonl");
    let sink = Sink::start("127.0.0.1", &journal, killer).await?;
    testbed.start(NODES, &[]).await?;
    let model = testbed.create(input(&sink)).await?;
    testbed.copy(model, "hit", JOBS, Grid::Aligned).await?;
    let kills = options.pick(options.runs * 3, options.runs);
    testbed.record_setting(
        "workload",
        format!("{kills} kills, one of {NODES} nodes each, {JOBS} executions in flight"),
    );
    let mut figures = Figures::default();
    for _ in 0..kills {
        // A new observer declares no node dead for a TTL.
        tokio::time::sleep(SETTLED).await;
        let took = kill_once(&mut testbed, &sink).await?;
        let (first, last) = took
            .iter()
            .min()
            .zip(took.iter().max())
            .context("nothing was in flight")?;
        figures.push("kill to the first redelivery", "ms", millis(*first));
        figures.push("kill to the last redelivery", "ms", millis(*last));
        testbed.start(NODES, &[]).await?;
    }
    testbed.close(figures).await
}

fn input(sink: &Sink) -> serde_json::Value {
    let target = Target {
        delay: FIRST_ATTEMPT,
        delay_later: Some(0),
        ..Target::default()
    };
    let url = sink::url(&format!("http://{}", sink.address), &target);
    json!({"name": "model", "scheduleType": "CRON", "cronExpression": "0 0 0 1 1 ? 2099",
        "recovery": "RERUN",
        "maxRecoveries": 100, "target": {"http": {"url": url, "timeoutSeconds": 60}}})
}

/// Kills the node with the most attempts in flight; returns the time to the next delivery of each
/// execution.
async fn kill_once(testbed: &mut BenchTestbed, sink: &Sink) -> Result<Vec<Micros>, anyhow::Error> {
    let begun = sink.count();
    let jobs = testbed
        .sql
        .query("select id from job_definition where name like 'hit %'", &[])
        .await?;
    for row in &jobs {
        let job: Uuid = row.get(0);
        testbed
            .ask(
                "mutation($id: ID!) { runJobNow(id: $id) }",
                json!({"id": job}),
            )
            .await?;
    }
    until("every execution runs", || {
        sink.count() >= begun + jobs.len()
    })
    .await?;
    let (id, _) = sink
        .in_flight()
        .into_iter()
        // The node with the most attempts gives the most figures.
        .max_by_key(|(_, count)| *count)
        .context("nothing is in flight")?;
    let name: String = testbed
        .sql
        .query_one("select name from cluster_node where id = $1", &[&id])
        .await?
        .get(0);
    let node = testbed
        .nodes()
        .iter_mut()
        .find(|node| node.name() == Some(&name))
        .context("a node of the past")?;
    let lost: HashMap<Uuid, i32> = sink.deliveries()[begun..]
        .iter()
        // An attempt with an answer is not lost.
        .filter(|delivery| delivery.node == id && delivery.ended.is_none())
        .map(|delivery| (delivery.execution, delivery.attempt))
        .collect();
    let killed = node.kill().await?;
    until("every lost execution is delivered again", || {
        redelivered(&sink.deliveries()[begun..], &lost).len() >= lost.len()
    })
    .await?;
    let arrivals = redelivered(&sink.deliveries()[begun..], &lost);
    Ok(arrivals.into_iter().map(|at| at - killed).collect())
}

/// Arrivals of later attempts of the lost executions.
fn redelivered(deliveries: &[Delivery], lost: &HashMap<Uuid, i32>) -> Vec<Micros> {
    deliveries
        .iter()
        .filter(|delivery| {
            lost.get(&delivery.execution)
                .is_some_and(|attempt| delivery.attempt > *attempt)
        })
        .map(|delivery| delivery.arrived)
        .collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), anyhow::Error> {
    let begun = Instant::now();
    while !holds() {
        ensure!(begun.elapsed() < LONGEST, "waited {LONGEST:?} until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
