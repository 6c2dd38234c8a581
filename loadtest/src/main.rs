//! The harness's program.
//!
//! Exit codes: 0 the promise was kept and every figure reached, 1 otherwise, 2 bad usage, 3 nothing
//! could be run here (with the reason).

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand, ValueEnum};
use horolog_loadtest::bench;
use horolog_loadtest::drill::file::{DisabledSafeguard, Drill};
use horolog_loadtest::drill::run::{Ended, Options, run};
use horolog_loadtest::drill::testbed::DrillTestbed;
use horolog_loadtest::history::History;
use horolog_loadtest::report::{self, Conclusion};
use horolog_loadtest::testbed::clock;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Failover drills and benchmarks for Horolog: real nodes, real PostgreSQL, real faults, and a
/// checker that trusts neither nodes nor database.
#[derive(Parser)]
#[command(name = "horolog-loadtest", version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs drills, by name (see `list`) or by file.
    Run(RunArguments),
    /// Lists the names of all drills.
    List,
    /// Measures: one JSON line a benchmark on stdout, text on stderr.
    Bench(BenchArguments),
    /// Checks the history of a drill again (`history.json` in its directory).
    Judge {
        /// Name of the drill.
        drill: String,
        /// The directory of the run.
        directory: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// Names or files of drills.
    #[arg(required = true)]
    drills: Vec<String>,
    /// The seed of every choice; printed with every result.
    #[arg(long)]
    seed: Option<u64>,
    /// Path of `horolog`. [default: next to this program]
    #[arg(long)]
    program: Option<PathBuf>,
    /// Directory of history, logs and reports: one directory a run. [default: a new one in the
    /// system's temporary directory]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Switch off the safeguard that each drill names, and require that the checker notices. Needs
    /// a `horolog` with the feature `fault-injection`.
    #[arg(long)]
    disable_safeguard: bool,
}

#[derive(clap::Args)]
struct BenchArguments {
    /// `all`, or names: throughput, lateness, run-now, failover, growth, nodes, idle, backlog, api,
    /// start, wal, snapshot, create, enqueue, limit, flood.
    #[arg(required = true)]
    names: Vec<String>,
    /// Path of `horolog`, built with --release. [default: next to this program]
    #[arg(long)]
    program: Option<PathBuf>,
    /// Directory of data and logs. [default: a new directory in the system's temporary one]
    #[arg(long)]
    out: Option<PathBuf>,
    /// A second or two each, as a test of the benchmarks: the figures mean nothing.
    #[arg(long, conflicts_with = "large")]
    small: bool,
    /// `growth` goes to 10⁷ idle triggers.
    #[arg(long)]
    large: bool,
    /// How often each figure is measured. [default: 3; with --small 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: Option<u16>,
    /// Seconds of one measurement. [default: 10; with --small 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: Option<u16>,
    /// How long `snapshot` holds a snapshot before it measures, seconds. [default: 600; with
    /// --small 2]
    #[arg(long, value_name = "SECONDS")]
    hold: Option<u16>,
    /// `--slots` of the nodes under load.
    #[arg(long, default_value_t = 1_000)]
    slots: usize,
    /// Another flag of the nodes, e.g. --node-flag=--pool-size=4; may be repeated.
    #[arg(long)]
    node_flag: Vec<String>,
    /// A setting of PostgreSQL other than its default, as name=value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres: Vec<String>,
    /// SQL that throughput, growth, nodes and wal run on the migrated database first: to try an
    /// optimisation.
    #[arg(long)]
    sql: Option<String>,
    /// `throughput` prints on stderr the statements that take most of the server's time.
    #[arg(long)]
    statements: bool,
}

/// The outcome of a drill, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

fn main() -> ExitCode {
    let program = Program::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("the system gives a poller, or nothing can run");
    let outcome = match program.command {
        Command::List => list(),
        Command::Judge { drill, directory } => recheck(&drill, &directory),
        Command::Run(arguments) => runtime.block_on(until_interrupted(run_all(&arguments))),
        Command::Bench(arguments) => runtime.block_on(until_interrupted(bench_all(&arguments))),
    };
    match outcome {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Skipped) => ExitCode::from(3),
        Err(error) => {
            eprintln!("horolog-loadtest: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Everything that was started ends with the testbed.
async fn until_interrupted(
    work: impl Future<Output = Result<Outcome, anyhow::Error>>,
) -> Result<Outcome, anyhow::Error> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    }
}

/// A mistake of the caller.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn drills() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drills")
}

fn list() -> Result<Outcome, anyhow::Error> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(drills())?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let drill = Drill::read(&path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!(
            "{name:24} {:>4} s  {}",
            drill.seconds + drill.quiesce_seconds,
            drill.description
        );
    }
    Ok(Outcome::Passed)
}

