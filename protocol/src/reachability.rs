//! Liveness: from every reachable state, everything can still be settled.
//!
//! Stateright's `eventually` checks behaviours that end, and time never ends. Here the whole graph
//! is kept and walked backwards from the states in which everything is settled, along steps of the
//! protocol alone. While a process lives, no other process has to wake, return or be started;
//! without one, the start of a process is awaited. In a finite graph this equals "eventually" under
//! fairness: a step that stays possible is taken some day.

use crate::model::Protocol;
use crate::state::State;
use crate::steps::Step;
use stateright::Model;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The reachable states, in the order of the distance.
pub struct Graph {
    states: Vec<State>,
    parents: Vec<Option<(u32, Step)>>,
    /// Edges of the protocol's own, turned round.
    own: Vec<(u32, u32)>,
    /// Edges of help from outside, turned round.
    help: Vec<(u32, u32)>,
}

/// A behaviour, step by step, and its last state.
pub struct Behaviour {
    /// The steps from the healthy cluster.
    pub steps: Vec<Step>,
    /// The last state of the behaviour.
    pub end: State,
}

impl Graph {
    /// Explores all reachable states.
    pub fn explore(protocol: &Protocol) -> Self {
        let mut graph = Self {
            states: protocol.init_states(),
            parents: vec![None],
            own: vec![],
            help: vec![],
        };
        let mut places: HashMap<State, u32> =
            graph.states.iter().map(|state| (*state, 0)).collect();
        let mut steps = Vec::new();
        let mut at = 0;
        while let Some(state) = graph.states.get(at).copied() {
            let from = index(at);
            protocol.actions(&state, &mut steps);
            for step in steps.drain(..) {
                // The list of steps is generous: the step itself decides whether it is possible.
                let Some(next) = protocol.next_state(&state, step) else {
                    continue;
                };
                let to = match places.entry(next) {
                    Entry::Occupied(place) => *place.get(),
                    Entry::Vacant(place) => {
                        graph.states.push(next);
                        graph.parents.push(Some((from, step)));
                        *place.insert(index(graph.states.len() - 1))
                    }
                };
                match step {
                    // No progress may depend on a fault or a command.
                    Step::Fault(_) | Step::Command(_) => {}
                    step if step.is_own() => graph.own.push((to, from)),
                    _ => graph.help.push((to, from)),
                }
            }
            at += 1;
        }
        graph
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The shortest behaviour after which something is never settled, although nothing breaks any
    /// more.
    pub fn stuck(&self) -> Option<Behaviour> {
        let alone = self.can_settle(&[&self.own]);
        let with_help = self.can_settle(&[&self.own, &self.help]);
        (0..self.len())
            .find(|at| {
                let state = &self.states[*at];
                // A cluster without a living process may need help; any other must settle alone.
                let settles = if state.somebody_lives() {
                    alone[*at]
                } else {
                    with_help[*at]
                };
                // A state with a violation belongs to another property.
                state.violation.is_none() && !settles
            })
            .map(|at| self.behaviour(at))
    }

    fn can_settle(&self, edges: &[&Vec<(u32, u32)>]) -> Vec<bool> {
        // Lists of edges by the state at their end, in two flat vectors: a vector for each of
        // millions of states would cost too much memory.
        let mut first = vec![u32::MAX; self.len()];
        let edges: Vec<(u32, u32)> = edges
            .iter()
            .flat_map(|edges| edges.iter().copied())
            .collect();
        let mut following = vec![u32::MAX; edges.len()];
        for (edge, (to, _)) in edges.iter().enumerate() {
            following[edge] = std::mem::replace(&mut first[*to as usize], index(edge));
        }
        let mut settles: Vec<bool> = self
            .states
            .iter()
            .map(|state| state.database.tables.all_settled())
            .collect();
        let mut open: Vec<usize> = (0..self.len()).filter(|at| settles[*at]).collect();
        while let Some(at) = open.pop() {
            let mut edge = first[at];
            while edge != u32::MAX {
                let from = edges[edge as usize].1 as usize;
                if !std::mem::replace(&mut settles[from], true) {
                    open.push(from);
                }
                edge = following[edge as usize];
            }
        }
        settles
    }

    fn behaviour(&self, end: usize) -> Behaviour {
        let mut steps = Vec::new();
        let mut at = end;
        while let Some((from, step)) = self.parents[at] {
            steps.push(step);
            at = from as usize;
        }
        steps.reverse();
        Behaviour {
            steps,
            end: self.states[end],
        }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than four thousand million states and steps")
}
