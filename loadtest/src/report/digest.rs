//! The common content of page, JSON and summary, computed once.

use super::Run;
use super::answer::Answer;
use super::format::{counted, grouped};
use super::statistics::{self, Spread};
use crate::checker::Analysis;
use crate::history::History;
use crate::micros::Micros;
use std::collections::BTreeMap;

/// Least share of fire times checked under normal rules, in percent, for a result to mean much.
const SHARE_NORMAL_MIN: usize = 30;

/// The conclusion of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// No violation, and there was something to violate.
    Kept,
    /// At least one violation.
    Broken,
    /// The drill did not come to its end, or no fire time was required.
    Inconclusive,
}

impl Conclusion {
    pub(super) fn of(run: &Run, analysis: &Analysis) -> Self {
        let counts = &analysis.counts;
        // First: a violation stands even if the drill did not come to its end.
        if !analysis.violations.is_empty() {
            Self::Broken
        } else if run.inconclusive.is_some() || counts.must + counts.may + counts.manual == 0 {
            Self::Inconclusive
        } else {
            Self::Kept
        }
    }

    /// Key in JSON, and class in the style sheet.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Inconclusive => "not_judged",
        }
    }
}

/// A run with history, analysis and numbers.
pub struct Digest<'a> {
    pub run: &'a Run,
    pub history: &'a History,
    pub analysis: &'a Analysis,
    pub conclusion: Conclusion,
    /// Number of violations by rule.
    pub rules: BTreeMap<&'a str, usize>,
    pub calm: Option<Spread>,
    pub disturbed: Option<Spread>,
    /// Redelivery times by kind of fault, in any order.
    pub redeliveries: BTreeMap<&'a str, Vec<Micros>>,
    /// Number of faults by kind.
    pub faults: BTreeMap<&'a str, usize>,
    /// Deliveries by outcome, as [`Answer::ALL`].
    pub answers: [(Answer, usize); 5],
}

impl<'a> Digest<'a> {
    pub fn of(run: &'a Run, history: &'a History, analysis: &'a Analysis) -> Self {
        let mut redeliveries: BTreeMap<&str, Vec<Micros>> = BTreeMap::new();
        for redelivery in &analysis.redeliveries {
            redeliveries
                .entry(&redelivery.fault)
                .or_default()
                .push(redelivery.took);
        }
        let mut answers = Answer::ALL.map(|answer| (answer, 0));
        for delivery in &history.deliveries {
            answers[Answer::of(delivery) as usize].1 += 1;
        }
        Self {
            run,
            history,
            analysis,
            conclusion: Conclusion::of(run, analysis),
            rules: tally(
                analysis
                    .violations
                    .iter()
                    .map(|violation| violation.rule.as_str()),
            ),
            calm: Spread::of(&analysis.lateness_calm),
            disturbed: Spread::of(&analysis.lateness_disturbed),
            redeliveries,
            faults: tally(history.faults.iter().map(|fault| fault.kind.as_str())),
            answers,
        }
    }

    /// Number of checked fire times.
    pub fn fire_times(&self) -> usize {
        self.analysis.counts.must + self.analysis.counts.may
    }

    /// Whether most fire times were checked under soft rules, because of disturbances.
    pub fn lenient(&self) -> bool {
        self.analysis.counts.normal * 100 < self.fire_times() * SHARE_NORMAL_MIN
    }

    /// Whether the rule of three may be applied: nothing broke, and all was looked at.
    pub fn bounded(&self) -> bool {
        self.conclusion == Conclusion::Kept
    }

    /// The bound of the rule of three for a number of faults; none where it may not be applied.
    pub fn bound(&self, faults: usize) -> Option<f64> {
        if self.bounded() {
            statistics::bound(faults)
        } else {
            None
        }
    }

    /// Effects beyond the first of an execution, with their explanations.
    pub fn surplus(&self) -> String {
        match self.analysis.counts.surplus_effects {
            0 => "0".to_owned(),
            1 => "1, explained by a named fault and the policy RERUN".to_owned(),
            count => format!(
                "{}, each explained by a named fault and the policy RERUN",
                grouped(count)
            ),
        }
    }

    /// The conclusion in one sentence.
    pub fn sentence(&self) -> String {
        let broken = self.analysis.violations.len();
        // A figure without a measurement is not missed.
        let missed = self
            .run
            .figures
            .iter()
            .filter(|figure| figure.met == Some(false))
            .count();
        let seen = format!(
            "{} and {}, {}",
            counted(self.fire_times(), "fire time"),
            counted(self.analysis.counts.manual, "manual run"),
            counted(self.history.faults.len(), "fault"),
        );
        let text = match self.conclusion {
            Conclusion::Kept => format!("The promise was kept: {seen}, no violation"),
            Conclusion::Broken => format!(
                "The promise was broken: {seen}, {}",
                counted(broken, "violation")
            ),
            Conclusion::Inconclusive => match &self.run.inconclusive {
                Some(reason) => format!("Inconclusive: {reason}"),
                None => "Inconclusive: nothing had to happen in this run".to_owned(),
            },
        };
        match missed {
            0 => format!("{text}."),
            1 => format!("{text}; 1 target was not met."),
            _ => format!("{text}; {} targets were not met.", grouped(missed)),
        }
    }
}

/// How often each name occurs.
fn tally<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}
