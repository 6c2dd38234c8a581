//! One fire time after the other: was it taken once, in time, and left out only by a policy?
//!
//! It must never ask the database whether something ran, only what it says of what did not.

use super::{
    Analysis, Counts, Rules, Violation,
    deadlines::{Faults, locks_log, rewinds},
    expected::{Expected, expected, latest_due},
    job_history::{Execution, JobHistory},
    matching::Interval,
    overlaps::OverlapIndex,
    policy_set::PolicySet,
    spans::Spans,
};
use crate::{
    history::{Call, Delivery, Fault, History, Micros, Operation, Row, Scope},
    job::{Misfire, Overlap, Recovery},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long after a client has gone the sink may notice it: two processes on one machine.
pub(super) const NOTICE: Micros = 250_000;

/// The policies under which a fire time waits for the end of what runs.
pub(super) const WAITING: [Overlap; 3] = [Overlap::BufferOne, Overlap::BufferAll, Overlap::CancelOther];

/// Checks a history, and collects the violations.
pub(super) struct Checker<'a> {
    pub(super) history: &'a History,
    pub(super) rules: Rules,
    pub(super) faults: Faults<'a>,
    pub(super) analysis: Analysis,
}

/// What a violation is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) job: Uuid,
    pub(super) fire_time: Option<Micros>,
    pub(super) execution: Option<Uuid>,
}

impl Subject {
    pub(super) fn execution(job: &JobHistory<'_>, execution: &Execution<'_>) -> Self {
        Self { job: job.id, fire_time: execution.fire_time(), execution: Some(execution.id) }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn new(history: &'a History, rules: &Rules) -> Self {
        let faults = Faults::new(history, rules);
        Self { history, rules: *rules, faults, analysis: Analysis::default() }
    }

    pub(super) fn report(&mut self, rule: &str, subject: Subject, text: impl Into<String>) {
        let Subject { job, fire_time, execution } = subject;
        self.analysis.violations.push(Violation {
            rule: rule.to_owned(),
            text: text.into(),
            job: Some(job),
            fire_time,
            execution,
        });
    }

    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.analysis.counts
    }

    /// Everything of one job that an answered creation named.
    pub(super) fn job(&mut self, job: &mut JobHistory<'a>) {
        let expected = match expected(job, &self.faults, &self.rules, self.history.ended) {
            Ok(expected) => expected,
            Err(error) => {
                let subject = Subject { job: job.id, fire_time: None, execution: None };
                return self.report("SPECIFICATION", subject, format!("its fire times cannot be named: {error:#}"));
            }
        };
        job.classify_manual(|at| expected.contains_key(&at), &self.rules);
        let job = &*job;
        self.anchors(job);
        let overlaps = OverlapIndex::new(self, job);
        let skips = Spans::new(job.skips.iter().map(|row| (row.fire_time, last_fire_time(row), *row)).collect());
        let mut taken: BTreeMap<Micros, Vec<&Execution<'a>>> = BTreeMap::new();
        let mut fixed_delay_runs = Vec::new();
        for execution in job.executions.iter().filter(|execution| !execution.manual) {
            let Some(at) = execution.fire_time() else { continue };
            if expected.contains_key(&at) {
                taken.entry(at).or_default().push(execution);
            } else if self.is_fixed_delay_time(job, at) {
                fixed_delay_runs.push(execution);
            } else {
                let text = "its job had no such fire time then: paused, deleted, or never scheduled";
                self.report("GHOST", Subject::execution(job, execution), text);
            }
        }
        let mut intervals = Vec::new();
        for (at, this) in &expected {
            let executions = taken.get(at).map_or(&[][..], Vec::as_slice);
            let rows: Vec<&Row> = skips.overlapping(*at, *at).map(|(_, _, row)| *row).collect();
            intervals.push(self.fire_time(job, *at, this, executions, &rows, &overlaps));
        }
        self.fire_once(job, &expected, &taken);
        self.fixed_delay(job, &fixed_delay_runs);
        intervals.extend(self.manual(job, &overlaps));
        for execution in &job.executions {
            let policies = self.policies(job, execution);
            self.attempts(job, execution, &policies);
            self.settlement(job, execution, &policies);
        }
        self.cancels(job);
        self.exclusive_runs(job);
        self.ranges(job, &expected);
        self.duplicate_rows(job);
        self.matching(job, intervals, &fixed_delay_runs);
    }

