//! The report of synthetic runs.

use super::{Conclusion, Figure, Run, html, json, summary};
use crate::checker::{Analysis, Counts, Redelivery, Violation};
use crate::history::{
    Call, CallOutcome, Delivery, Fault, History, NodeLife, Operation, Row, Scope, Stuck, Transition,
};
use crate::job::{JobSpec, Misfire, Overlap, Recovery, SECOND, Schedule, Target};
use crate::micros::Micros;
use std::time::Instant;
use uuid::Uuid;

const BEGAN: Micros = 1_790_000_000_000_000;
/// How long a synthetic run lasts.
const LENGTH: Micros = 300 * SECOND;
const HOSTILE: &str =
    "</style><script src=\"http://evil.example/x.js\">alert('&')</script>\u{1b}[2J\u{202e}";

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0199_0000_0000_7000, 0x8000_0000_0000_0000 | number)
}

fn spec(name: &str) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        schedule: Schedule::FixedRate { seconds: 1 },
        misfire: Misfire::FireOnce,
        misfire_grace_seconds: 60,
        overlap: Overlap::Allow,
        recovery: Recovery::Rerun,
        max_recoveries: 3,
        max_attempts: 2,
        timeout_seconds: None,
        jitter_seconds: 0,
        end_at: None,
        max_runs: None,
        target: Target::default(),
    }
}

fn fault(kind: &str, scope: Scope, node: &str, from: Micros, seconds: Micros) -> Fault {
    let nodes = if node.is_empty() {
        vec![]
    } else {
        vec![node.to_owned()]
    };
    Fault {
        kind: kind.to_owned(),
        scope,
        nodes,
        from: BEGAN + from * SECOND,
        until: BEGAN + (from + seconds) * SECOND,
    }
}

fn node(number: u64, started: Micros, ended: Option<Micros>) -> NodeLife {
    NodeLife {
        id: id(number),
        name: format!("n{number}"),
        state: if ended.is_some() { "DEAD" } else { "ACTIVE" }.to_owned(),
        started_at: BEGAN + started * SECOND,
        ended_at: ended.map(|at| BEGAN + at * SECOND),
        ended_by: ended.map(|_| "SESSION".to_owned()),
    }
}

/// A run of five minutes and four nodes: one node dies, another one is its successor.
fn synthetic(deliveries: u64, job: &str) -> History {
    let nodes = vec![
        node(1, -2, Some(91)),
        node(2, -2, None),
        node(3, -1, None),
        node(4, 100, None),
    ];
    let create = Call {
        job: Some(id(1_000)),
        operation: Operation::Create(spec(job)),
        invoked: BEGAN + 1_000,
        completed: BEGAN + 9_000,
        outcome: CallOutcome::Done,
        next_fire_time: Some(BEGAN + SECOND),
        start_at: None,
        made: None,
        found: None,
    };
    let status = "RUNNING".to_owned();
    History {
        began: BEGAN,
        ended: BEGAN + LENGTH,
        deliveries: synthetic_deliveries(deliveries, &nodes),
        calls: vec![create],
        faults: vec![
            fault("kill", Scope::Ends, "n1", 90, 1),
            fault("freeze", Scope::Freezes, "n2", 30, 12),
            fault("partition", Scope::CutsOff, "n3", 130, 20),
            fault("target-cut", Scope::CutsTarget, "n4", 170, 15),
            fault("skew", Scope::Harmless, "n2", 200, 30),
            fault("postgres-restart", Scope::Cluster, "", 240, 6),
            fault("postgres-slow", Scope::Cluster, "", 250, 20),
        ],
        rows: vec![succeeded()],
        transitions: vec![Transition {
            execution: id(10_000),
            attempt: 1,
            status,
            at: BEGAN + 4_000,
        }],
        nodes,
        stuck: vec![Stuck {
            at: BEGAN + 2 * SECOND,
            rule: "running on a dead node".to_owned(),
            id: id(10_000),
        }],
    }
}

