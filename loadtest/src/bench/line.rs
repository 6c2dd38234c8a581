//! The output of a benchmark: one JSON line for programs, a short text for the terminal.

use super::machine::Machine;
use crate::report::statistics::median;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write;

/// A measured quantity, once for each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The quantity in words.
    pub name: String,
    /// The unit of the values.
    pub unit: String,
    /// Every run's value, in order.
    pub runs: Vec<f64>,
    /// Median of the runs.
    pub median: f64,
    /// Lowest value of the runs.
    pub min: f64,
    /// Highest value of the runs.
    pub max: f64,
}

impl Figure {
    /// Of the runs' values; nothing of none.
    pub fn new(name: impl Into<String>, unit: &str, runs: &[f64]) -> Option<Self> {
        let runs: Vec<f64> = runs.iter().copied().map(rounded).collect();
        let median = rounded(median(&runs)?);
        let min = runs.iter().copied().fold(f64::INFINITY, f64::min);
        let max = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self {
            name: name.into(),
            unit: unit.to_owned(),
            runs,
            median,
            min,
            max,
        })
    }
}

/// A value with three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Figures that are collected run by run, in the order of their first values.
#[derive(Debug, Default)]
pub(super) struct Figures(Vec<(String, &'static str, Vec<f64>)>);

impl Figures {
    /// Adds the value of another run.
    pub(super) fn push(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, runs)) => runs.push(value),
            None => self.0.push((name, unit, vec![value])),
        }
    }

    fn all(self) -> Vec<Figure> {
        self.0
            .into_iter()
            .filter_map(|(name, unit, runs)| Figure::new(name, unit, &runs))
            .collect()
    }
}

/// The answer of a benchmark.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Name on the command line.
    pub benchmark: String,
    /// The harness's commit; with `+` when the working tree differed.
    pub commit: String,
    /// The program under test: path, version, size and age of `horolog`.
    pub program: Value,
    /// The machine and its software.
    pub machine: Machine,
    /// The settings of the benchmark.
    pub settings: Map<String, Value>,
    /// The figures of all runs.
    pub figures: Vec<Figure>,
    /// Remarks that the figures need.
    pub notes: Vec<String>,
}

impl Line {
    pub(super) fn fill(mut self, figures: Figures) -> Self {
        self.figures = figures.all();
        self
    }

    /// As text for the terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{} ({}, {})", self.benchmark, self.machine, self.commit);
        for figure in &self.figures {
            let Figure {
                name,
                unit,
                median,
                min,
                max,
                runs,
            } = figure;
            let runs = runs.len();
            // A `String` accepts every write.
            let _ = write!(
                text,
                "\n  {name}: {median} {unit} (median of {runs}; {min} to {max})"
            );
        }
        for note in &self.notes {
            let _ = write!(text, "\n  note: {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_keeps_every_run_and_its_order() {
        let mut figures = Figures::default();
        for (rate, bytes) in [(3.0, 9.0), (1.0, 7.0), (2.0, 8.0)] {
            figures.push("rate", "fires/s", rate);
            figures.push("wal", "bytes", bytes);
        }
        let all = figures.all();
        assert_eq!(
            (all[0].name.as_str(), all[0].runs.as_slice()),
            ("rate", [3.0, 1.0, 2.0].as_slice())
        );
        assert_eq!(
            [all[1].median.to_bits(), all[1].min.to_bits()],
            [8.0_f64.to_bits(), 7.0_f64.to_bits()]
        );
        assert_eq!(Figure::new("nothing", "s", &[]), None);
    }
}
