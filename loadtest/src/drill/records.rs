//! The records of a drill: faults, measurements, and failures that no rule of the checker sees.

use crate::history::{Fault, Scope};
use crate::micros::Micros;
use crate::testbed::journal::Journal;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The records of one drill.
pub struct Records {
    faults: Mutex<Vec<Fault>>,
    journal: Journal,
    measurements: Mutex<Vec<(String, String)>>,
    broken: Mutex<Vec<String>>,
    wrong_clocks: Mutex<Vec<WrongClock>>,
}

/// A time in which the database's clock was wrong.
#[derive(Debug, Clone, Copy)]
pub struct WrongClock {
    /// How far the clock was ahead.
    pub ahead: Micros,
    /// The beginning, by the tester's clock.
    pub from: Micros,
    /// The end, by the tester's clock.
    pub until: Micros,
}

impl Records {
    /// Empty records; faults are appended to the journal at `path`, too.
    pub fn create(path: &Path) -> Result<Self, anyhow::Error> {
        Ok(Self {
            faults: Mutex::default(),
            journal: Journal::create(path)?,
            measurements: Mutex::default(),
            broken: Mutex::default(),
            wrong_clocks: Mutex::default(),
        })
    }

    /// Records a fault that was injected.
    pub fn fault(&self, kind: &str, scope: Scope, nodes: &[&str], from: Micros, until: Micros) {
        let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
        let fault = Fault {
            kind: kind.to_owned(),
            scope,
            nodes,
            from,
            until,
        };
        // First on disk: a crash of the harness loses no fault.
        self.journal.append(&fault);
        lock(&self.faults).push(fault);
    }

    /// The faults, by their beginnings.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = lock(&self.faults).clone();
        faults.sort_by_key(|fault| fault.from);
        faults
    }

    /// Records a figure that was measured during the drill.
    pub fn measurement(&self, name: String, value: String) {
        lock(&self.measurements).push((name, value));
    }

    /// Names and values of all measurements.
    pub fn measurements(&self) -> Vec<(String, String)> {
        lock(&self.measurements).clone()
    }

    /// Records a failure that no rule of the checker sees.
    pub fn broken(&self, what: String) {
        lock(&self.broken).push(what);
    }

    /// All failures that no rule of the checker sees.
    pub fn all_broken(&self) -> Vec<String> {
        lock(&self.broken).clone()
    }

    /// Records a time in which the database's clock was wrong.
    pub fn wrong_clock(&self, wrong: WrongClock) {
        lock(&self.wrong_clocks).push(wrong);
    }

    /// An instant of the database's clock, by the tester's clock.
    pub fn corrected(&self, at: Micros) -> Micros {
        let wrong_clocks = lock(&self.wrong_clocks);
        let wrong = wrong_clocks
            .iter()
            // The interval is of the tester's clock: the instant is corrected before the
            // comparison.
            .find(|wrong| (wrong.from..=wrong.until).contains(&(at - wrong.ahead)));
        wrong.map_or(at, |wrong| at - wrong.ahead)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