/// Evenly over the run, on whichever nodes are alive, answered in every way.
fn synthetic_deliveries(count: u64, nodes: &[NodeLife]) -> Vec<Delivery> {
    let mut random = fastrand::Rng::with_seed(7);
    let delivery = |index: u64| {
        let arrived =
            BEGAN + LENGTH * i64::try_from(index).unwrap() / i64::try_from(count).unwrap();
        let lives = |node: &&NodeLife| {
            node.started_at < arrived && node.ended_at.is_none_or(|at| arrived < at)
        };
        let alive: Vec<&NodeLife> = nodes.iter().filter(lives).collect();
        let status = match random.u32(0..100) {
            0..3 => Some(500),
            3 => Some(409),
            4..6 => Some(499),
            6 => None,
            _ => Some(200),
        };
        let took = i64::from(random.u32(1_000..2_500_000));
        Delivery {
            job: id(1_000 + index % 20),
            execution: id(10_000 + index),
            fire_time: arrived - 20_000,
            due_time: arrived - 20_000,
            attempt: 1,
            node: random.choice(alive).unwrap().id,
            kind: "SCHEDULE".to_owned(),
            arrived,
            ended: status.map(|_| arrived + took),
            status,
            effect: status == Some(200),
        }
    };
    (0..count).map(delivery).collect()
}

fn succeeded() -> Row {
    Row {
        execution: id(10_000),
        job: id(1_000),
        kind: "SCHEDULE".to_owned(),
        fire_time: BEGAN,
        due_time: BEGAN,
        status: "SUCCEEDED".to_owned(),
        reason: None,
        attempt: 1,
        recoveries: 1,
        node: Some(id(1)),
        started_at: Some(BEGAN + 5_000),
        finished_at: Some(BEGAN + 900_000),
        through_fire_time: None,
        occurrences: None,
        coalesced_into: None,
        repeats: None,
    }
}

fn violation(execution: u64, fire_time: Micros) -> Violation {
    Violation {
        rule: "LOST".to_owned(),
        text: "no delivery, deadline 0:07.000 passed".to_owned(),
        job: Some(id(1_000)),
        fire_time: Some(fire_time),
        execution: Some(id(execution)),
    }
}

fn analysis(violations: Vec<Violation>) -> Analysis {
    let redelivery = |fault: &str, took: Micros| Redelivery {
        fault: fault.to_owned(),
        execution: id(10_000),
        took,
    };
    Analysis {
        violations,
        counts: Counts {
            jobs: 20,
            must: 2_990,
            may: 10,
            normal: 1_899,
            deliveries: 3_000,
            faults: 7,
            manual: 12,
            skipped: 4,
            surplus_effects: 3,
            frozen_overlaps: 1,
            fenced: 2,
        },
        lateness_calm: (1..=1_899).map(|n| n * 40).collect(),
        lateness_disturbed: (1..=1_101).map(|n| n * n * 6).collect(),
        redeliveries: (1..=60)
            .map(|n| redelivery("kill", n * 9_000))
            .chain((1..=40).map(|n| redelivery("freeze", 3_900_000 + n * 31_000)))
            .collect(),
    }
}

fn run() -> Run {
    let figure = |name: &str, target: &str, measured: &str, met| Figure {
        name: name.to_owned(),
        target: target.to_owned(),
        measured: measured.to_owned(),
        met,
    };
    Run {
        name: "nightly".to_owned(),
        description: "Four nodes, twenty jobs, every fault alone.".to_owned(),
        seed: u64::MAX,
        commit: "3c37e73".to_owned(),
        program: "horolog 0.1.0 (horolog)".to_owned(),
        started: BEGAN,
        nodes: 4,
        settings: vec![
            ("--node-ttl".to_owned(), "4s".to_owned()),
            ("--heartbeat-interval".to_owned(), "1s".to_owned()),
        ],
        skipped: vec!["disk-full: needs root to mount a tmpfs".to_owned()],
        figures: vec![
            figure("kill to redelivery, p50", "≤ 4 s", "270 ms", Some(true)),
            figure("lateness in calm, p99", "≤ 100 ms", "75 ms", Some(true)),
            figure("throughput", "≥ 5,000/s", "–", None),
        ],
        inconclusive: None,
    }
}

