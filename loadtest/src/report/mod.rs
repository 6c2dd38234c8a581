//! The report of a drill: one HTML page that needs nothing beside itself, the same
//! as JSON, and some lines for the terminal.
//!
//! It says what the checker found and shows what was seen around it; it decides nothing.
//! All text from the history is text: [`maud`] escapes it, and the page's content
//! security policy forbids scripts and requests. Inside out: `statistics` and
//! `format` · `answer` how a delivery went · `digest` what page, JSON and summary all
//! say · `lanes` where things are on that chart · `delivery_chart` and `charts` draw ·
//! `surroundings` picks what belongs to a violation · `page` and `tables` arrange.

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
use crate::history::Micros;
use serde::{Deserialize, Serialize};

/// What a report says of a run besides its history and analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The drill's name.
    pub name: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// Every choice of the drill came from it.
    pub seed: u64,
    /// The commit of the program under test.
    pub commit: String,
    /// The program: version and file name.
    pub program: String,
    /// When the drill began.
    pub started: Micros,
    /// How many nodes it kept running.
    pub nodes: usize,
    /// Settings of the nodes and the drill, e.g. `--node-ttl` and `4s`.
    pub settings: Vec<(String, String)>,
    /// Faults that could not be injected here, each with the reason.
    pub skipped: Vec<String>,
    /// What was measured, against its target.
    pub figures: Vec<Figure>,
    /// Why the run is inconclusive: the drill did not come to its end.
    pub inconclusive: Option<String>,
}

impl Run {
    /// What the run showed.
    pub fn conclusion(&self, analysis: &Analysis) -> Conclusion {
        Conclusion::of(self, analysis)
    }
}

/// A measured figure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// What it should be.
    pub target: String,
    /// What it was.
    pub measured: String,
    /// Whether that is the target; none when the run cannot say.
    pub met: Option<bool>,
}
