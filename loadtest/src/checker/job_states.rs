//! The model of a job: its possible states at an instant, by the calls of the API and their
//! outcomes.
//!
//! A call takes effect at an instant between its sending and its answer; a call without an answer
//! may have taken effect or not. Nothing is guessed: where two states are possible, both are.

use super::policy_set::PolicySet;
use crate::micros::Micros;
use crate::{
    history::{Call, CallOutcome, Operation},
    job::JobSpec,
};

/// A state of a job. A version is the index of a creation or an edit; a grid is the index of the
/// call with the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Absent,
    Active { version: usize, grid: usize },
    Paused { version: usize, grid: usize },
    Deleted,
}

impl State {
    fn grid(&self) -> Option<usize> {
        match self {
            Self::Active { grid, .. } | Self::Paused { grid, .. } => Some(*grid),
            Self::Absent | Self::Deleted => None,
        }
    }
}

/// A job's states over time.
#[derive(Debug)]
pub(super) struct JobStates<'a> {
    pub(super) calls: Vec<&'a Call>,
    /// The calls that gave a schedule that the job may have had.
    pub(super) grids: Vec<usize>,
    /// From each instant on, until the next.
    segments: Vec<(Micros, Vec<State>)>,
}

impl<'a> JobStates<'a> {
    pub(super) fn new(mut calls: Vec<&'a Call>) -> Self {
        // A refused call has changed nothing.
        calls.retain(|call| call.outcome != CallOutcome::Refused);
        calls.sort_by_key(|call| call.invoked);
        let mut turns: Vec<Micros> = calls
            .iter()
            // The possible states change only where a call begins or is answered.
            .flat_map(|call| [call.invoked, call.completed])
            .collect();
        turns.sort_unstable();
        turns.dedup();
        let mut job_states = Self {
            calls,
            grids: Vec::new(),
            segments: vec![(Micros::MIN, vec![State::Absent])],
        };
        for turn in turns {
            let states = job_states.fold(turn);
            job_states.segments.push((turn, states));
        }
        let mut grids: Vec<usize> = job_states
            .segments
            .iter()
            .flat_map(|(_, states)| states.iter().filter_map(State::grid))
            .collect();
        grids.sort_unstable();
        grids.dedup();
        job_states.grids = grids;
        job_states
    }

    /// All states that are possible at an instant: after every earlier call in order, certain once
    /// a call was answered.
    fn fold(&self, at: Micros) -> Vec<State> {
        let mut states = vec![State::Absent];
        for (index, call) in self
            .calls
            .iter()
            .enumerate()
            .take_while(|(_, call)| call.invoked <= at)
        {
            let after = states.iter().filter_map(|state| self.apply(index, *state));
            let mut next: Vec<State> = after.collect();
            // The call may take effect later or never: the states before it stay possible.
            if call.outcome != CallOutcome::Done || call.completed > at {
                next.extend(&states);
            }
            if next.is_empty() {
                next = states; // the answers contradict each other; the job's own rules will say so
            }
            next.sort_unstable();
            next.dedup();
            states = next;
        }
        states
    }

    /// The state after a call that was done, if the call is possible in the state.
    fn apply(&self, index: usize, state: State) -> Option<State> {
        use State::{Absent, Active, Deleted, Paused};
        match (&self.calls[index].operation, state) {
            (Operation::Create(_), Absent) => Some(Active {
                version: index,
                grid: index,
            }),
            (Operation::Update(spec), Active { grid, .. }) => Some(Active {
                version: index,
                grid: self.grid_after(index, spec, grid),
            }),
            (Operation::Update(spec), Paused { grid, .. }) => Some(Paused {
                version: index,
                grid: self.grid_after(index, spec, grid),
            }),
            (Operation::Pause, Active { version, grid }) => Some(Paused { version, grid }),
            (Operation::Resume, Paused { version, grid }) => Some(Active { version, grid }),
            (Operation::Delete, Active { .. } | Paused { .. } | Deleted) => Some(Deleted),
            // One call is about many jobs, and some may be gone.
            (Operation::Cancel, Active { .. } | Paused { .. } | Deleted)
            | (Operation::Pause, Paused { .. })
            | (Operation::Resume, Active { .. })
            | (
                Operation::RunNow | Operation::Rerun(_) | Operation::Enqueue(_),
                Active { .. } | Paused { .. },
            ) => Some(state),
            _ => None,
        }
    }

    /// The same schedule keeps its grid through an edit of other fields.
    fn grid_after(&self, index: usize, spec: &JobSpec, grid: usize) -> usize {
        if self.spec(grid).schedule == spec.schedule {
            grid
        } else {
            index
        }
    }

