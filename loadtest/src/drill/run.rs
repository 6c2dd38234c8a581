//! Runs a drill: sets up the testbed, lets the jobs fire, injects the faults, waits, reads
//! everything once, and checks.

use super::fault_spec::{Actor, FaultSpec, Kind, NodeChoice, Random};
use super::faults::inject;
use super::figures::figures;
use super::file::Drill;
use super::operations;
use super::testbed::DrillTestbed;
use super::workload;
use crate::checker::{Analysis, Violation};
use crate::history::{History, Scope};
use crate::report::{self, Run};
use crate::testbed::now;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

/// Pause between two audits of stuck states.
const AUDIT_INTERVAL: Duration = Duration::from_secs(4);
/// Time limit for executions in flight to end once every job is paused.
const END_MAX: Duration = Duration::from_secs(45);
/// How long the jobs fire before anything is done to the cluster.
const BEFORE: Duration = Duration::from_secs(3);

/// How to run a drill.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the program `horolog`.
    pub program: PathBuf,
    /// Stands above the file's.
    pub seed: Option<u64>,
    /// Where history, logs and reports go; must not exist.
    pub directory: PathBuf,
    /// Whether to switch off the safeguard of the drill.
    pub disable_safeguard: bool,
}

/// The result of a drill.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Description of the run.
    pub run: Run,
    /// The history of the run.
    pub history: History,
    /// The result of the checker.
    pub analysis: Analysis,
}

/// Runs a drill to the end, with reports in the directory. On a single thread, so that every choice
/// comes from the seed.
pub async fn run(name: &str, drill: Drill, options: &Options) -> Result<Ended, anyhow::Error> {
    let seed = options
        .seed
        .or(drill.seed)
        .unwrap_or_else(|| fastrand::u64(1..1_000_000));
    // Before any choice, and on this thread: the generator is one for each thread.
    fastrand::seed(seed);
    let disabled_safeguard = drill
        .disabled_safeguard
        .as_ref()
        .filter(|_| options.disable_safeguard)
        .map(|disabled| disabled.name.clone());
    let mut run = Run {
        name: name.to_owned(),
        description: drill.description.clone(),
        seed,
        commit: first_line_of("git", &["rev-parse", "--short=12", "HEAD"]).await,
        program: first_line_of(&options.program.display().to_string(), &["--version"]).await,
        started: now(),
        nodes: drill.nodes,
        settings: settings(&drill, disabled_safeguard.as_deref()),
        ..Run::default()
    };
    let (killer, wanted_dead) = mpsc::unbounded_channel();
    let testbed = DrillTestbed::set_up(
        drill,
        &options.program,
        disabled_safeguard,
        &options.directory,
        killer,
    )
    .await?;
    let testbed = Rc::new(testbed);
    let failures = run_phases(&testbed, seed, wanted_dead).await?;
    if !failures.is_empty() {
        run.inconclusive = Some(format!(
            "not everything could be done: {}",
            failures.join("; ")
        ));
    }
    // Also after failures: the history shows what happened before them.
    let history = testbed.history().await?;
    Ok(conclude(&testbed, run, history))
}

fn conclude(testbed: &DrillTestbed, mut run: Run, history: History) -> Ended {
    let mut analysis = testbed.drill.check(&history);
    // Failures that the checker cannot see are violations, too.
    let malformed = testbed.sink.malformed().into_iter();
    let broken = testbed.records.all_broken().into_iter();
    analysis.violations.extend(
        malformed
            .map(|text| violation("MALFORMED-REQUEST", text))
            .chain(broken.map(|text| violation("POISONED", text))),
    );
    run.figures = figures(
        &testbed.drill.expect,
        &history,
        &analysis,
        testbed.records.measurements(),
    );
    Ended {
        run,
        history,
        analysis,
    }
}

/// A violation of the whole run.
fn violation(rule: &str, text: String) -> Violation {
    Violation {
        rule: rule.to_owned(),
        text,
        job: None,
        fire_time: None,
        execution: None,
    }
}