/// Whether every element is closed in the order in which it was opened.
fn is_balanced(page: &str) -> bool {
    const VOID: [&str; 1] = ["meta"];
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else {
            return false;
        };
        let name = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.starts_with('!') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    open.is_empty()
}

/// Whether a browser would send no request.
fn loads_nothing(page: &str) -> bool {
    let loads = [
        "<script", "<link", "<img", "<iframe", " src=", "href=", "@import", "url(http", "url(\"",
        "xlink",
    ];
    !loads.iter().any(|load| page.contains(load))
}

#[test]
fn a_page_is_balanced_and_loads_nothing() {
    for violations in [
        vec![],
        vec![
            violation(10_000, BEGAN),
            violation(10_500, BEGAN + 50 * SECOND),
        ],
    ] {
        let page = html(&run(), &synthetic(3_000, "invoices"), &analysis(violations));
        assert!(is_balanced(&page));
        assert!(loads_nothing(&page));
        assert!(page.contains("Skipped, not passed") && page.contains("disk-full"));
    }
    assert!(!is_balanced("<p><b></p></b>"));
}

#[test]
fn text_from_the_history_is_text() {
    let mut history = synthetic(50, HOSTILE);
    history.faults[0].kind = HOSTILE.to_owned();
    history.faults[0].nodes.push(HOSTILE.to_owned());
    history.nodes[0].name = HOSTILE.to_owned();
    history.nodes[0].ended_by = Some(HOSTILE.to_owned());
    history.rows[0].reason = Some(HOSTILE.to_owned());
    history.stuck[0].rule = HOSTILE.to_owned();
    let mut broken = violation(10_000, BEGAN);
    broken.text = HOSTILE.to_owned();
    broken.rule = HOSTILE.to_owned();
    let mut analysis = analysis(vec![broken]);
    analysis.redeliveries[0].fault = HOSTILE.to_owned();
    let run = Run {
        name: HOSTILE.to_owned(),
        skipped: vec![HOSTILE.to_owned()],
        ..run()
    };

    let page = html(&run, &history, &analysis);
    assert!(is_balanced(&page) && !page.contains("<script") && page.contains("&lt;script src="));
    assert!(!page.contains("\" onload") && page.matches("</style>").count() == 1);
    assert!(!summary(&run, &history, &analysis).contains('\u{1b}'));
}

#[test]
fn a_run_in_which_nothing_was_seen_is_inconclusive() {
    let (run, history, analysis) = (Run::default(), History::default(), Analysis::default());
    assert_eq!(run.conclusion(&analysis), Conclusion::Inconclusive);
    let page = html(&run, &history, &analysis);
    assert!(
        is_balanced(&page) && page.contains("Inconclusive: nothing had to happen in this run.")
    );
    assert!(!page.contains("NaN") && !page.contains("inf\""));
    assert_eq!(json(&run, &history, &analysis)["conclusion"], "not_judged");
    assert!(summary(&run, &history, &analysis).contains("bound            none: inconclusive\n"));
}

#[test]
fn a_violation_breaks_the_promise_even_in_a_run_that_was_cut_short() {
    let cut = Run {
        inconclusive: Some("interrupted".to_owned()),
        ..run()
    };
    assert_eq!(cut.conclusion(&analysis(vec![])), Conclusion::Inconclusive);
    assert_eq!(
        cut.conclusion(&analysis(vec![violation(10_000, BEGAN)])),
        Conclusion::Broken
    );
    assert_eq!(run().conclusion(&analysis(vec![])), Conclusion::Kept);
}

