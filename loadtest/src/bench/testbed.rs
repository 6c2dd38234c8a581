//! The testbed of a benchmark: a server with durable settings, nodes connected directly (a proxy
//! would take a core), and a session for counts.

use super::line::{Figures, Line};
use super::machine::{self, Machine};
use super::{Name, Options, process, statements};
use crate::testbed::http::Http;
use crate::testbed::node::{NodeSettings, Slot};
use crate::testbed::postgres::Postgres;
use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Client;

/// How long a call of the API may take.
const CALL_MAX: Duration = Duration::from_mins(2);

/// Server, nodes and sessions. Nodes and server end with the testbed.
pub(super) struct BenchTestbed {
    // Before the server: nodes first.
    nodes: Vec<Slot>,
    /// The server of the benchmark.
    pub(super) postgres: Postgres,
    /// A session for counts.
    pub(super) sql: Client,
    /// Client for the API.
    pub(super) http: Http,
    /// Options of the command line.
    pub(super) options: Options,
    name: String,
    directory: PathBuf,
    machine: Machine,
    settings: Map<String, Value>,
    /// Remarks that the figures need.
    pub(super) notes: Vec<String>,
}

impl BenchTestbed {
    /// A server, as yet without nodes.
    pub(super) async fn open(name: Name, options: &Options) -> Result<Self, anyhow::Error> {
        Self::with_settings(name, options, &[]).await
    }

    /// The same with settings of PostgreSQL that the benchmark needs.
    pub(super) async fn with_settings(
        name: Name,
        options: &Options,
        needed: &[&str],
    ) -> Result<Self, anyhow::Error> {
        let machine = Machine::here();
        let name = named(name);
        let directory = options.directory.join(&name);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let postgres = Postgres::create(
            &directory.join("postgres"),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            None,
        )
        .await?;
        let settings: Vec<&str> = options
            .postgres
            .iter()
            .map(String::as_str)
            .chain(needed.iter().copied())
            .collect();
        if needed.contains(&statements::SETTING)
            && !statements::available(&postgres.sql().await?).await?
        {
            bail!(
                "pg_stat_statements is not installed: it comes \
                 with PostgreSQL (RPM: postgresql-contrib)"
            );
        }
        if !settings.is_empty() {
            configure(&postgres, &settings).await?;
        }
        postgres.migrate(&options.program).await?;
        let sql = postgres.sql().await?;
        Ok(Self {
            nodes: Vec::new(),
            sql,
            postgres,
            http: Http::default(),
            options: options.clone(),
            name,
            directory,
            machine,
            settings: Map::new(),
            notes: Vec::new(),
        })
    }

    /// Starts nodes until the number is reached, all with these flags, and waits until they lease.
    pub(super) async fn start(
        &mut self,
        count: usize,
        flags: &[String],
    ) -> Result<(), anyhow::Error> {
        while self.nodes.len() < count {
            let settings = NodeSettings {
                program: self.options.program.clone(),
                flags: [flags, &self.options.flags].concat(),
                disabled_safeguard: None,
                directory: self.directory.clone(),
            };
            self.nodes.push(Slot::straight(
                self.nodes.len() + 1,
                settings,
                &self.postgres,
            ));
        }
        for node in &mut self.nodes {
            if !node.lives() {
                node.start()?;
            }
        }
        // Only when all are started: the nodes migrate and join at the same time.
        for node in &mut self.nodes {
            node.ready(&self.http).await?;
        }
        self.record_setting("nodeFlags", json!([flags, &self.options.flags].concat()));
        Ok(())
    }

    /// Starts nodes with the slots of nodes under load.
    pub(super) async fn start_loaded(&mut self, count: usize) -> Result<(), anyhow::Error> {
        let flags = vec!["--slots".to_owned(), self.options.slots.to_string()];
        self.start(count, &flags).await
    }

    /// Asks all nodes to leave, and drops their slots.
    pub(super) async fn stop(&mut self) -> Result<(), anyhow::Error> {
        for mut node in self.nodes.drain(..) {
            node.stop().await?;
        }
        Ok(())
    }

