//! The model: the possible steps of a state, and their effects.
//!
//! A step is indivisible: a statement under the row locks, the arrival of an answer, a check of
//! one's own membership. Between two steps of a transaction every other process may act, die or
//! freeze.

use crate::database::{NODES, Name};
use crate::node::{Body, Lease, Stage, TRUST};
use crate::safeguards::{Safeguard, Safeguards};
use crate::state::{State, Violation};
use crate::steps::{Command, Fault, Step};
use crate::{Recovery, Schedule, properties};
use stateright::{Model, Property};

/// The lease protocol, with the safeguards and against the faults.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each can happen or not whatever else can"
)]
#[derive(Debug, Clone)]
pub struct Protocol {
    /// The rules in force.
    pub safeguards: Safeguards,
    /// The job's policy for a death in the middle of a run.
    pub recovery: Recovery,
    /// The rule that names the job's fire times.
    pub schedule: Schedule,
    /// Number of fire times of the job: 1 or 2.
    pub fire_times: u8,
    /// Faults per behaviour, at most.
    pub faults: u8,
    /// Whether a standby may lack the last transaction.
    pub fails_over: bool,
    /// Whether the database's clock may jump.
    pub clock_jumps: bool,
    /// Whether an observer that has watched for less than a TTL declares nodes dead that joined
    /// during the session.
    pub young_observers: bool,
    /// Commands per behaviour, at most; a resume does not count.
    pub commands: u8,
    /// Whether an awake node learns of the end of the session before the database is back.
    pub all_notice: bool,
}

impl Protocol {
    /// The whole protocol, with a job that runs again after a death.
    pub const fn whole(fire_times: u8, faults: u8) -> Self {
        Self {
            safeguards: Safeguards::all(),
            recovery: Recovery::Rerun,
            schedule: Schedule::FixedRate,
            fire_times,
            faults,
            fails_over: false,
            clock_jumps: false,
            young_observers: false,
            commands: 0,
            all_notice: false,
        }
    }

    /// The protocol of the code before the model was made: see `docs/decisions/0020`.
    pub const fn on_belief_alone(fire_times: u8, faults: u8) -> Self {
        Self::whole(fire_times, faults).without(Safeguard::AttestedObserver)
    }

    /// The same with a standby.
    #[must_use]
    pub const fn with_failover(self) -> Self {
        Self {
            fails_over: true,
            ..self
        }
    }

    /// The same where the database's clock may jump.
    #[must_use]
    pub const fn with_clock_jumps(self) -> Self {
        Self {
            clock_jumps: true,
            ..self
        }
    }

    /// The same, and an observer that has watched for less than a TTL declares nodes dead that
    /// joined during the session.
    #[must_use]
    pub const fn with_young_observers(self) -> Self {
        Self {
            young_observers: true,
            ..self
        }
    }

    /// The same with commands.
    #[must_use]
    pub const fn with_commands(self, commands: u8) -> Self {
        Self { commands, ..self }
    }

    /// The same, and a restart of the database is noticed before the database is back.
    #[must_use]
    pub const fn where_all_notice(self) -> Self {
        Self {
            all_notice: true,
            ..self
        }
    }

    /// The same for another recovery.
    #[must_use]
    pub const fn with_recovery(self, recovery: Recovery) -> Self {
        Self { recovery, ..self }
    }

    /// The same for another schedule.
    #[must_use]
    pub const fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// The same without a safeguard.
    #[must_use]
    pub const fn without(self, safeguard: Safeguard) -> Self {
        Self {
            safeguards: self.safeguards.without(safeguard),
            ..self
        }
    }

    pub(crate) const fn has(&self, safeguard: Safeguard) -> bool {
        self.safeguards.has(safeguard)
    }