/// A drill by name or file.
fn find(name: &str) -> Result<(String, Drill), anyhow::Error> {
    let file = Path::new(name);
    let path = if file.extension().is_some() {
        file.to_owned()
    } else {
        drills().join(format!("{name}.toml"))
    };
    if !path.exists() {
        return Err(Usage(format!(
            "there is no drill `{name}`: `horolog-loadtest list` names them"
        ))
        .into());
    }
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let drill =
        Drill::read(&path).map_err(|error| anyhow::Error::from(Usage(format!("{error:#}"))))?;
    Ok((stem, drill))
}

/// Path of `horolog`: the given one, or the one next to this program.
fn program(named: Option<&Path>) -> Result<PathBuf, anyhow::Error> {
    let beside = std::env::current_exe()?.with_file_name("horolog");
    let program = named.map_or(beside, Path::to_owned);
    if !program.exists() {
        let what = format!(
            "there is no {}: `cargo build` makes it, or --program names another",
            program.display()
        );
        return Err(Usage(what).into());
    }
    // Nodes run in directories of their own.
    // Absolute, for processes with other working directories.
    Ok(program.canonicalize()?)
}

async fn run_all(arguments: &RunArguments) -> Result<Outcome, anyhow::Error> {
    let found: Vec<(String, Drill)> = arguments
        .drills
        .iter()
        .map(|name| find(name))
        .collect::<Result<_, _>>()?;
    let program = program(arguments.program.as_deref())?;
    if let Some((name, _)) = found
        .iter()
        .find(|(_, drill)| arguments.disable_safeguard && drill.disabled_safeguard.is_none())
    {
        return Err(Usage(format!(
            "the drill `{name}` names no safeguard to switch off"
        ))
        .into());
    }
    let mut results = Vec::new();
    for ((name, drill), named) in found.into_iter().zip(&arguments.drills) {
        // A drill that cannot run here is never reported as passed.
        let result = if let Some(missing) = DrillTestbed::missing(&drill).await {
            (Outcome::Skipped, format!("SKIPPED, not passed: {missing}"))
        } else if let Some(begin) = drill
            .wall_clock
            .filter(|_| clock::of_this_process().is_empty())
        {
            run_shifted(named, begin, &program, arguments).await?
        } else if let Some(disabled) = drill
            .disabled_safeguard
            .as_ref()
            .filter(|_| arguments.disable_safeguard)
        {
            run_until_noticed(&name, &drill, disabled, &program, arguments).await?
        } else {
            run_one(&name, &drill, &program, arguments)
                .await
                .map(|ended| outcome_of(&ended))?
        };
        println!("{name}: {}\n", result.1);
        results.push((name, result));
    }
    // Some logs keep only their last lines.
    for (name, (_, message)) in results.iter().filter(|_| results.len() > 1) {
        println!("{name}: {message}");
    }
    Ok(results
        .iter()
        // The worst outcome of a drill is the outcome of the program.
        .map(|(_, (outcome, _))| *outcome)
        .max()
        .unwrap_or(Outcome::Passed))
}

/// Runs a drill in a child process with another time for the child and its children.
async fn run_shifted(
    named: &str,
    begin: DateTime<Utc>,
    program: &Path,
    arguments: &RunArguments,
) -> Result<(Outcome, String), anyhow::Error> {
    let library = clock::library().context("libfaketime is gone")?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    // The options of this run: the clock is the only difference.
    command.args(["run", named, "--program"]).arg(program);
    command.args(arguments.seed.map(|seed| format!("--seed={seed}")));
    if let Some(out) = &arguments.out {
        command.arg("--out").arg(out);
    }
    command.args(arguments.disable_safeguard.then_some("--disable-safeguard"));
    clock::begin_at(&mut command, library, begin);
    Ok(match command.status().await?.code() {
        Some(0) => (Outcome::Passed, format!("kept, started at {begin}")),
        Some(3) => (
            Outcome::Skipped,
            "SKIPPED, not passed: see above".to_owned(),
        ),
        _ => (
            Outcome::Failed,
            "BROKEN, or it did not come to its end: see above".to_owned(),
        ),
    })
}

async fn run_one(
    name: &str,
    drill: &Drill,
    program: &Path,
    arguments: &RunArguments,
) -> Result<Ended, anyhow::Error> {
    let directory = directory(arguments.out.as_deref(), "horolog-drills", name)?;
    let options = Options {
        program: program.to_owned(),
        seed: arguments.seed,
        directory,
        disable_safeguard: arguments.disable_safeguard,
    };
    println!("{name}: {}", drill.description);
    let ended = run(name, drill.clone(), &options)
        .await
        .with_context(|| format!("{name}, in {}", options.directory.display()))?;
    ended.write(&options.directory)?;
    println!(
        "{}",
        report::summary(&ended.run, &ended.history, &ended.analysis)
    );
    println!(
        "report: {}\n",
        options.directory.join("report.html").display()
    );
    Ok(ended)
}