impl Ended {
    /// Writes page, JSON and history.
    pub fn write(&self, directory: &Path) -> Result<(), anyhow::Error> {
        let Self {
            run,
            history,
            analysis,
        } = self;
        std::fs::write(
            directory.join("report.html"),
            report::html(run, history, analysis),
        )?;
        std::fs::write(
            directory.join("report.json"),
            report::json(run, history, analysis).to_string(),
        )?;
        let file = std::io::BufWriter::new(std::fs::File::create(directory.join("history.json"))?);
        serde_json::to_writer(file, history)?;
        Ok(())
    }

    /// Whether every expected figure was reached.
    pub fn reached(&self) -> bool {
        self.run
            .figures
            .iter()
            .all(|figure| figure.met != Some(false))
    }
}

/// Runs the phases of a drill, from the first node to the final read; returns the faults that could
/// not be injected.
async fn run_phases(
    testbed: &Rc<DrillTestbed>,
    seed: u64,
    wanted_dead: mpsc::UnboundedReceiver<Uuid>,
) -> Result<Vec<String>, anyhow::Error> {
    let progress = progress(&testbed.drill);
    progress.set_message("starting the nodes");
    testbed.open().await?;
    // Nodes declare no other node dead within their first TTL: a new cluster is a special case.
    tokio::time::sleep(
        Duration::from_micros(testbed.drill.rules().ttl.unsigned_abs()) + Duration::from_secs(1),
    )
    .await;
    create_jobs(testbed).await?;
    let enqueued = create_for_enqueues(testbed).await?;
    let tasks = tokio::task::LocalSet::new();
    let (over, is_over) = watch::channel(false);
    tasks.spawn_local(count(testbed.clone(), progress.clone(), is_over.clone()));
    tasks.spawn_local(kill_on_demand(testbed.clone(), wanted_dead));
    let audited = tasks.spawn_local(audit(testbed.clone(), is_over));
    let failures = tasks
        .run_until(async {
            tokio::time::sleep(BEFORE).await;
            let failures = disturb(testbed, seed, &enqueued).await;
            for failure in &failures {
                progress.println(failure);
            }
            progress.println("the faults are over: waiting for calm");
            // The calm end is judged at full strength: a node lives in every slot.
            testbed.restart_stopped_nodes().await?;
            // A job that the operator left paused would hide that its schedule stopped.
            if testbed.drill.operator_millis.is_some() {
                operations::resume_all(testbed).await;
            }
            let rules = testbed.drill.rules();
            // Two TTLs: the first until a late death is noticed, the second for an observer that
            // joined since.
            let settle = Duration::from_micros((2 * rules.ttl + rules.recovery).unsigned_abs());
            tokio::time::sleep(settle.max(Duration::from_secs(testbed.drill.quiesce_seconds)))
                .await;
            // Rows of executions in flight would be incomplete at the final read.
            operations::pause_all(testbed).await;
            nothing_in_flight(testbed).await;
            over.send_replace(true);
            Ok::<_, anyhow::Error>(failures)
        })
        .await?;
    // An audit that still runs would hold the auditor against the final read.
    tasks.run_until(audited).await?;
    progress.finish_and_clear();
    Ok(failures)
}

async fn create_jobs(testbed: &DrillTestbed) -> Result<(), anyhow::Error> {
    let mut jobs = workload::mix(testbed.drill.mix);
    for group in &testbed.drill.jobs {
        jobs.extend(std::iter::repeat_n(group.job.clone(), group.count));
    }
    // Two seconds for all: their fire times lie apart, so that a fault always meets a run.
    let pause = Duration::from_secs(2) / u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    for job in jobs {
        tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
        let address = testbed.any_address().context("no node lives")?;
        testbed
            .operator
            .create(address, &job)
            .await
            .with_context(|| format!("the job `{}` was not created", job.name))?;
    }
    Ok(())
}

/// The jobs of the callers that enqueue runs, if the drill has some.
async fn create_for_enqueues(testbed: &DrillTestbed) -> Result<Vec<Uuid>, anyhow::Error> {
    let mut ids = Vec::new();
    if testbed.drill.enqueuers == 0 {
        return Ok(ids);
    }
    for job in workload::enqueued() {
        let address = testbed.any_address().context("no node lives")?;
        let created = testbed.operator.create_for_enqueues(address, &job).await;
        ids.push(created.with_context(|| format!("the job `{}` was not created", job.name))?);
    }
    Ok(ids)
}