    pub(crate) fn step(&self, state: &mut State, step: Step) -> Option<()> {
        match step {
            Step::Tick => self.tick(state),
            Step::Fault(fault) => self.fault(state, fault),
            Step::Command(command) => self.command(state, command),
            Step::DatabaseReturns => {
                (!std::mem::replace(&mut state.database.up, true)).then_some(())
            }
            Step::Wakes(name) => Self::wakes(state, name),
            Step::Reconnects(name) => {
                std::mem::replace(&mut state.process_mut(name).cut_off, false).then_some(())
            }
            Step::Restarts(name) => Self::restarts(state, name),
            Step::GivesUp(name) => self.gives_up(state, name),
            Step::Heartbeat(name) => self.heartbeat(state, name),
            Step::Fences(name) => self.fences(state, name),
            Step::Joins(name) => self.joins(state, name),
            Step::Polls(name) => self.polls(state, name),
            Step::LeaseLocks(name, due) => self.lease_locks(state, name, due),
            Step::LeaseEnds(name) => self.lease_ends(state, name),
            Step::LeaseCommits(name) => self.lease_commits(state, name),
            Step::LeaseAnswered(name) => Self::lease_answered(state, name),
            Step::LateCommit(name) => self.late_commit(state, name),
            Step::LateEnds(name) => state.process_mut(name).late.take().map(|_| ()),
            Step::Reclaims(name) => self.reclaims(state, name),
            Step::ReclaimsFormer(name) => self.reclaims_former(state, name),
            Step::Starts(name) => self.starts(state, name),
            Step::Ends(name) => self.ends(state, name),
            Step::Settles(name) => self.settles(state, name),
            Step::Rearms(name) => self.rearms(state, name),
            Step::Suspects(name, node) => Self::suspects(state, name, node),
            Step::TakeOverLocks(name) => self.take_over_locks(state, name),
            Step::TakeOverCommits(name) => self.take_over_commits(state, name),
            Step::IdleEnds(name) => Self::idle_ends(state, name),
        }
    }

    /// Writes a transaction. The tables of a standby that lacks the transaction are kept while a
    /// promotion is possible.
    pub(crate) fn commit<T>(&self, state: &mut State, write: impl FnOnce(&mut State) -> T) -> T {
        let mut before = state.database.tables;
        before
            .ages
            .iter_mut()
            .flatten()
            .flatten()
            .for_each(|age| *age = 0);
        let written = write(state);
        state.database.previous = (self.fails_over && state.faults_left > 0).then_some(before);
        written
    }

    /// An attempt starts: the target sees the request.
    fn starts(&self, state: &mut State, name: Name) -> Option<()> {
        let set_back = state.set_back;
        let process = state.process_mut(name);
        let (body, connected) = (process.body, process.connected);
        let slot = process
            .slot
            // A node without its session starts nothing: the others may already take over.
            .filter(|slot| slot.stage == Stage::Leased && body == Body::Alive && connected)?;
        // The last check before the effect: the lease may have been answered long ago.
        if !process.may_run(slot.attempt.node, self.has(Safeguard::Deadline)) {
            return None;
        }
        process.slot.as_mut()?.stage = Stage::Running;
        let (id, attempt) = (slot.attempt.id, slot.attempt.attempt);
        let seen = &mut state.seen[usize::from(id.fire_time)];
        if seen.starts > 0 && seen.drawn != id.drawn {
            state.violation = Some(Violation::AnotherId);
        // Faults that no rule can hide from the target are allowed: a frozen node, a database that
        // has forgotten.
        } else if attempt <= seen.attempt && !slot.may_overlap && !set_back {
            state.violation = Some(Violation::TokenWentBack);
        }
        if seen.starts == 0 {
            seen.drawn = id.drawn;
        }
        // Properties ask only for "more than once"; the bound keeps the states finite.
        seen.starts = (seen.starts + 1).min(2);
        seen.attempt = seen.attempt.max(attempt);
        Some(())
    }

