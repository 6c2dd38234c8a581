//! Fixed delays: each start is checked against the end of the run before it, not against a grid.
//!
//! A label alone never proves a fire time: labels are checked.

use super::{
    expected::anchor,
    job::Checker,
    job_history::{Execution, JobHistory},
    subject::Subject,
};
use crate::micros::Micros;
use crate::{
    history::CallOutcome,
    job::{SECOND, Schedule},
};

impl<'a> Checker<'a> {
    /// Whether a fire time may belong to a fixed delay: its job may have had that schedule then.
    pub(super) fn is_fixed_delay_time(&self, job: &JobHistory<'a>, at: Micros) -> bool {
        let mut delays = job
            .states
            .grids
            .iter()
            .copied()
            .filter(|grid| delay(job, *grid).is_some());
        delays.any(|grid| job.states.possibly(grid, at - self.rules.look_ahead, at))
    }

    /// The executions of a fixed delay, in the order of their starts.
    pub(super) fn fixed_delay(&mut self, job: &JobHistory<'a>, executions: &[&Execution<'a>]) {
        let delays: Vec<(usize, Micros)> = job
            .states
            .grids
            .iter()
            .copied()
            .filter_map(|grid| Some((grid, delay(job, grid)?)))
            .collect();
        let (Some(least), Some(most)) = (
            delays.iter().map(|(_, d)| *d).min(),
            delays.iter().map(|(_, d)| *d).max(),
        ) else {
            return;
        };
        let mut runs: Vec<&Execution<'a>> = executions.to_vec();
        runs.sort_by_key(|run| (start(run), run.id));
        let mut labels: Vec<Micros> = runs.iter().filter_map(|run| run.fire_time()).collect();
        labels.sort_unstable();
        for duplicate in labels.windows(2).filter(|pair| pair[0] == pair[1]) {
            let subject = Subject::fire_time(job.id, duplicate[0]);
            self.report(
                "DOUBLE-EXECUTION",
                subject,
                "two executions of one fire time",
            );
        }
        for run in &runs {
            self.fixed_delay_run(job, run);
        }
        for pair in runs.windows(2) {
            self.fixed_delay_gap(job, pair[0], pair[1], least, most);
        }
        for (grid, delay) in delays {
            self.fixed_delay_ends(job, grid, delay, &runs);
        }
    }

    /// A single run: the start must follow its label.
    fn fixed_delay_run(&mut self, job: &JobHistory<'a>, run: &Execution<'a>) {
        let (Some(first), Some(at)) = (run.first(), run.fire_time()) else {
            return;
        };
        let deadline = self.faults.deadline(at);
        let subject = Subject::execution(job, run);
        let calm = deadline == at + self.rules.lateness;
        self.counts().must += 1;
        self.counts().normal += usize::from(calm);
        self.analysis.lateness(calm).push(first.arrived - at);
        if first.arrived < at - self.rules.earliness {
            self.report(
                "EARLY",
                subject,
                format!("arrived {} us before its fire time", at - first.arrived),
            );
        }
        if first.arrived > deadline {
            self.report(
                "LATE",
                subject,
                format!("arrived {} us after its fire time", first.arrived - at),
            );
        }
    }

    /// The gap between a run and the next one.
    fn fixed_delay_gap(
        &mut self,
        job: &JobHistory<'a>,
        before: &Execution<'a>,
        after: &Execution<'a>,
        least: Micros,
        most: Micros,
    ) {
        let subject = Subject::execution(job, after);
        let (earliest, latest) = self.settled(before);
        let started = start(after);
        // Later work of a frozen node is no end: `settled` looks at the attempt with the highest
        // token.
        if started < earliest {
            let text = format!(
                "started {} us before the end of execution {}",
                earliest - started,
                before.id
            );
            self.report("DELAY-FORK", subject, text);
        } else if started.min(after.fire_time().unwrap_or(started))
            < earliest + least - self.rules.earliness
        {
            let text = format!(
                "due {} us after the end before it, the delay is {least}",
                after.fire_time().unwrap_or(started) - earliest
            );
            self.report("DELAY-EARLY", subject, text);
        }
        // A fire time that is skipped because of a run on request restarts the delay.
        let skipped = job
            .skips
            .iter()
            .map(|row| row.fire_time)
            .filter(|at| (earliest..=started).contains(at))
            .max();
        let latest = latest.max(skipped.unwrap_or(latest));
        let deadline = self.next_start(job, earliest, latest, most, started);
        if deadline.is_some_and(|deadline| started > deadline) {
            self.report(
                "DELAY-LATE",
                subject,
                format!("started {} us after the end before it", started - earliest),
            );
        }
    }

    /// The latest allowed start after an end, seen from `until`; none while the job may have been
    /// paused, gone or otherwise scheduled. After a resume, or an edit of the schedule, the delay
    /// may start again.
    fn next_start(
        &self,
        job: &JobHistory<'a>,
        earliest: Micros,
        latest: Micros,
        delay: Micros,
        until: Micros,
    ) -> Option<Micros> {
        let since = job.states.settled_since(earliest, until)?;
        let restarted = if since > earliest { since + delay } else { 0 };
        // The end is written within the lateness of calm times after its arrival.
        let due = latest.max(earliest + self.rules.lateness) + delay;
        Some(
            self.faults
                .deadline(self.faults.deadline(due.max(restarted)) - self.rules.lateness),
        )
    }

    /// The first and the last run of a schedule.
    fn fixed_delay_ends(
        &mut self,
        job: &JobHistory<'a>,
        grid: usize,
        delay: Micros,
        runs: &[&Execution<'a>],
    ) {
        let call = job.states.calls[grid];
        let end = self.history.ended;
        let subject = Subject::job(job.id);
        let named = call
            .next_fire_time
            .filter(|_| call.outcome == CallOutcome::Done);
        let first = runs
            .iter()
            .map(|run| start(run))
            .find(|at| *at >= call.invoked);
        // After an edit the first start may follow a run of the earlier schedule.
        if let (Some(named), 0) = (named, grid) {
            let deadline = self.faults.deadline(named);
            if first.is_some_and(|first| first < named - self.rules.earliness) {
                self.report(
                    "DELAY-EARLY",
                    subject,
                    "the first start came before the fire time that the creation named",
                );
            }
            let seen = first.unwrap_or(end);
            if seen > deadline && job.states.surely(grid, named, deadline) {
                self.report(
                    "DELAY-LATE",
                    subject,
                    format!(
                        "the first start came {} us after the fire time that the creation named",
                        seen - named
                    ),
                );
            }
        }
        let Some(last) = runs.last() else { return };
        // A job that is paused or gone at the end owes no further run.
        if !job.states.surely(grid, end, end) {
            return;
        }
        let (earliest, latest) = self.settled(last);
        let latest = latest.max(
            job.skips
                .iter()
                .map(|row| row.fire_time)
                .max()
                .unwrap_or(latest),
        );
        // A run that hangs keeps the next one from its due time.
        let still = last.last().is_some_and(|last| last.ended.is_none());
        let open = last
            .row
            .is_some_and(|row| matches!(row.status.as_str(), "RUNNING" | "RETRYING"));
        let deadline = self.next_start(job, earliest, latest, delay, end);
        if !still && !open && deadline.is_some_and(|deadline| deadline < end) {
            let text = format!(
                "the last run ended {} us before the final read, and none followed",
                end - earliest
            );
            self.report("DELAY-STOPPED", subject, text);
        }
    }

    /// The first fire time that the API named for a rate or a delay lies within a period of the
    /// call.
    pub(super) fn anchors(&mut self, job: &JobHistory<'a>) {
        for grid in job.states.grids.iter().copied() {
            let call = job.states.calls[grid];
            let (Some(named), CallOutcome::Done) = (call.next_fire_time, call.outcome) else {
                continue;
            };
            let period = match &job.states.spec(grid).schedule {
                Schedule::FixedRate { seconds } | Schedule::FixedDelay { seconds } => {
                    Micros::from(*seconds) * SECOND
                }
                _ => continue,
            };
            // The API names milliseconds.
            let allowed = call.invoked - self.rules.earliness
                ..=call.completed + period + self.rules.earliness;
            if !allowed.contains(&named) {
                let subject = Subject::fire_time(job.id, named);
                self.report(
                    "ANCHOR",
                    subject,
                    format!(
                        "the first fire time is {} us after the call",
                        named - call.invoked
                    ),
                );
            }
        }
        let end = self.history.ended;
        let mut grids = job.states.grids.iter().copied();
        let lost =
            grids.find(|grid| has_no_anchor(job, *grid) && job.states.surely(*grid, end, end));
        if let Some(grid) = lost {
            let subject = Subject::job(job.id);
            let since = job.states.calls[grid].completed;
            self.report(
                "ANCHOR",
                subject,
                format!("no fire time of the schedule given at {since} was ever named or seen"),
            );
        }
    }
}

/// Whether the schedule is a fixed rate with an unknown phase.
fn has_no_anchor(job: &JobHistory<'_>, grid: usize) -> bool {
    match job.states.spec(grid).schedule {
        Schedule::FixedRate { seconds } => anchor(job, grid, seconds).is_none(),
        _ => false,
    }
}

fn delay(job: &JobHistory<'_>, grid: usize) -> Option<Micros> {
    match job.states.spec(grid).schedule {
        Schedule::FixedDelay { seconds } => Some(Micros::from(seconds) * SECOND),
        _ => None,
    }
}

fn start(run: &Execution<'_>) -> Micros {
    if let Some(first) = run.first() {
        return first.arrived;
    }
    // Without a delivery only the row has a start.
    let started = run.row.and_then(|row| row.started_at);
    started.max(run.fire_time()).unwrap_or(0)
}