/// The disturbed part: faults by the clock, faults at random, an operator, callers that enqueue.
async fn disturb(testbed: &Rc<DrillTestbed>, seed: u64, enqueued: &[Uuid]) -> Vec<String> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(testbed.drill.seconds);
    let failures = Rc::new(std::cell::RefCell::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for fault in testbed.drill.faults.clone() {
        for time in 0..fault.times {
            #[expect(clippy::cast_precision_loss, reason = "a handful of faults")]
            let at = begun + Duration::from_secs_f64(fault.at + fault.every * time as f64);
            let (testbed, fault, failures) = (testbed.clone(), fault.clone(), failures.clone());
            tasks.spawn_local(async move {
                tokio::time::sleep_until(at).await;
                try_inject(&testbed, &fault, &failures).await;
            });
        }
    }
    if let Some(random) = testbed.drill.random.clone() {
        let (testbed, failures) = (testbed.clone(), failures.clone());
        tasks.spawn_local(async move { random_faults(&testbed, &random, seed, &failures).await });
    }
    if let Some(millis) = testbed.drill.operator_millis {
        // As long as the file says; faults at random may take longer.
        let (one, pause) = (testbed.clone(), Duration::from_millis(millis));
        tasks.spawn_local(async move { operations::operate(&one, pause, end).await });
        let other = testbed.clone();
        tasks.spawn_local(async move { operations::aim(&other, pause, end).await });
    }
    for _ in 0..testbed.drill.enqueuers {
        let (testbed, enqueued) = (testbed.clone(), enqueued.to_owned());
        tasks.spawn_local(async move { operations::enqueue(&testbed, &enqueued, end).await });
    }
    while tasks.join_next().await.is_some() {}
    // A drill without faults at the end still lasts as long as its file says.
    tokio::time::sleep_until(end).await;
    failures.take()
}

async fn try_inject(
    testbed: &DrillTestbed,
    fault: &FaultSpec,
    failures: &std::cell::RefCell<Vec<String>>,
) {
    if let Err(error) = inject(testbed, fault).await {
        failures
            .borrow_mut()
            .push(format!("{:?}: {error:#}", fault.kind));
    }
}

/// One fault after the other, now and then two at once; calm after each burst. The choice depends
/// on the seed alone, not on other draws during the drill.
async fn random_faults(
    testbed: &DrillTestbed,
    random: &Random,
    seed: u64,
    failures: &std::cell::RefCell<Vec<String>>,
) {
    let mut choices = fastrand::Rng::with_seed(seed);
    let mut deck = Vec::new();
    let mut done = 0;
    while done < random.faults {
        let fault = next_fault(random, &mut deck, &mut choices);
        // Two at once: recovery from one fault must not depend on calm during the other.
        if choices.u32(..5) == 0 && done + 1 < random.faults {
            let other = next_fault(random, &mut deck, &mut choices);
            tokio::join!(
                try_inject(testbed, &fault, failures),
                try_inject(testbed, &other, failures)
            );
            done += 1;
        } else {
            try_inject(testbed, &fault, failures).await;
        }
        done += 1;
        // Without a calm stretch every fire time would be checked under soft rules.
        let pause = if done % random.burst == 0 {
            random.calm
        } else {
            random.gap * (0.5 + choices.f64() / 2.0)
        };
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
    }
}

/// The next kind of a shuffled deck: a drill with as many faults as kinds injects each of them.
fn next_fault(random: &Random, deck: &mut Vec<Kind>, choices: &mut fastrand::Rng) -> FaultSpec {
    if deck.is_empty() {
        deck.clone_from(&random.kinds);
        choices.shuffle(deck);
    }
    FaultSpec {
        kind: deck.pop().expect("a drill file names at least one kind"),
        at: 0.0,
        times: 1,
        every: 0.0,
        // Short faults end before any time limit of the cluster, long ones outlast all of them.
        seconds: random.seconds * (0.1 + 0.9 * choices.f64()),
        node: if choices.bool() {
            NodeChoice::Busiest
        } else {
            NodeChoice::Random
        },
        actor: choices
            .choice([
                Actor::ExecutorPool,
                Actor::TriggerAcquirer,
                Actor::Reconciler,
                Actor::ClusterMembership,
            ])
            .unwrap_or_default(),
        amount: choices.i64(20..100),
    }
}

