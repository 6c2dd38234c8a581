//! The report for the terminal.

use super::Run;
use super::digest::{Conclusion, Digest};
use super::format::{bound_of, counted, duration, grouped, harmless, share_of};
use super::statistics::Spread;
use crate::checker::Analysis;
use crate::history::History;

/// Violations that are printed; the page has more of them.
const VIOLATIONS_MAX: usize = 5;
/// Lists are broken before they are wider.
const COLUMNS: usize = 100;

/// The report in some two dozen lines of plain text, the last one ended.
pub fn summary(run: &Run, history: &History, analysis: &Analysis) -> String {
    let digest = Digest::of(run, history, analysis);
    let mut lines = vec![format!("{}: {}", run.name, digest.sentence())];
    lines.extend(
        run.skipped
            .iter()
            .map(|skipped| format!("  skipped, not passed: {skipped}")),
    );
    violations(&digest, &mut lines);
    counts(&digest, &mut lines);
    spreads(&digest, &mut lines);
    faults(&digest, &mut lines);
    for figure in &run.figures {
        let met = match figure.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "cannot say",
        };
        lines.push(format!(
            "  figure           {}: {} (target {}): {met}",
            figure.name, figure.measured, figure.target
        ));
    }
    lines.push(format!(
        "  run              seed {}, commit {}, {}",
        run.seed, run.commit, run.program
    ));
    lines
        .iter()
        // Texts of answers and errors may hold control characters of a terminal.
        .map(|line| harmless(line).trim_end().to_owned() + "\n")
        .collect()
}

fn violations(digest: &Digest, lines: &mut Vec<String>) {
    let all = &digest.analysis.violations;
    if all.is_empty() {
        return;
    }
    let rules = digest
        .rules
        .iter()
        .map(|(rule, count)| format!("{rule} {}", grouped(*count)));
    lines.extend(wrapped("  violations       ", all.len(), rules));
    lines.extend(
        all.iter()
            .take(VIOLATIONS_MAX)
            .map(|violation| format!("    {}: {}", violation.rule, violation.text)),
    );
    if all.len() > VIOLATIONS_MAX {
        lines.push(format!(
            "    and {} more",
            grouped(all.len() - VIOLATIONS_MAX)
        ));
    }
}

fn counts(digest: &Digest, lines: &mut Vec<String>) {
    let counts = &digest.analysis.counts;
    lines.push(format!(
        "  fire times       {} of {}: {} had to be taken, {} might be; {} left out by policy",
        grouped(digest.fire_times()),
        counted(counts.jobs, "job"),
        grouped(counts.must),
        grouped(counts.may),
        grouped(counts.skipped),
    ));
    let soft = if digest.lenient() {
        ": too few, the rules were soft nearly everywhere"
    } else {
        ""
    };
    lines.push(format!(
        "  checked normal   {}{soft}",
        share_of(counts.normal, digest.fire_times())
    ));
    let answers = digest.answers.iter().filter(|(_, count)| *count > 0);
    let answers = answers.map(|(answer, count)| format!("{} {}", grouped(*count), answer.label()));
    lines.extend(wrapped(
        "  deliveries       ",
        digest.history.deliveries.len(),
        answers,
    ));
    lines.push(format!("  surplus effects  {}", digest.surplus()));
    lines.push(format!(
        "  zombies          {} while a node was frozen, {} of fenced targets",
        counted(counts.frozen_overlaps, "overlap"),
        counted(counts.fenced, "refusal"),
    ));
}

fn spread_head(name: &str) -> String {
    format!(
        "  {name:<16} {:>11} {:>11} {:>11}  {:>9}",
        "p50", "p99", "max", "n"
    )
}

fn spread_row(name: &str, spread: Option<Spread>) -> String {
    let Some(Spread { n, p50, p99, max }) = spread else {
        return format!("    {name:<14} none");
    };
    let [p50, p99, max] = [p50, p99, max].map(duration);
    format!(
        "    {name:<14} {p50:>11} {p99:>11} {max:>11}  {:>9}",
        grouped(n)
    )
}

fn spreads(digest: &Digest, lines: &mut Vec<String>) {
    lines.push(spread_head("lateness"));
    lines.push(spread_row("calm", digest.calm));
    lines.push(spread_row("disturbed", digest.disturbed));
    if !digest.redeliveries.is_empty() {
        lines.push(spread_head("redelivery"));
    }
    lines.extend(
        digest
            .redeliveries
            .iter()
            .map(|(kind, took)| spread_row(kind, Spread::of(took))),
    );
}

fn faults(digest: &Digest, lines: &mut Vec<String>) {
    let n = digest.history.faults.len();
    let kinds = digest.faults.iter().map(|(kind, count)| {
        // After a violation the rule of three says nothing.
        let bound = if digest.bounded() {
            format!(" ({})", bound_of(*count, false))
        } else {
            String::new()
        };
        format!("{kind} {}{bound}", grouped(*count))
    });
    lines.extend(wrapped("  faults           ", n, kinds));
    lines.push(match digest.conclusion {
        Conclusion::Broken => "  bound            none: there are violations".to_owned(),
        Conclusion::Inconclusive => "  bound            none: inconclusive".to_owned(),
        Conclusion::Kept if n == 0 => "  bound            none: no fault was injected".to_owned(),
        Conclusion::Kept => {
            let bound = bound_of(n, false);
            format!(
                "  bound            {bound} violations per fault, \
                with 95 % confidence (3/n, n = {})",
                grouped(n)
            )
        }
    });
}

/// A number and its parts, in as many lines as needed.
fn wrapped(head: &str, number: usize, parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = format!("{head}{}", grouped(number));
    let mut mark = ":";
    for part in parts {
        line += mark;
        if line.chars().count() + part.chars().count() < COLUMNS {
            line = format!("{line} {part}");
        } else {
            lines.push(std::mem::replace(&mut line, " ".repeat(head.len()) + &part));
        }
        mark = ",";
    }
    lines.push(line);
    lines
}