/// How often a fault may miss the instant at which a missing safeguard matters.
const TRIES: usize = 3;

/// Runs a drill without its safeguard until the checker reports an expected finding.
async fn run_until_noticed(
    name: &str,
    drill: &Drill,
    disabled: &DisabledSafeguard,
    program: &Path,
    arguments: &RunArguments,
) -> Result<(Outcome, String), anyhow::Error> {
    let safeguard = &disabled.name;
    for attempt in 1..=TRIES {
        let ended = run_one(name, drill, program, arguments).await?;
        let noticed = ended
            .analysis
            .violations
            .iter()
            .find(|violation| disabled.findings.contains(&violation.rule));
        if let Some(violation) = noticed {
            let rule = &violation.rule;
            let message = format!(
                "without the safeguard `{safeguard}` the checker says {rule}, \
                 as it must (run {attempt})"
            );
            return Ok((Outcome::Passed, message));
        }
        println!(
            "{name}: run {attempt} had no finding although the safeguard `{safeguard}` was off\n"
        );
    }
    Ok((
        Outcome::Failed,
        format!("NOBODY NOTICED in {TRIES} runs that the safeguard `{safeguard}` was off"),
    ))
}

fn directory(out: Option<&Path>, default: &str, name: &str) -> Result<PathBuf, anyhow::Error> {
    let parent = out.map_or_else(|| std::env::temp_dir().join(default), Path::to_owned);
    // A drill with a fixed time always begins at that time.
    let life = format!(
        "{name}-{}-{}",
        horolog_loadtest::testbed::now() / 1_000_000,
        std::process::id()
    );
    let directory = parent.join(life);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.canonicalize()?)
}

async fn bench_all(arguments: &BenchArguments) -> Result<Outcome, anyhow::Error> {
    let names = benchmarks(&arguments.names)?;
    let small = arguments.small;
    let options = bench::Options {
        program: program(arguments.program.as_deref())?,
        directory: directory(arguments.out.as_deref(), "horolog-benchmarks", "bench")?,
        small,
        large: arguments.large,
        runs: arguments
            .runs
            .map_or(if small { 1 } else { 3 }, usize::from),
        warm_up: Duration::from_millis(if small { 300 } else { 3_000 }),
        window: Duration::from_secs(
            arguments
                .seconds
                .map_or(if small { 1 } else { 10 }, u64::from),
        ),
        hold: Duration::from_secs(
            arguments
                .hold
                .map_or(if small { 2 } else { 600 }, u64::from),
        ),
        slots: arguments.slots,
        flags: arguments.node_flag.clone(),
        postgres: arguments.postgres.clone(),
        sql: arguments.sql.clone(),
        statements: arguments.statements,
    };
    for name in names {
        let line = bench::run(name, &options).await;
        let line = line.with_context(|| format!("{name:?}, in {}", options.directory.display()))?;
        println!("{}", serde_json::to_string(&line)?);
        eprintln!(
            "{}
",
            line.text()
        );
    }
    Ok(Outcome::Passed)
}

/// The benchmarks of a list of names.
fn benchmarks(names: &[String]) -> Result<Vec<bench::Name>, anyhow::Error> {
    let mut found = Vec::new();
    for name in names {
        if name == "all" {
            found.extend(bench::Name::value_variants());
            continue;
        }
        let known = bench::Name::from_str(name, false);
        let all = bench::Name::value_variants().iter();
        let all: Vec<String> = all
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        found.push(known.map_err(|_| {
            Usage(format!(
                "there is no benchmark `{name}`: all, {}",
                all.join(", ")
            ))
        })?);
    }
    Ok(found)
}

fn outcome_of(ended: &Ended) -> (Outcome, String) {
    match ended.run.conclusion(&ended.analysis) {
        Conclusion::Kept if ended.reached() => (Outcome::Passed, "kept".to_owned()),
        Conclusion::Kept => (
            Outcome::Failed,
            "kept, but a figure was not reached".to_owned(),
        ),
        Conclusion::Broken => (
            Outcome::Failed,
            format!("BROKEN: {} violations", ended.analysis.violations.len()),
        ),
        Conclusion::Inconclusive => (
            Outcome::Failed,
            "INCONCLUSIVE: it did not come to its end".to_owned(),
        ),
    }
}

fn recheck(name: &str, directory: &Path) -> Result<Outcome, anyhow::Error> {
    let (_, drill) = find(name)?;
    let text = std::fs::read_to_string(directory.join("history.json"))?;
    let history: History = serde_json::from_str(&text)?;
    let analysis = drill.check(&history);
    let run = report::Run {
        name: name.to_owned(),
        description: drill.description,
        nodes: drill.nodes,
        ..report::Run::default()
    };
    println!("{}", report::summary(&run, &history, &analysis));
    Ok(if analysis.violations.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}
