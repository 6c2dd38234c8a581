//! A log that cannot be written: the node continues its work.

use super::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::process::Stdio;

/// A node that logs into `output`, with a job that runs every second.
async fn working_node(output: impl Into<Stdio>, database: &TestDatabase) -> Processes {
    let node = NodeProcess::serve_into(output, "node-1", database.url());
    let cluster = Processes::of(vec![node], database.url()).await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 2).await;
    cluster
}

/// Waits until the node reports dropped lines.
async fn drops_lines(cluster: &Processes) {
    let address = cluster.ready("node-1").await;
    eventually("lines are dropped", async || {
        let metrics = cluster
            .http
            .get(format!("http://{address}/metrics"))
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let dropped = metrics
            .lines()
            .find_map(|line| line.strip_prefix("horolog_log_lines_dropped_total "))?;
        (dropped != "0").then_some(())
    })
    .await;
    // The node continues its work.
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 2).await;
}

async fn stops_cleanly(mut cluster: Processes) {
    let mut node = cluster.nodes.remove(0);
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[actix::test]
async fn a_full_disk_under_the_log_costs_lines_and_no_work() {
    let database = TestDatabase::new().await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let cluster = working_node(full, &database).await;
    drops_lines(&cluster).await;
    stops_cleanly(cluster).await;
}

#[actix::test]
async fn a_reader_of_the_log_that_has_gone_costs_lines_and_no_work() {
    let database = TestDatabase::new().await;
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let cluster = working_node(writer, &database).await;
    drops_lines(&cluster).await;
    stops_cleanly(cluster).await;
}

#[actix::test]
async fn a_reader_of_the_log_that_does_not_read_costs_lines_and_no_work() {
    let database = TestDatabase::new().await;
    let (unread, writer) = pipe().unwrap();
    let cluster = working_node(writer, &database).await;
    cluster.create_verbose().await;
    drops_lines(&cluster).await;
    stops_cleanly(cluster).await;
    drop(unread);
}

#[actix::test]
async fn the_log_says_how_many_lines_were_dropped_once_it_is_read_again() {
    let database = TestDatabase::new().await;
    let (unread, writer) = pipe().unwrap();
    let cluster = working_node(writer, &database).await;
    cluster.create_verbose().await;
    drops_lines(&cluster).await;

    let reader = std::thread::spawn(move || everything(unread));
    stops_cleanly(cluster).await;

    let log = reader.join().unwrap();
    assert!(
        log.contains("log lines were dropped"),
        "{} bytes",
        log.len()
    );
    assert!(
        log.contains("left the cluster"),
        "the last lines are written before the end"
    );
}

#[actix::test]
async fn a_request_with_several_internal_errors_is_one_log_line() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(1, database.url(), &[]).await;
    let url = format!("http://{}/graphql", cluster.ready("node-1").await);
    cluster
        .sql()
        .await
        .batch_execute("alter table calendar rename to calendar_away")
        .await
        .unwrap();
    let before = cluster.nodes[0].output().lines().count();

    let fields = (0..19)
        .map(|n| format!("a{n}: calendar(name: \"c\") {{ name }}"))
        .collect::<Vec<_>>()
        .join(" ");
    let request = cluster
        .http
        .post(&url)
        .json(&json!({"query": format!("{{ {fields} }}")}));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();

    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 19);
    assert!(
        errors
            .iter()
            .all(|error| error["extensions"]["code"] == "INTERNAL"),
        "{answer}"
    );
    let mut node = cluster.nodes.remove(0);
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
    let output = node.output();
    let lines = || output.lines().skip(before);
    let failed: Vec<&str> = lines()
        .filter(|line| line.contains("a request failed inside"))
        .collect();
    assert!(
        matches!(failed[..], [line] if line.contains("fields=19")),
        "{output}"
    );
    // A repair reads calendars as well, and says so in a line of its own.
    let about_it = lines().filter(|line| line.contains("calendars.list"));
    assert_eq!(about_it.count(), 1, "no other line is about it: {output}");
}

fn everything(mut from: PipeReader) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[actix::test]
async fn a_terminal_that_closes_does_not_end_a_node() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(1, database.url(), &[]).await;
    let node = &mut cluster.nodes[0];
    node.signal(Signal::HUP);
    node.says("SIGHUP").await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 1).await;
    stops_cleanly(cluster).await;
}

#[test]
fn a_command_whose_output_cannot_be_written_says_so_by_its_exit_code() {
    for arguments in [
        &["schema"][..],
        &["man"],
        &["completions", "bash"],
        &["preview", "0 0 12 * * ?"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_horolog"));
        let ended = command
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(ended.code(), Some(1), "{arguments:?}");
    }
}
