//! Expected fire times of a job: required or possible.
//!
//! A fire time MUST be accounted for if the job surely fired by its grid at that very instant:
//! later commands change how, not whether. A fire time MAY be taken if that is possible at some
//! instant at which it can have been leased. All others must not exist. Deliveries are never used,
//! except for the phase of a fixed rate that the API never named.

use super::{
    Rules,
    deadlines::Faults,
    job_history::{Execution, JobHistory},
    job_states::JobStates,
    policy_set::PolicySet,
};
use crate::micros::Micros;
use crate::{
    fire_times,
    history::{CallOutcome, Operation},
    job::{SECOND, Schedule},
};
use std::collections::BTreeMap;

/// A fire time that may or must be taken.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// Whether only a policy explains the absence.
    pub(super) must: bool,
    /// The latest allowed first start.
    pub(super) deadline: Micros,
    /// Whether no fault explains anything.
    pub(super) normal: bool,
    /// The policies that may hold.
    pub(super) policies: PolicySet<'a>,
}

/// The fire times of a job whose last allowed start is before `end`, by time.
pub(super) fn expected<'a>(
    job: &JobHistory<'a>,
    faults: &Faults<'_>,
    rules: &Rules,
    end: Micros,
) -> anyhow::Result<BTreeMap<Micros, Expected<'a>>> {
    let states = &job.states;
    let mut all: BTreeMap<Micros, Expected<'a>> = BTreeMap::new();
    for grid in states.grids.iter().copied() {
        let Some((from, until)) = states.reach(grid, end) else {
            continue;
        };
        // Executions that were leased ahead of a pause still run: hence beyond the grid's own end.
        for at in times(job, grid, from, until + rules.look_ahead)? {
            if !states.possibly_names(grid, at - rules.look_ahead, at) {
                continue;
            }
            let due = latest_due(states, at, rules);
            let deadline = faults.deadline(due);
            // A start that may come after the final read is not required.
            let must = deadline < end && states.surely_names(grid, at);
            let versions = states.versions(at - rules.look_ahead, deadline);
            let this = Expected {
                must,
                deadline,
                normal: deadline == due + rules.lateness,
                policies: states.policies_of(&versions),
            };
            // During an edit two grids may name the fire time; a requirement of either holds.
            if all.get(&at).is_none_or(|known| !known.must) {
                all.insert(at, this);
            }
        }
    }
    Ok(all)
}

/// The latest due time by the versions that may own the fire time.
pub(super) fn latest_due(states: &JobStates<'_>, at: Micros, rules: &Rules) -> Micros {
    at + states
        .policies_of(&states.versions(at - rules.look_ahead, at))
        .longest_jitter()
}

fn times(
    job: &JobHistory<'_>,
    grid: usize,
    from: Micros,
    until: Micros,
) -> anyhow::Result<Vec<Micros>> {
    let call = job.states.calls[grid];
    Ok(match &job.states.spec(grid).schedule {
        Schedule::Cron { expression, zone } => fire_times::cron(expression, zone, from, until)?,
        Schedule::FixedRate { seconds } => anchor(job, grid, *seconds)
            .map(|anchor| fire_times::fixed_rate(anchor, *seconds, from, until))
            .unwrap_or_default(),
        Schedule::Once { .. } => call.start_at.or(call.next_fire_time).into_iter().collect(),
        Schedule::FixedDelay { .. } | Schedule::Manual => Vec::new(),
    })
}

/// The phase of a fixed rate: the first fire time that the API named, else the one that a resume or
/// an edit of another field named (they keep the phase), else the first that a delivery shows
/// within the period after the call; all later fire times are held to the phase.
pub(super) fn anchor(job: &JobHistory<'_>, grid: usize, seconds: u32) -> Option<Micros> {
    let call = job.states.calls[grid];
    let latest = call.completed + Micros::from(seconds) * SECOND;
    if let Some(named) = call
        .next_fire_time
        .filter(|_| call.outcome == CallOutcome::Done)
    {
        return Some(named);
    }
    let schedule = &job.states.spec(grid).schedule;
    // A creation without an answer names nothing: a later call may name the same phase.
    let later = job.states.calls[grid + 1..]
        .iter()
        .take_while(|later| keeps(&later.operation, schedule));
    if let Some(named) = later
        .filter(|later| later.outcome == CallOutcome::Done)
        .find_map(|later| later.next_fire_time)
    {
        let period = Micros::from(seconds.max(1)) * SECOND;
        return Some(named - (named - call.invoked).div_euclid(period) * period);
    }
    let mut seen = job
        .executions
        .iter()
        .filter(|execution| !execution.manual)
        .filter_map(Execution::fire_time);
    seen.find(|at| (call.invoked..=latest).contains(at))
}

/// Whether an operation leaves the schedule of its job, and so the phase, unchanged.
fn keeps(operation: &Operation, schedule: &Schedule) -> bool {
    match operation {
        Operation::Create(spec) | Operation::Update(spec) => spec.schedule == *schedule,
        _ => true,
    }
}
