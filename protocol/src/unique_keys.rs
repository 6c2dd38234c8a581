//! A model of its own: the unique key of enqueued runs (docs/decisions/0055).
//!
//! Three callers enqueue a run with the same key, and settlements end what was enqueued. A caller's
//! transaction inserts the row of the key and commits or rolls back; a settlement deletes the row
//! and ends the execution, and commits or rolls back. A step is a statement, under the wait of an
//! insert for another transaction with the same key. Leases, takeovers and the fence of a
//! settlement are those of the protocol: here an execution is pending or in flight until a settlement commits.

use stateright::{Model, Property};

/// Number of callers, each with one run.
pub const CALLERS: usize = 3;

/// The state of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Before its insert, for the first time or again.
    Idle,
    /// Its transaction has inserted the key, and is open.
    Inserted,
    /// The key was there: the holder is to be read.
    Conflicted,
    /// It made its run.
    Made,
    /// It was told of this run; none: of nothing.
    Found(Option<usize>),
    /// Its transaction was rolled back.
    RolledBack,
}

/// The execution of a run, as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Execution {
    /// It was not made.
    Missing,
    /// It is pending or in flight.
    Open,
    /// It has ended for good.
    Ended,
}

/// The rules that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// An insert waits for another transaction that has inserted or deleted the key.
    InsertWaits,
    /// The key is freed in the transaction that ends the execution.
    FreedWithTheEnd,
    /// A caller that finds no holder after a conflict inserts again.
    TriesAgain,
}

/// The model, with one rule switched off at most.
#[derive(Debug, Clone, Copy)]
pub struct UniqueKeys {
    /// The rule that does not hold.
    pub without: Option<Rule>,
}

/// A state: what is committed, and the open transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The callers.
    pub callers: [Caller; CALLERS],
    /// The executions of their runs.
    pub executions: [Execution; CALLERS],
    /// The holder in the committed row of the key.
    pub holder: Option<usize>,
    /// The execution whose settlement has freed the key and is open.
    pub settling: Option<usize>,
}

/// A step of a caller or of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `insert … on conflict do nothing`.
    Inserts(usize),
    /// Reads the holder, in a statement of its own.
    Reads(usize),
    /// COMMIT of a caller.
    Commits(usize),
    /// ROLLBACK of a caller, or its death.
    RollsBack(usize),
    /// A settlement ends an execution and frees its key.
    Settles(usize),
    /// COMMIT of the settlement.
    SettlementCommits,
    /// The settlement is lost: another one follows.
    SettlementRollsBack,
}

impl UniqueKeys {
    fn has(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// Whether another transaction with the key is open.
    fn must_wait(self, state: &State) -> bool {
        let is_inserted = state.callers.contains(&Caller::Inserted);
        self.has(Rule::InsertWaits) && (is_inserted || state.settling.is_some())
    }

    fn settles(self, state: &mut State, execution: usize) {
        state.settling = Some(execution);
        if !self.has(Rule::FreedWithTheEnd) {
            state.holder = None;
        }
    }
}

impl Model for UniqueKeys {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            callers: [Caller::Idle; CALLERS],
            executions: [Execution::Missing; CALLERS],
            holder: None,
            settling: None,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, caller) in state.callers.iter().enumerate() {
            match caller {
                Caller::Idle if !self.must_wait(state) => steps.push(Step::Inserts(index)),
                Caller::Inserted => steps.extend([Step::Commits(index), Step::RollsBack(index)]),
                Caller::Conflicted => steps.push(Step::Reads(index)),
                Caller::Idle | Caller::Made | Caller::Found(_) | Caller::RolledBack => {}
            }
        }
        if state.settling.is_some() {
            steps.extend([Step::SettlementCommits, Step::SettlementRollsBack]);
            return;
        }
        let open = |index: &usize| state.executions[*index] == Execution::Open;
        steps.extend((0..CALLERS).filter(open).map(Step::Settles));
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = *last;
        match step {
            Step::Inserts(caller) => {
                next.callers[caller] = match last.holder {
                    Some(_) => Caller::Conflicted,
                    None => Caller::Inserted,
                };
            }
            Step::Reads(caller) => {
                next.callers[caller] = match last.holder {
                    None if self.has(Rule::TriesAgain) => Caller::Idle,
                    holder => Caller::Found(holder),
                };
            }
            Step::Commits(caller) => {
                next.callers[caller] = Caller::Made;
                next.executions[caller] = Execution::Open;
                next.holder = Some(caller);
            }
            Step::RollsBack(caller) => next.callers[caller] = Caller::RolledBack,
            Step::Settles(execution) => self.settles(&mut next, execution),
            Step::SettlementCommits => {
                let ended = last.settling?;
                next.executions[ended] = Execution::Ended;
                next.holder = last.holder.filter(|holder| *holder != ended);
                next.settling = None;
            }
            Step::SettlementRollsBack => next.settling = None,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "at most one open execution has the key",
                |_, state: &State| {
                    let is_open = |execution: &&Execution| **execution == Execution::Open;
                    state.executions.iter().filter(is_open).count() <= 1
                },
            ),
            Property::always("the holder of the key is open", |_, state: &State| {
                let is_open = |holder: usize| state.executions[holder] == Execution::Open;
                state.holder.is_none_or(is_open)
            }),
            Property::always("an answer names an execution", |_, state: &State| {
                state.callers.iter().all(|caller| match caller {
                    Caller::Found(found) => {
                        found.is_some_and(|index| state.executions[index] != Execution::Missing)
                    }
                    _ => true,
                })
            }),
            Property::always("no caller waits for ever", |model: &Self, state: &State| {
                let mut steps = Vec::new();
                model.actions(state, &mut steps);
                let waits = |caller: &Caller| matches!(caller, Caller::Idle | Caller::Conflicted);
                !steps.is_empty() || !state.callers.iter().any(waits)
            }),
            Property::sometimes("a holder ends before it is read", |_, state: &State| {
                state.holder.is_none() && state.callers.contains(&Caller::Conflicted)
            }),
        ]
    }
}