/// Kills the node whose death a target requests, and starts another in its slot.
async fn kill_on_demand(testbed: Rc<DrillTestbed>, mut wanted_dead: mpsc::UnboundedReceiver<Uuid>) {
    while let Some(id) = wanted_dead.recv().await {
        // The database is away and the name unknown: the node lives on.
        let Some(name) = testbed.name_of(id).await else {
            continue;
        };
        for slot in testbed.slots() {
            let mut slot = slot.lock_owned().await;
            // The life may have ended while the lock was awaited.
            if slot.name() != Some(&name) {
                continue;
            }
            let from = now();
            if let Ok(dead) = slot.kill().await {
                testbed
                    .records
                    .fault("kill", Scope::Ends, &[&name], from, dead);
                tokio::time::sleep(Duration::from_secs(1)).await;
                // A drill continues with the other nodes; `restart_stopped_nodes` reports the
                // error.
                let _ = slot.start();
            }
        }
    }
}

/// Audits stuck states until the end; the last audit belongs to the final read.
async fn audit(testbed: Rc<DrillTestbed>, is_over: watch::Receiver<bool>) {
    let mut auditor = testbed.auditor.lock().await;
    while !*is_over.borrow() {
        tokio::time::sleep(AUDIT_INTERVAL).await;
        // A fault replaces the servers: their states are not comparable.
        let Ok(servers) = testbed.servers.try_read() else {
            continue;
        };
        // The database may be away, or its tables locked: the next audit will do.
        let look = async {
            auditor
                .look(&servers.primary.sql().await.ok()?, false)
                .await
                .ok()
        };
        let _ = tokio::time::timeout(AUDIT_INTERVAL, look).await;
    }
}

async fn nothing_in_flight(testbed: &DrillTestbed) {
    let begun = Instant::now();
    while begun.elapsed() < END_MAX {
        let servers = testbed.servers.read().await;
        if let Ok(sql) = servers.primary.sql().await {
            // A retry of a paused job waits for its resume; a recovery does not.
            let count = "select count(*) from job_execution_log l where status = 'RUNNING'
                or status = 'RETRYING' and (not exists (
                    select from job_definition j where j.id = l.job_id and j.status = 'PAUSED')
                or exists (select from job_trigger t where t.id = l.id and t.kind = 'RECOVERY'))";
            if sql
                .query_one(count, &[])
                .await
                .is_ok_and(|row| row.get::<_, i64>(0) == 0)
            {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn progress(drill: &Drill) -> ProgressBar {
    let progress = ProgressBar::new(drill.seconds + drill.quiesce_seconds);
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress
}

async fn count(testbed: Rc<DrillTestbed>, progress: ProgressBar, is_over: watch::Receiver<bool>) {
    while !*is_over.borrow() {
        progress.set_position(progress.elapsed().as_secs());
        progress.set_message(format!(
            "{} deliveries, {} faults",
            testbed.sink.count(),
            testbed.records.faults().len()
        ));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn settings(drill: &Drill, disabled_safeguard: Option<&str>) -> Vec<(String, String)> {
    let mut settings = vec![
        ("--node-ttl".to_owned(), format!("{} s", drill.ttl_seconds)),
        ("database".to_owned(), format!("{:?}", drill.database)),
        (
            "latest start in calm times".to_owned(),
            format!("{} ms", drill.rules.lateness_millis),
        ),
    ];
    settings.extend(
        drill
            .flags
            .iter()
            .map(|flag| ("flag".to_owned(), flag.clone())),
    );
    settings.extend(disabled_safeguard.map(|name| ("SWITCHED OFF".to_owned(), name.to_owned())));
    settings
}

/// The first line of a program's output; empty without one.
async fn first_line_of(program: &str, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .output()
        .await;
    let text = output.map(|output| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    text.unwrap_or_default()
}