    /// The definition of a version.
    pub(super) fn spec(&self, version: usize) -> &'a JobSpec {
        match &self.calls[version].operation {
            Operation::Create(spec) | Operation::Update(spec) => spec,
            _ => unreachable!("only creations and edits make versions"),
        }
    }

    /// The states possible at some instant of the window.
    pub(super) fn over(&self, from: Micros, until: Micros) -> impl Iterator<Item = State> {
        // The segment around `from` counts, too.
        let first = self
            .segments
            .partition_point(|(at, _)| *at <= from)
            .saturating_sub(1);
        self.segments[first..]
            .iter()
            .take_while(move |(at, _)| *at <= until)
            .flat_map(|(_, states)| states.iter().copied())
    }

    /// Whether the job surely fires by this grid during the whole window.
    pub(super) fn surely(&self, grid: usize, from: Micros, until: Micros) -> bool {
        self.over(from, until)
            .all(|state| matches!(state, State::Active { grid: active, .. } if active == grid))
    }

    /// Whether the instant is surely a fire time of the grid: its job fires by the grid, and ends
    /// no earlier.
    pub(super) fn surely_names(&self, grid: usize, at: Micros) -> bool {
        self.over(at, at).all(|state| self.names(state, grid, at))
    }

    /// Whether the instant may be a fire time, at some instant since `from`: an execution that is
    /// leased ahead of a command still runs.
    pub(super) fn possibly_names(&self, grid: usize, from: Micros, at: Micros) -> bool {
        self.over(from, at).any(|state| self.names(state, grid, at))
    }

    fn names(&self, state: State, grid: usize, at: Micros) -> bool {
        let State::Active {
            version,
            grid: active,
        } = state
        else {
            return false;
        };
        active == grid && self.spec(version).end_at.is_none_or(|end| at <= end)
    }

    /// Whether the job may fire by this grid at some instant of the window.
    pub(super) fn possibly(&self, grid: usize, from: Micros, until: Micros) -> bool {
        self.over(from, until)
            .any(|state| matches!(state, State::Active { grid: active, .. } if active == grid))
    }

    /// Whether the job may be active, by any grid, at some instant of the window.
    pub(super) fn possibly_active(&self, from: Micros, until: Micros) -> bool {
        self.over(from, until)
            .any(|state| matches!(state, State::Active { .. }))
    }

    /// Whether the job may have been deleted at an instant.
    pub(super) fn possibly_deleted(&self, at: Micros) -> bool {
        self.over(at, at).any(|state| state == State::Deleted)
    }

    /// Whether the job was surely deleted at an instant.
    pub(super) fn surely_deleted(&self, at: Micros) -> bool {
        self.over(at, at).all(|state| state == State::Deleted)
    }

    /// Whether the job may be paused at some instant of the window.
    pub(super) fn possibly_paused(&self, from: Micros, until: Micros) -> bool {
        self.over(from, until)
            .any(|state| matches!(state, State::Paused { .. }))
    }

    /// The end of the last pause that may meet the window; `Micros::MAX` when the pause may have no
    /// end.
    pub(super) fn pause_end(&self, from: Micros, until: Micros) -> Option<Micros> {
        let first = self
            .segments
            .partition_point(|(at, _)| *at <= from)
            .saturating_sub(1);
        let beyond = self.segments.partition_point(|(at, _)| *at <= until);
        let last = (first..beyond)
            .rev()
            .find(|index| may_be_paused(&self.segments[*index].1))?;
        let end = self.segments[last..]
            .iter()
            .find(|(_, states)| !may_be_paused(states));
        Some(end.map_or(Micros::MAX, |(at, _)| *at))
    }

    /// The versions whose policies may hold for executions that are leased within the window.
    pub(super) fn versions(&self, from: Micros, until: Micros) -> Vec<usize> {
        let mut versions: Vec<usize> = self
            .over(from, until)
            .filter_map(|state| match state {
                State::Active { version, .. } | State::Paused { version, .. } => Some(version),
                State::Absent | State::Deleted => None,
            })
            .collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// The policies of some versions.
    pub(super) fn policies_of(&self, versions: &[usize]) -> PolicySet<'a> {
        PolicySet::new(versions.iter().map(|version| self.spec(*version)).collect())
    }

    /// The policies of all versions.
    pub(super) fn policies(&self) -> PolicySet<'a> {
        self.policies_of(&self.versions(Micros::MIN, Micros::MAX))
    }

    /// The first and last instant at which the job may fire by this grid; none if it never may.
    pub(super) fn reach(&self, grid: usize, end: Micros) -> Option<(Micros, Micros)> {
        let first = self
            .segments
            .iter()
            .position(|(_, states)| may_fire_by(states, grid))?;
        let last = self
            .segments
            .iter()
            .rposition(|(_, states)| may_fire_by(states, grid))?;
        let until = self.segments.get(last + 1).map_or(end, |(at, _)| *at);
        Some((self.segments[first].0, until.min(end)))
    }

    /// The first instant from which on the job is surely active by one grid until `until`; `from`
    /// if the job is active all the time.
    pub(super) fn settled_since(&self, from: Micros, until: Micros) -> Option<Micros> {
        let mut since = None;
        let first = self
            .segments
            .partition_point(|(at, _)| *at <= from)
            .saturating_sub(1);
        let mut grid_before = None;
        for (at, states) in self.segments[first..]
            .iter()
            .take_while(|(at, _)| *at <= until)
        {
            let grid = match states.first() {
                Some(State::Active { grid, .. }) if self.surely(*grid, *at, *at) => Some(*grid),
                _ => None,
            };
            if grid.is_none() {
                since = None;
            } else if grid != grid_before || since.is_none() {
                since = Some((*at).max(from));
            }
            grid_before = grid;
        }
        since
    }
}

fn may_be_paused(states: &[State]) -> bool {
    states
        .iter()
        .any(|state| matches!(state, State::Paused { .. }))
}

fn may_fire_by(states: &[State], grid: usize) -> bool {
    states
        .iter()
        .any(|state| matches!(state, State::Active { grid: active, .. } if *active == grid))
}