    /// An attempt ends on its own; a node that may no longer run the attempt notices that first.
    fn ends(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process_mut(name);
        let slot = process.slot.filter(|slot| slot.stage == Stage::Running)?;
        let may = process.body == Body::Alive
            && process.may_run(slot.attempt.node, self.has(Safeguard::Deadline));
        process.slot.as_mut().filter(|_| may)?.stage = Stage::Ended;
        Some(())
    }

    fn settles(&self, state: &mut State, name: Name) -> Option<()> {
        let parts =
            !self.has(Safeguard::OneSettlementTransaction) && self.schedule == Schedule::FixedDelay;
        let written = self.write_settlement(state, name, parts)?;
        let slot = &mut state.process_mut(name).slot;
        match slot {
            // The unsafe variant rearms in a second transaction: a crash between the two stops the
            // job.
            Some(slot) if written && parts => slot.stage = Stage::Settled,
            _ => *slot = None,
        }
        Some(())
    }

    /// The database's part of a settlement: whether the end was written.
    pub(crate) fn write_settlement(
        &self,
        state: &mut State,
        name: Name,
        parts: bool,
    ) -> Option<bool> {
        let process = state.process(name);
        if !process.reaches(&state.database) {
            return None;
        }
        let ended = process
            .slot
            .filter(|slot| slot.stage == Stage::Ended)?
            .attempt;
        let before = state.database.tables;
        let current = before
            .execution(ended.id)
            .filter(|row| row.attempt == ended.attempt)
            .is_some_and(|row| match row.status {
                crate::database::Status::Running(node) => node == ended.node,
                // An earlier try, whose answer was lost.
                crate::database::Status::Settled => true,
                _ => false,
            });
        let mut settled = before;
        let written = settled.settle(ended, self.has(Safeguard::FenceOnSettlement));
        if written && !current {
            state.violation = Some(Violation::SettledByFenced);
        }
        if written && !parts {
            settled.rearm();
        }
        // A refused settlement writes nothing, so a standby lacks nothing.
        if settled != before {
            self.commit(state, |state| state.database.tables = settled);
        }
        Some(written)
    }

    fn rearms(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        process.slot.filter(|slot| slot.stage == Stage::Settled)?;
        if !process.reaches(&state.database) {
            return None;
        }
        state.process_mut(name).slot = None;
        self.commit(state, |state| state.database.tables.rearm());
        Some(())
    }

    /// All steps of a process, as far as its phase decides.
    fn propose(&self, state: &State, name: Name, steps: &mut Vec<Step>) {
        let process = state.process(name);
        match process.body {
            Body::Frozen => steps.extend([Step::Wakes(name), Step::IdleEnds(name)]),
            Body::Down => steps.push(Step::Restarts(name)),
            Body::Stuck => {
                steps.extend([
                    Step::GivesUp(name),
                    Step::Heartbeat(name),
                    Step::IdleEnds(name),
                    Step::Fences(name),
                ]);
            }
            Body::Alive => self.propose_to_living(state, name, steps),
        }
        if process.late.is_some() {
            steps.extend([Step::LateCommit(name), Step::LateEnds(name)]);
        }
    }

