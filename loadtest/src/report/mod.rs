//! The report of a drill: one self-contained HTML page, the same as JSON, and some lines for the
//! terminal.
//!
//! The report shows the findings of the checker and the events around them, and decides nothing.
//! All text from the history is text: [`maud`] escapes it, and the page's content security policy
//! forbids scripts and requests. Inside out: `statistics` and `format` · `answer` the outcome of a
//! delivery · `digest` the common content of page, JSON and summary · `lanes` positions on that
//! chart · `delivery_chart` and `charts` draw · `surroundings` selects the events around a
//! violation · `page` and `tables` arrange.

mod answer;
mod charts;
mod delivery_chart;
mod digest;
mod format;
mod json;
mod lanes;
mod page;
pub mod statistics;
mod summary;
mod surroundings;
mod tables;
#[cfg(test)]
mod tests;

pub use digest::Conclusion;
pub use json::json;
pub use page::html;
pub use summary::summary;

use crate::checker::Analysis;
use crate::micros::Micros;
use serde::{Deserialize, Serialize};

/// The description of a run, besides its history and analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the drill.
    pub name: String,
    /// Purpose of the drill, in a sentence.
    pub description: String,
    /// Seed of every choice.
    pub seed: u64,
    /// The commit of the program under test.
    pub commit: String,
    /// The program: version and file name.
    pub program: String,
    /// When the drill began.
    pub started: Micros,
    /// Number of running nodes.
    pub nodes: usize,
    /// Settings of the nodes and the drill, e.g. `--node-ttl` and `4s`.
    pub settings: Vec<(String, String)>,
    /// Faults that could not be injected here, each with the reason.
    pub skipped: Vec<String>,
    /// Measured figures, with their targets.
    pub figures: Vec<Figure>,
    /// Why the run is inconclusive: the drill did not come to its end.
    pub inconclusive: Option<String>,
}

impl Run {
    /// The conclusion of the run.
    pub fn conclusion(&self, analysis: &Analysis) -> Conclusion {
        Conclusion::of(self, analysis)
    }
}

/// A figure with its target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The quantity in words.
    pub name: String,
    /// The target in words.
    pub target: String,
    /// The measured value in words.
    pub measured: String,
    /// Whether the target was reached; none when the run cannot decide.
    pub met: Option<bool>,
}
