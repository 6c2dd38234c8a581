//! The page, from top to bottom.

use super::answer::Answer;
use super::digest::{Conclusion, Digest};
use super::format::{self, Names, clock_exact, counted, duration, grouped};
use super::surroundings::{Item, Surroundings, instant, surroundings};
use super::{Run, charts, delivery_chart, tables};
use crate::checker::{Analysis, Violation};
use crate::history::{History, Scope};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Most violations that are shown with the events around them.
const VIOLATIONS_MAX: usize = 50;

/// No script and no request, whatever the history holds.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The report as one self-contained HTML page.
pub fn html(run: &Run, history: &History, analysis: &Analysis) -> String {
    let digest = Digest::of(run, history, analysis);
    // All violations are marked, also those without a section of their own.
    let marks = analysis
        .violations
        .iter()
        .filter_map(|violation| instant(history, violation))
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (run.name) ": " (conclusion_label(digest.conclusion)) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (patterns())
                header { (head(&digest)) }
                main {
                    (tables::figures(&digest))
                    section {
                        h2 { "Timeline" }
                        @if history.deliveries.is_empty() && history.nodes.is_empty() {
                            p { "Nothing was seen." }
                        } @else {
                            (legend(history))
                            (delivery_chart::whole(history, marks).draw())
                        }
                    }
                    (violations(&digest))
                    section {
                        h2 { "Lateness" }
                        @if digest.calm.is_none() && digest.disturbed.is_none() {
                            p { "No first start was checked." }
                        } @else {
                            (charts::lateness(&digest))
                            (tables::lateness(&digest))
                        }
                    }
                    section {
                        h2 { "Redelivery" }
                        @if digest.redeliveries.is_empty() {
                            p { "No fault orphaned an attempt that was run again." }
                        } @else {
                            (charts::redeliveries(&digest))
                            (tables::redeliveries(&digest))
                        }
                    }
                    (tables::counts(&digest))
                    (tables::faults(&digest))
                    (tables::nodes(&digest))
                }
            }
        }
    };
    page.into_string()
}

fn conclusion_label(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Kept => "kept",
        Conclusion::Broken => "broken",
        Conclusion::Inconclusive => "inconclusive",
    }
}