    fn propose_to_living(&self, state: &State, name: Name, steps: &mut Vec<Step>) {
        let process = state.process(name);
        if process.cut_off {
            steps.extend([Step::Reconnects(name), Step::IdleEnds(name)]);
        }
        if process.former.is_some() {
            steps.push(Step::ReclaimsFormer(name));
        }
        if process.id.is_none() {
            steps.push(Step::Joins(name));
        } else {
            // A fresh heartbeat changes nothing and would only add steps.
            if process.trust < TRUST || !process.connected || process.broken_off {
                steps.push(Step::Heartbeat(name));
            }
            steps.extend([Step::Fences(name), Step::Reclaims(name)]);
        }
        match process.lease {
            // A node with a full slot does not ask.
            Lease::Idle if process.slot.is_none() => steps.push(Step::Polls(name)),
            Lease::Idle => {}
            Lease::Asking(_) => {
                steps.extend(
                    state
                        .database
                        .tables
                        .due()
                        .map(|due| Step::LeaseLocks(name, due)),
                );
                steps.push(Step::LeaseEnds(name));
            }
            Lease::Open(..) | Lease::Moved(..) => steps.push(Step::LeaseCommits(name)),
            Lease::Answering(_) => steps.push(Step::LeaseAnswered(name)),
        }
        match process.slot.map(|slot| slot.stage) {
            None => {}
            Some(Stage::Leased) => steps.push(Step::Starts(name)),
            Some(Stage::Running) => steps.push(Step::Ends(name)),
            Some(Stage::Ended) => steps.push(Step::Settles(name)),
            Some(Stage::Settled) => steps.push(Step::Rearms(name)),
        }
        match process.take_over {
            None => {
                let (deadline, seasoned) = (
                    self.has(Safeguard::Deadline),
                    self.has(Safeguard::SeasonedObserver),
                );
                let has_watched = process.may_declare_dead(deadline, seasoned);
                let may_act = process.may_lease(deadline).is_some();
                let suspects = state
                    .database
                    .tables
                    .nodes()
                    .filter(|node| state.database.is_gone(*node))
                    .filter(|node| {
                        has_watched || may_act && state.database.joined_under_eyes_of(name, *node)
                    });
                steps.extend(suspects.map(|node| Step::Suspects(name, node)));
            }
            Some(take_over) if take_over.open => steps.push(Step::TakeOverCommits(name)),
            Some(_) => steps.push(Step::TakeOverLocks(name)),
        }
    }

    fn propose_faults(state: &State, name: Name, steps: &mut Vec<Step>) {
        let process = state.process(name);
        if process.body != Body::Down {
            steps.extend([Fault::Crash(name), Fault::SessionBreaks(name)].map(Step::Fault));
        }
        if process.body == Body::Alive {
            steps.extend(
                [
                    Fault::Freeze(name),
                    Fault::CutOff(name),
                    Fault::GetsStuck(name),
                ]
                .map(Step::Fault),
            );
            steps.extend(
                [Fault::LeaseAnswerLost(name), Fault::SettleAnswerLost(name)].map(Step::Fault),
            );
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::healthy(self.faults, self.commands, self.fire_times)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // The checker reports the violation; states after it would only repeat it.
        if state.violation.is_some() {
            return;
        }
        // Before the check for quiet: a failover brings work back into a settled cluster.
        if self.fails_over && state.faults_left > 0 {
            steps.push(Step::Fault(Fault::FailsOver));
        }
        steps.extend(
            [
                Command::Pause,
                Command::Resume,
                Command::Edit,
                Command::Delete,
            ]
            .map(Step::Command),
        );
        // Time alone changes no row of a settled log: the steps would only add states.
        if state.is_quiet() {
            return;
        }
        State::names().for_each(|name| self.propose(state, name, steps));
        steps.extend([Step::Tick, Step::DatabaseReturns]);
        if state.faults_left > 0 {
            // The names are interchangeable: the first one with a fault is called A.
            let names = if state.faults_left == self.faults {
                1
            } else {
                NODES
            };
            State::names()
                .take(names)
                .for_each(|name| Self::propose_faults(state, name, steps));
            steps.push(Step::Fault(Fault::DatabaseRestarts));
            if self.clock_jumps {
                steps.push(Step::Fault(Fault::ClockJumps));
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = *last;
        self.step(&mut next, step)?;
        if !self.has(Safeguard::RememberStarted) {
            next.processes
                .iter_mut()
                .filter_map(|process| process.former.as_mut())
                .for_each(|former| former.started = None);
        }
        next.drop_formers();
        let passed = next
            .database
            .tables
            .pending()
            .map_or(0, |pending| pending + 1);
        next.passed = next.passed.max(passed);
        let processes = next.processes;
        next.database
            .sweep(|node| processes.iter().any(|process| process.mentions(node)));
        // A step without an effect is left out: a loop at one state shows nothing new.
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}