    /// The policies that hold for an execution: those of its lease. One that waited for the end of a
    /// run is leased when it starts.
    pub(super) fn policies(&self, job: &JobHistory<'a>, execution: &Execution<'a>) -> PolicySet<'a> {
        let Some(at) = execution.fire_time() else { return PolicySet::default() };
        let waited = execution.first().filter(|first| first.kind == "BUFFERED").map_or(at, |first| first.arrived);
        let deadline = self.faults.deadline(latest_due(&job.states, at, &self.rules));
        let versions = job.states.versions(at - self.rules.look_ahead, deadline.max(waited));
        PolicySet::new(&job.states, &versions)
    }

    /// The latest allowed start of what may start from then on and waits out a pause of its job: a retry, or what is
    /// buffered. `Micros::MAX` when the pause may have no end.
    pub(super) fn deadline_after_pauses(&self, job: &JobHistory<'a>, since: Micros) -> Micros {
        let mut since = since;
        loop {
            let deadline = self.faults.deadline(since);
            match job.states.pause_end(since, deadline) {
                Some(Micros::MAX) => return Micros::MAX,
                Some(end) if end > since => since = end,
                _ => return deadline,
            }
        }
    }

    /// One fire time; what the matching has to find of it.
    fn fire_time(
        &mut self,
        job: &JobHistory<'a>,
        at: Micros,
        this: &Expected<'a>,
        executions: &[&Execution<'a>],
        skips: &[&'a Row],
        overlaps: &OverlapIndex,
    ) -> Interval {
        let subject = Subject { job: job.id, fire_time: Some(at), execution: executions.first().map(|e| e.id) };
        let counts = self.counts();
        counts.must += usize::from(this.must);
        counts.may += usize::from(!this.must);
        counts.normal += usize::from(this.must && this.normal);
        if executions.len() > 1 {
            self.report("DOUBLE-EXECUTION", subject, format!("{} executions of one fire time", executions.len()));
        }
        let mut interval =
            Interval { from: at - self.rules.earliness, until: this.deadline, required: this.must && this.normal };
        let delivered: Vec<_> = executions.iter().filter(|execution| execution.first().is_some()).collect();
        for execution in &delivered {
            let latest = self.first_start(job, execution, this, overlaps);
            interval.until = interval.until.max(latest);
            if let Some(row) = skips.first() {
                let text = format!("was delivered, and execution {} says {}", row.execution, status_and_reason(row));
                self.report("SKIPPED-BUT-RUN", subject, text);
            }
        }
        if delivered.is_empty() {
            let allowed = if let Some(execution) = executions.first() {
                Ok(execution.status() == Some("CANCELLED")) // `settlement` checks how it ended
            } else if let Some(row) = skips.first() {
                self.skip_allowed(job, at, this, row, overlaps).map(|()| true)
            } else if this.must && !self.may_still_wait(job, at, this, overlaps) {
                Err(("LOST", lost_text(job, at, this)))
            } else if let Some(start) = overlaps.overtaken_at(self, job, at, this).filter(|_| this.must) {
                Err(("LOST", format!("it would wait still, but a later fire time started at {start}")))
            } else {
                Ok(false)
            };
            match allowed {
                Ok(skipped) => {
                    self.counts().skipped += usize::from(skipped);
                    interval.required = false;
                }
                Err((rule, text)) => self.report(rule, subject, text),
            }
        }
        interval
    }

    /// Whether it may wait for the end of a run until the final read. What a deleted job leaves has a row.
    fn may_still_wait(&self, job: &JobHistory<'a>, at: Micros, this: &Expected<'a>, overlaps: &OverlapIndex) -> bool {
        this.policies.may_overlap(&WAITING)
            && overlaps.occupied(self, job, at)
            && !job.states.surely_deleted(self.history.ended)
    }

    /// The first start of an execution; the latest that is allowed.
    fn first_start(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        this: &Expected<'a>,
        overlaps: &OverlapIndex,
    ) -> Micros {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return this.deadline };
        let subject = Subject::execution(job, execution);
        let late = first.arrived - at;
        let waits = this.policies.may_overlap(&WAITING);
        let deadline = if waits && first.arrived > this.deadline {
            let waited = overlaps.waited(execution, at, this.deadline);
            waited.map_or(this.deadline, |end| this.deadline.max(self.deadline_after_pauses(job, end)))
        } else {
            this.deadline
        };
        if first.arrived < at - self.rules.earliness {
            self.report("EARLY", subject, format!("arrived {} us before its fire time", -late));
        }
        if first.arrived > deadline {
            self.report(
                "LATE",
                subject,
                format!("arrived {late} us after its fire time; {} us were allowed", deadline - at),
            );
        }
        if first.kind == "SCHEDULE" && first.attempt == 1 {
            self.due_time(job, execution, first, at);
        }
        // What waited for the end of a run was late by its policy, not by the cluster.
        if first.kind != "BUFFERED" {
            let due =
                if first.attempt == 1 { first.due_time.clamp(at, at + this.policies.longest_jitter()) } else { at };
            self.analysis.lateness(this.normal).push(first.arrived - due);
        }
        self.misfired(job, execution, this);
        self.fired_after_pause(job, execution);
        deadline
    }

    /// A jitter lies within what a version that may own the fire time gives.
    fn due_time(&mut self, job: &JobHistory<'a>, execution: &Execution<'a>, first: &Delivery, at: Micros) {
        let latest = latest_due(&job.states, at, &self.rules);
        if !(at - self.rules.earliness..=latest + self.rules.earliness).contains(&first.due_time) {
            let text = format!("due {} us after its fire time; {} us were allowed", first.due_time - at, latest - at);
            self.report("FORGED-LABEL", Subject::execution(job, execution), text);
        }
    }

    /// A misfire that ran although its policy runs none. What was found within the grace may be sent by a node that
    /// stood still meanwhile; that costs it its trust after one TTL. Or its lease had read the clock and waited for
    /// the log; the node gives such a call up after half a TTL.
    fn misfired(&mut self, job: &JobHistory<'a>, execution: &Execution<'a>, this: &Expected<'a>) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return };
        if first.attempt != 1 || first.kind != "SCHEDULE" || !this.policies.must_misfire(Misfire::Skip) {
            return;
        }
        let delay = self.decision_delay(first, at);
        let most = this.policies.longest_jitter() + this.policies.longest_grace() + self.rules.lateness + delay;
        if first.arrived - at > most {
            let text = format!("ran {} us late, later than its grace, with the policy SKIP", first.arrived - at);
            self.report("MISFIRE-FIRED", Subject::execution(job, execution), text);
        }
    }

    /// How much later than its decision a start may come: a node that stood still in between costs one TTL, a lease that
    /// waited for the log or the disk half of one.
    fn decision_delay(&self, first: &Delivery, at: Micros) -> Micros {
        let stood = self.faults.hitting(first.node, at, first.arrived).any(|fault| fault.scope == Scope::Freezes);
        let call = self.rules.ttl / 2;
        let held_up =
            self.faults.any(at, first.arrived).any(|fault| locks_log(fault) && fault.until >= first.arrived - call);
        let held_up = held_up || self.faults.stalled(at, first.arrived);
        if stood { self.rules.ttl } else { Micros::from(held_up) * call }
    }

    /// A fire time or a retry that started when its job had surely been paused or deleted for longer than nodes look
    /// ahead. Beside a fault it may have been leased before and sent late.
    fn fired_after_pause(&mut self, job: &JobHistory<'a>, execution: &Execution<'a>) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return };
        for attempt in &execution.deliveries {
            let fires = attempt.kind == "RETRY"
                || (attempt.attempt == 1 && matches!(attempt.kind.as_str(), "SCHEDULE" | "BUFFERED"));
            let since = attempt.arrived - self.rules.look_ahead - self.rules.lateness;
            let leased = if attempt.attempt == first.attempt { at } else { since };
            if fires
                && !job.states.possibly_active(since, attempt.arrived)
                && self.faults.hitting(attempt.node, leased - self.rules.look_ahead, attempt.arrived).next().is_none()
            {
                let text = format!("attempt {} started after its job was paused or deleted", attempt.attempt);
                self.report("GHOST", Subject::execution(job, execution), text);
            }
        }
    }

    /// `FIRE_ONCE` ran two fire times that were both later than the grace when the first of them started.
    fn fire_once(
        &mut self,
        job: &JobHistory<'a>,
        expected: &BTreeMap<Micros, Expected<'a>>,
        taken: &BTreeMap<Micros, Vec<&Execution<'a>>>,
    ) {
        let mut runs = taken.iter().filter_map(|(at, executions)| {
            let (execution, this) = (executions.first()?, expected.get(at)?);
            execution.first().filter(|first| first.attempt == 1 && first.kind == "SCHEDULE")?;
            this.policies.must_misfire(Misfire::FireOnce).then_some((*at, *execution, this.policies.longest_grace()))
        });
        let Some(mut before) = runs.next() else { return };
        for run in runs {
            let ((at, execution, grace), (next, ..)) = (before, run);
            // What is due when the first is found too late is missed as well, however young it is.
            let missed_both = execution.first().is_some_and(|first| {
                let found = first.arrived - self.rules.lateness - self.decision_delay(first, at);
                found > at + grace && found > next
            });
            if missed_both {
                let text = format!("ran although the fire time at {next} was missed as well: FIRE_ONCE runs the last");
                self.report("MISFIRE-FIRED", Subject::execution(job, execution), text);
            }
            before = run;
        }
    }

    /// Whether a policy allowed that the fire time was left out.
    fn skip_allowed(
        &self,
        job: &JobHistory<'a>,
        at: Micros,
        this: &Expected<'a>,
        row: &Row,
        overlaps: &OverlapIndex,
    ) -> Result<(), (&'static str, String)> {
        // When the cluster noticed is not to be seen. But only a fault can have made it late, and it cannot
        // have been later than the latest allowed start.
        let missed = !this.normal && self.oldest_missed(job, at, this, row);
        let allowed = match row.reason.as_deref() {
            // Whoever pauses or deletes it before it is taken records it. What waits for a run is not paused, but deleted.
            Some("PAUSED") => job.states.possibly_paused(at, this.deadline),
            Some("DELETED") => {
                job.states.possibly_deleted(this.deadline)
                    || (this.policies.may_overlap(&WAITING) && overlaps.occupied(self, job, at))
            }
            Some("MISFIRE") => missed && this.policies.may_misfire(Misfire::Skip),
            Some("COALESCED") if missed && this.policies.may_misfire(Misfire::FireOnce) => {
                let waits = this.policies.may_overlap(&WAITING) && overlaps.occupied(self, job, at);
                return if waits { Ok(()) } else { coalesced(job, at, row) };
            }
            Some("OVERLAP") => overlaps.may_skip(self, job, at, this),
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        let text =
            format!("left out as {}, which nothing allows (policies {:?})", status_and_reason(row), this.policies);
        Err(("LOST", text))
    }

    /// Whether it was missed, by the oldest that its row stands for: when that one is found later than the grace, the
    /// policy speaks about everything that is due by then.
    fn oldest_missed(&self, job: &JobHistory<'a>, at: Micros, this: &Expected<'a>, row: &Row) -> bool {
        let grace = this.policies.shortest_grace();
        let oldest = row.fire_time.min(at);
        let found = self.faults.deadline(latest_due(&job.states, oldest, &self.rules));
        this.deadline >= at + grace || (found >= oldest + grace && found >= at)
    }

    /// Whether the attempt that was lost never reached its target although its node lived on and could have given it
    /// back: the database was away at most.
    fn never_started(&self, execution: &Execution<'a>, row: &Row, leased: Micros, finished: Micros) -> bool {
        let Some(node) = row.node else { return false };
        let begun = execution.deliveries.iter().any(|delivery| delivery.attempt == row.attempt);
        let from = row.started_at.map_or(leased, |started| started - self.rules.look_ahead);
        let explained =
            |fault: &Fault| fault.scope != Scope::Cluster || rewinds(fault) || self.faults.ends(fault, node);
        !begun && self.faults.name(node).is_some() && !self.faults.hitting(node, from, finished).any(explained)
    }

    /// Whether the end of an execution without success is one that its policies name; else what is wrong.
    pub(super) fn allowed_end(
        &self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        policies: &PolicySet<'a>,
    ) -> Result<(), (&'static str, String)> {
        let Some(row) = execution.row else { return Ok(()) };
        let at = row.fire_time - self.rules.look_ahead;
        let finished = row.finished_at.unwrap_or(self.history.ended);
        let lost = match execution.last() {
            // The last attempt may have been lost before anybody saw it.
            Some(last) if row.attempt > last.attempt => self.faults.any(last.arrived, finished).next().is_some(),
            Some(last) => self.faults.orphaning(last, finished).is_some(),
            // Nor did anybody see one that waited first.
            None => self
                .faults
                .any(at, self.faults.deadline(row.started_at.max(Some(row.fire_time)).unwrap_or(at)))
                .next()
                .is_some(),
        };
        let own = execution.deliveries.iter().filter(|delivery| !super::job_history::succeeded(delivery)).count();
        let unseen = |scope| self.faults.any(at, finished).any(|fault| fault.scope == scope);
        match (row.status.as_str(), row.reason.as_deref()) {
            ("FAILED", Some("ERROR" | "TIMEOUT"))
                // An attempt that fails unseen was cut off from its target, or frozen until its time was over.
                if own >= policies.fewest_attempts() || unseen(Scope::CutsTarget) || unseen(Scope::Freezes) => Ok(()),
            ("FAILED", Some("CRASH_LOOP"))
                if lost && u32::try_from(row.recoveries).is_ok_and(|n| n >= policies.fewest_recoveries()) => Ok(()),
            ("FAILED", _) => Err(("GAVE-UP-EARLY", format!("{} after {own} failed attempts, {} recoveries", status_and_reason(row), row.recoveries))),
            ("LOST", _) if !policies.may_recover(Recovery::MarkLost) => {
                Err(("UNRECOVERED", "LOST, and its policy is RERUN".to_owned()))
            }
            ("LOST", _) if self.never_started(execution, row, at, finished) => {
                Err(("LOST-UNBEGUN", format!("attempt {} was never begun, and its node lived on", row.attempt)))
            }
            ("LOST", _) if !lost => Err(("LOST-WITHOUT-FAULT", "no fault hit the node of its last attempt".to_owned())),
            ("CANCELLED", _) if !self.allowed_cancellation(job, execution, policies, finished) => {
                Err(("CANCELLED-WITHOUT-CAUSE", "nothing replaced it, and nobody cancelled it or deleted its job".to_owned()))
            }
            ("LOST" | "CANCELLED", _) => Ok(()),
            (status, _) => Err(("UNRECOVERED", format!("{status} is no end"))),
        }
    }
}