    /// The places of the nodes.
    pub(super) fn nodes(&mut self) -> &mut Vec<Slot> {
        &mut self.nodes
    }

    /// Process ids of the nodes.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Slot::pid).collect()
    }

    /// Where the first node's API is.
    pub(super) fn address(&self) -> Result<SocketAddr, anyhow::Error> {
        self.nodes
            .first()
            .and_then(Slot::address)
            .context("no node lives")
    }

    /// Sends a request to the first node; returns the data of the answer. A refusal is an error.
    pub(super) async fn ask(&self, query: &str, variables: Value) -> Result<Value, anyhow::Error> {
        ask(&self.http, self.address()?, query, variables).await
    }

    /// CPU seconds so far: of the nodes, and of PostgreSQL's sessions and workers.
    pub(super) async fn cpu(&self) -> Result<Option<(f64, f64)>, anyhow::Error> {
        let session: i32 = self
            .sql
            .query_one("select pg_backend_pid()", &[])
            .await?
            .get(0);
        let nodes: Option<f64> = self.pids().into_iter().map(process::cpu_seconds).sum();
        let server =
            process::parent(session.unsigned_abs()).and_then(process::cpu_seconds_of_children);
        Ok(nodes.zip(server))
    }

    /// Records a setting in the line.
    pub(super) fn record_setting(&mut self, name: &str, value: impl Into<Value>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// The line; everything ends.
    pub(super) async fn close(mut self, figures: Figures) -> Result<Line, anyhow::Error> {
        let options = &self.options;
        let general = [
            ("small", json!(options.small)),
            ("runs", json!(options.runs)),
            ("warmUpSeconds", json!(options.warm_up.as_secs_f64())),
            ("windowSeconds", json!(options.window.as_secs_f64())),
            ("postgresql", machine::postgresql(&self.sql).await?),
        ];
        for (name, value) in general {
            self.settings.entry(name).or_insert(value);
        }
        let program = machine::program(&self.options.program).await?;
        self.stop().await?;
        let line = Line {
            benchmark: self.name,
            commit: machine::commit().await,
            program,
            machine: self.machine,
            settings: self.settings,
            figures: Vec::new(),
            notes: self.notes,
        };
        // The server ends before the files are removed.
        drop(self.postgres);
        // A million triggers take room; the logs stay.
        let _ = std::fs::remove_dir_all(self.directory.join("postgres/data"));
        Ok(line.fill(figures))
    }
}

/// As on the command line.
fn named(name: Name) -> String {
    name.to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

async fn configure(postgres: &Postgres, settings: &[&str]) -> Result<(), anyhow::Error> {
    let sql = postgres.sql().await?;
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            bail!("`{setting}` is not name=value")
        };
        let name = name.trim().replace('"', "");
        let value = value.trim().replace('\'', "''");
        sql.batch_execute(&format!("alter system set \"{name}\" = '{value}'"))
            .await
            .with_context(|| format!("PostgreSQL refuses the setting `{setting}`"))?;
    }
    // The server restarts: some settings count from the start only.
    drop(sql);
    postgres.stop("fast").await?;
    postgres
        .start()
        .await
        .with_context(|| format!("with the settings {}", settings.join(", ")))?;
    Ok(())
}

/// Sends a request to a node; returns the data of the answer. A refusal is an error.
pub(super) async fn ask(
    http: &Http,
    node: SocketAddr,
    query: &str,
    variables: Value,
) -> Result<Value, anyhow::Error> {
    let body = json!({"query": query, "variables": variables});
    let answer = http
        .post(&format!("http://{node}/graphql"), &body, CALL_MAX)
        .await;
    let (status, answer) =
        answer.map_err(|error| anyhow::anyhow!("no answer from {node}: {error:?}"))?;
    if !status.is_success() || answer["errors"].is_array() || !answer["data"].is_object() {
        let said = answer.to_string();
        bail!(
            "{node} refused ({status}): {}",
            said.chars().take(500).collect::<String>()
        );
    }
    Ok(answer["data"].clone())
}