#[test]
fn a_long_run_stays_small() {
    let history = synthetic(200_000, "invoices");
    let violations =
        (0..200).map(|n| violation(10_000 + n * 900, BEGAN + i64::try_from(n).unwrap() * SECOND));
    let analysis = analysis(violations.collect());
    let begun = Instant::now();
    let page = html(&run(), &history, &analysis);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert_eq!(page.matches("<article").count(), 50);
    assert!(page.contains("And 150 violations more") && is_balanced(&page));
}

#[test]
fn a_violation_is_shown_with_what_was_seen_of_its_job_and_execution() {
    let page = html(
        &run(),
        &synthetic(3_000, "invoices"),
        &analysis(vec![violation(10_000, BEGAN)]),
    );
    let article = &page[page.find("<article").unwrap()..page.find("</article>").unwrap()];
    for seen in [
        "createJob: done after 8.0 ms, next fire time 0:01.000",
        "attempt 1 from n",
        "SCHEDULE SUCCEEDED, attempt 1, recoveries 1, n1, started 0:00.005, finished 0:00.900",
        "attempt 1 became RUNNING",
        "running on a dead node",
        "&quot;name&quot;: &quot;invoices&quot;",
    ] {
        assert!(article.contains(seen), "{seen} is missing");
    }
    assert!(
        !article.contains("kill of"),
        "a fault a minute away explains nothing"
    );
}

#[test]
fn the_summary_says_all_that_decides() {
    let kept = summary(&run(), &synthetic(100, "invoices"), &analysis(vec![]));
    assert_eq!(kept, include_str!("summary.kept.txt"));
    let six = (0..6).map(|n| violation(10_000 + n, BEGAN)).collect();
    let broken = summary(&run(), &synthetic(100, "invoices"), &analysis(six));
    assert!(broken.contains(
        "  violations       6: LOST 6\n    LOST: no delivery, deadline 0:07.000 passed\n"
    ));
    assert!(
        broken.contains("    and 1 more\n")
            && broken.contains("  bound            none: there are violations\n")
    );
}

#[test]
fn the_json_has_the_keys_that_are_documented() {
    let report = json(&run(), &synthetic(100, "invoices"), &analysis(vec![]));
    let documented: Vec<&str> = include_str!("json.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// | `")?.split_once(" |"))
        .flat_map(|(keys, _)| keys.trim_end_matches('`').split("` `"))
        .collect();
    let mut keys: Vec<&str> = report
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    assert_eq!(keys, sorted);
    assert_eq!(report["seed"], "18446744073709551615");
    assert_eq!(report["redelivery_us"]["kill"]["p50"], 270_000);
    assert_eq!(report["faults"]["kill"]["bound"], 1.0);
}

#[test]
#[ignore = "writes pages to look at into the system's temporary directory"]
fn pages_to_look_at() {
    let violations = || {
        vec![
            violation(10_000, BEGAN),
            violation(10_500, BEGAN + 50 * SECOND),
        ]
    };
    let missed = Run {
        figures: vec![Figure {
            name: "lateness in calm, p99".to_owned(),
            target: "≤ 100 ms".to_owned(),
            measured: "175 ms".to_owned(),
            met: Some(false),
        }],
        ..run()
    };
    for (name, run, history, analysis) in [
        (
            "kept",
            run(),
            synthetic(1_200, "invoices"),
            analysis(vec![]),
        ),
        (
            "broken",
            missed,
            synthetic(60_000, HOSTILE),
            analysis(violations()),
        ),
        (
            "empty",
            Run::default(),
            History::default(),
            Analysis::default(),
        ),
    ] {
        let file = std::env::temp_dir().join(format!("horolog-report-{name}.html"));
        std::fs::write(&file, html(&run, &history, &analysis)).unwrap();
        println!("{}", file.display());
    }
}