/// What is wrong when a fire time left nothing.
fn lost_text(job: &JobHistory<'_>, at: Micros, this: &Expected<'_>) -> String {
    let changes = |call: &Call| !matches!(call.operation, Operation::RunNow | Operation::Rerun(_) | Operation::Cancel);
    let within = |call: &&&Call| changes(call) && (at..=this.deadline).contains(&call.invoked);
    let gap = job.states.calls.iter().find(within).map_or_else(String::new, |call| {
        let after = call.invoked - at;
        format!(": lost in the gap, {} came {after} us after it", call.operation.name())
    });
    format!("nothing was delivered by {} us after it, and no row says why{gap}", this.deadline - at)
}

/// Whether what it was folded into is there: a later one that ran, or that another policy left out in its turn.
fn coalesced(job: &JobHistory<'_>, at: Micros, row: &Row) -> Result<(), (&'static str, String)> {
    let into = row.coalesced_into;
    let run = job.executions.iter().find(|execution| Some(execution.id) == into);
    let later = |fire_time: Option<Micros>| fire_time.is_some_and(|into| into > at && into >= last_fire_time(row));
    let ran =
        run.is_some_and(|run| later(run.fire_time()) && (run.first().is_some() || run.status() != Some("SUCCESS")));
    let overlapped = |skip: &&Row| {
        Some(skip.execution) == into && skip.reason.as_deref() == Some("OVERLAP") && later(Some(skip.fire_time))
    };
    if ran || job.skips.iter().any(overlapped) {
        return Ok(());
    }
    Err(("COALESCED-INTO-NOTHING", format!("folded into {into:?}, which is no later execution of its job that ran")))
}

/// The last fire time of a row.
pub(super) fn last_fire_time(row: &Row) -> Micros {
    row.through_fire_time.unwrap_or(row.fire_time).max(row.fire_time)
}

/// A row's status and reason.
pub(super) fn status_and_reason(row: &Row) -> String {
    row.reason.as_ref().map_or_else(|| row.status.clone(), |reason| format!("{}/{reason}", row.status))
}