fn head(digest: &Digest) -> Markup {
    let run = digest.run;
    // A sign next to the colour: some readers see no colours.
    let sign = match digest.conclusion {
        Conclusion::Kept => "✓",
        Conclusion::Broken => "✕",
        Conclusion::Inconclusive => "?",
    };
    html! {
        p.kicker { "Horolog failover drill" }
        h1 { (run.name) }
        p.description { (run.description) }
        p class=(format!("conclusion {}", digest.conclusion.key())) {
            span.sign aria-hidden="true" { (sign) }
            strong { (digest.sentence()) }
        }
        @if !run.skipped.is_empty() {
            div.skipped {
                h2 { "Skipped, not passed" }
                p { "This run says nothing about:" }
                ul { @for skipped in &run.skipped { li { (skipped) } } }
            }
        }
        dl.facts {
            (fact("Seed", &run.seed.to_string()))
            (fact("Commit", &run.commit))
            (fact("Program", &run.program))
            (fact("Started", &format::instant(run.started)))
            (fact("Lasted", &duration(digest.history.ended.saturating_sub(digest.history.began))))
            (fact("Nodes", &grouped(run.nodes)))
            @for (name, value) in &run.settings { (fact(name, value)) }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { @if !value.is_empty() { div { dt { (name) } dd { (value) } } } }
}

/// The meaning of bars and bands; only the scopes that occur.
fn legend(history: &History) -> Markup {
    const SCOPES: [Scope; 7] = [
        Scope::Ends,
        Scope::Freezes,
        Scope::CutsOff,
        Scope::CutsTarget,
        Scope::Stalls,
        Scope::Harmless,
        Scope::Cluster,
    ];
    let mut occurring = SCOPES.to_vec();
    // A legend of everything would hide the few scopes of the run.
    occurring.retain(|scope| history.faults.iter().any(|fault| fault.scope == *scope));
    html! {
        ul.legend {
            @for answer in Answer::ALL {
                li { (swatch(&format!("bar {}", answer.key()))) (answer.label()) }
            }
            @for scope in occurring {
                li { (swatch(&format!("fault {}", delivery_chart::class(scope)))) "fault: "
                    (format::scope(scope))
                }
            }
        }
    }
}

fn swatch(class: &str) -> Markup {
    html! {
        svg.swatch viewBox="0 0 28 12" aria-hidden="true" {
            rect class=(class) x="1" y="1" width="26" height="10" {}
        }
    }
}

/// Patterns of bars and bands, so that none depends on colour alone.
fn patterns() -> Markup {
    let strokes = [
        ("ends", "M-2 8L8 -2M4 14L14 4"),
        ("freezes", "M-2 4L8 14M4 -2L14 8"),
        ("cuts-off", "M3 0V12M9 0V12"),
        ("cuts-target", "M3 0V5M9 6V11"),
        ("stalls", "M0 3H12M0 9H12"),
        ("harmless", "M0 6H3"),
        ("cluster", "M0 0L12 12M12 0L0 12"),
    ];
    html! {
        svg.patterns aria-hidden="true" width="0" height="0" {
            defs {
                @for (name, path) in strokes {
                    pattern id=(format!("pattern-{name}")) width="12" height="12"
                        patternUnits="userSpaceOnUse" {
                        path class=(format!("stroke {name}")) d=(path) {}
                    }
                }
                pattern id="pattern-failed" width="4" height="4" patternUnits="userSpaceOnUse" {
                    rect.ground width="4" height="4" {}
                    path.stroke.failed d="M0 4L4 0" {}
                }
            }
        }
    }
}

fn violations(digest: &Digest) -> Markup {
    let all = &digest.analysis.violations;
    let names = Names::of(digest.history);
    html! {
        section {
            h2 { "Violations" }
            @if all.is_empty() {
                p { "None." }
            } @else {
                (tables::rules(digest))
                @for (index, violation) in all.iter().take(VIOLATIONS_MAX).enumerate() {
                    (one(digest, &names, index + 1, violation))
                }
                @if all.len() > VIOLATIONS_MAX {
                    p.more {
                        "And " (counted(all.len() - VIOLATIONS_MAX, "violation"))
                        " more; all are in the report's JSON, \
                         the whole history is in the run's directory."
                    }
                }
            }
        }
    }
}

fn one(digest: &Digest, names: &Names, number: usize, violation: &Violation) -> Markup {
    let seen = surroundings(digest.history, names, violation);
    let id = format!("violation-{number}");
    html! {
        article.violation id=(id) aria-labelledby=(format!("{id}-rule")) {
            h3 id=(format!("{id}-rule")) { (number) ". " (violation.rule) }
            p { (violation.text) }
            dl.facts {
                @if let Some(spec) = seen.spec { (fact("Job", &spec.name)) }
                @if let Some(job) = violation.job { (fact("Job id", &job.to_string())) }
                @if let Some(at) = violation.fire_time {
                    (fact("Fire time", &format!("{}, {}", since(digest, at), format::instant(at))))
                }
                @if let Some(execution) = violation.execution {
                    (fact("Execution", &execution.to_string()))
                }
            }
            @if let Some(spec) = seen.spec {
                details {
                    summary { "What the job was asked to be" }
                    pre { (serde_json::to_string_pretty(spec).unwrap_or_default()) }
                }
            }
            @if !seen.deliveries.is_empty() {
                @let mark = instant(digest.history, violation);
                (delivery_chart::some(digest.history, seen.window, &seen.deliveries, mark,
                    format!("{id}-timeline")).draw())
                @if seen.not_drawn > 0 {
                    p.more { (counted(seen.not_drawn, "delivery"))
                        " of the job, farther from it, are not drawn."
                    }
                }
            }
            (items(digest, &seen, number))
        }
    }
}

fn since(digest: &Digest, at: i64) -> String {
    clock_exact(at.saturating_sub(digest.history.began))
}

fn row(digest: &Digest, item: &Item) -> Markup {
    html! {
        tr.own[item.own] {
            td.time { (since(digest, item.at)) }
            td { (item.what) }
            td {
                @if let Some(id) = item.execution {
                    code { (format::short(id)) }
                    @if item.own { " ●" }
                }
            }
            td.detail { (item.text) }
        }
    }
}

fn items(digest: &Digest, seen: &Surroundings, number: usize) -> Markup {
    if seen.items.is_empty() {
        return html! { p { "Nothing was seen around it." } };
    }
    html! {
        div.scroll tabindex="0" role="region"
            aria-label=(format!("Seen around violation {number}")) {
            table {
                caption { "Seen within 10 s; ● is the execution itself" }
                thead {
                    tr {
                        th scope="col" { "Since start" } th scope="col" { "What" }
                        th scope="col" { "Execution" } th scope="col" { "Detail" }
                    }
                }
                tbody { @for item in &seen.items { (row(digest, item)) } }
            }
        }
        @if seen.left_out > 0 {
            p.more { "And " (grouped(seen.left_out)) " more, farther from it." }
        }
    }
}
