//! Machine and program: the parts of a line that allow others to repeat the benchmark. Unknown
//! values are left empty, never guessed.

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::Path;
use tokio_postgres::Client;

/// The machine before the benchmark.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Of the first core.
    pub cpu: String,
    /// For everything: database, nodes and harness.
    pub cores: usize,
    /// Size of memory in MB.
    pub memory: u64,
    /// Version of the kernel.
    pub kernel: String,
    /// Load of the last minute before the benchmark: other programs worked here when the value is
    /// not near 0.
    pub load_before: f64,
}

impl Machine {
    /// The present machine, now.
    pub fn here() -> Self {
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: memory
                .split(' ')
                .next()
                .and_then(|kb| kb.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of a line `name: value`; empty without one.
fn field(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_default();
    line.split_once(':')
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, load {} before",
            self.cpu, self.cores, self.load_before
        )
    }
}

/// The commit of the harness's source, if the source is in a repository.
pub(super) async fn commit() -> String {
    // Files that git does not know are no part of the program.
    let changed = !git(&["status", "--porcelain", "-uno"]).await.is_empty();
    git(&["rev-parse", "--short", "HEAD"]).await + if changed { "+" } else { "" }
}

/// The output of a git command in the harness's source; empty on an error.
async fn git(arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("git")
        .arg("-C")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .await;
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The program under test. The version alone does not tell two builds apart: size and age do.
pub(super) async fn program(path: &Path) -> Result<Value, anyhow::Error> {
    let version = tokio::process::Command::new(path)
        .arg("--version")
        .output()
        .await?;
    let data = std::fs::metadata(path)?;
    let built = chrono::DateTime::<chrono::Utc>::from(data.modified()?).to_rfc3339();
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    Ok(json!({"path": path, "version": version, "bytes": data.len(), "built": built}))
}

/// Settings of PostgreSQL: those with an effect on durability and speed, and all that differ from
/// their defaults.
pub(super) async fn postgresql(sql: &Client) -> Result<Value, anyhow::Error> {
    let statement = "select name, current_setting(name) from pg_settings
        where name in ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes',
                       'wal_sync_method', 'shared_buffers', 'max_wal_size',
                       'checkpoint_timeout', 'data_checksums', 'jit')
           or source in ('configuration file', 'command line')
           and name !~ '^(lc_|listen|port|unix|default_text|log_)'
        order by name";
    let rows = sql.query(statement, &[]).await?;
    let settings: Map<String, Value> = rows
        .iter()
        .map(|row| (row.get(0), Value::String(row.get(1))))
        .collect();
    Ok(Value::Object(settings))
}
