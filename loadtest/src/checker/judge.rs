//! One fire time after the other: was it taken once, in time, and left out only by a policy?
//!
//! It must never ask the database whether something ran, only what it says of what did not.

use super::{
    Counts, Rules, Verdict, Violation,
    blind::Interval,
    case::{Execution, JobCase},
    deadlines::{Faults, locks_log},
    expected::{Expected, expected},
    overlaps::Busy,
    spans::Spans,
    terms::Terms,
};
use crate::{
    evidence::{Evidence, Micros, Row, Scope},
    job::{Misfire, Overlap, Recovery},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long after a client has gone the sink may notice it: two processes on one machine.
pub(super) const NOTICE: Micros = 250_000;

/// The policies under which a fire time waits for the end of what runs.
pub(super) const WAITING: [Overlap; 3] = [Overlap::BufferOne, Overlap::BufferAll, Overlap::CancelOther];

/// Judges, and remembers what it found.
pub(super) struct Judge<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) rules: Rules,
    pub(super) faults: Faults<'a>,
    pub(super) verdict: Verdict,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) job: Uuid,
    pub(super) fire_time: Option<Micros>,
    pub(super) execution: Option<Uuid>,
}

impl About {
    pub(super) fn execution(job: &JobCase<'_>, execution: &Execution<'_>) -> Self {
        Self { job: job.id, fire_time: execution.fire_time(), execution: Some(execution.id) }
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(evidence: &'a Evidence, rules: &Rules) -> Self {
        let faults = Faults::new(evidence, rules);
        Self { evidence, rules: *rules, faults, verdict: Verdict::default() }
    }

    pub(super) fn bad(&mut self, rule: &str, about: About, text: impl Into<String>) {
        let About { job, fire_time, execution } = about;
        self.verdict.violations.push(Violation {
            rule: rule.to_owned(),
            text: text.into(),
            job: Some(job),
            fire_time,
            execution,
        });
    }

    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.verdict.counts
    }

    /// Everything of one job that an answered creation named.
    pub(super) fn job(&mut self, job: &mut JobCase<'a>) {
        let expected = match expected(job, &self.faults, &self.rules, self.evidence.ended) {
            Ok(expected) => expected,
            Err(error) => {
                let about = About { job: job.id, fire_time: None, execution: None };
                return self.bad("SPECIFICATION", about, format!("its fire times cannot be named: {error:#}"));
            }
        };
        job.sort_out(|at| expected.contains_key(&at), &self.rules);
        let job = &*job;
        self.anchors(job);
        let busy = Busy::new(self, job);
        let skips = Spans::new(job.skips.iter().map(|row| (row.fire_time, through(row), *row)).collect());
        let mut taken: BTreeMap<Micros, Vec<&Execution<'a>>> = BTreeMap::new();
        let mut chain = Vec::new();
        for execution in job.executions.iter().filter(|execution| !execution.manual) {
            let Some(at) = execution.fire_time() else { continue };
            if expected.contains_key(&at) {
                taken.entry(at).or_default().push(execution);
            } else if self.in_chain(job, at) {
                chain.push(execution);
            } else {
                let text = "its job had no such fire time then: paused, deleted, or never scheduled";
                self.bad("GHOST", About::execution(job, execution), text);
            }
        }
        let mut intervals = Vec::new();
        for (at, this) in &expected {
            let executions = taken.get(at).map_or(&[][..], Vec::as_slice);
            let rows: Vec<&Row> = skips.meeting(*at, *at).map(|(_, _, row)| *row).collect();
            intervals.push(self.fire_time(job, *at, this, executions, &rows, &busy));
        }
        self.folded(job, &expected, &taken);
        self.chain(job, &chain);
        intervals.extend(self.manual(job, &busy));
        for execution in &job.executions {
            let terms = self.terms(job, execution);
            self.attempts(job, execution, &terms);
            self.settlement(job, execution, &terms);
        }
        self.excluding(job);
        self.ranges(job, &expected);
        self.twins(job);
        self.blind(job, intervals, &chain);
    }

    /// The policies that hold for an execution: those of its lease. One that waited for the end of a
    /// run is leased when it starts.
    pub(super) fn terms(&self, job: &JobCase<'a>, execution: &Execution<'a>) -> Terms<'a> {
        let Some(at) = execution.fire_time() else { return Terms::default() };
        let waited = execution.first().filter(|first| first.kind == "BUFFERED").map_or(at, |first| first.arrived);
        let versions = job.timeline.versions(at - self.rules.look_ahead, self.faults.deadline(at).max(waited));
        Terms::new(&job.timeline, &versions)
    }

    /// One fire time; what the second opinion has to find of it.
    fn fire_time(
        &mut self,
        job: &JobCase<'a>,
        at: Micros,
        this: &Expected<'a>,
        executions: &[&Execution<'a>],
        skips: &[&'a Row],
        busy: &Busy,
    ) -> Interval {
        let about = About { job: job.id, fire_time: Some(at), execution: executions.first().map(|e| e.id) };
        let counts = self.counts();
        counts.must += usize::from(this.must);
        counts.may += usize::from(!this.must);
        counts.normal += usize::from(this.must && this.normal);
        if executions.len() > 1 {
            self.bad("DOUBLE-EXECUTION", about, format!("{} executions of one fire time", executions.len()));
        }
        let mut interval =
            Interval { from: at - self.rules.earliness, until: this.deadline, required: this.must && this.normal };
        let delivered: Vec<_> = executions.iter().filter(|execution| execution.first().is_some()).collect();
        for execution in &delivered {
            let latest = self.first_start(job, execution, this, busy);
            interval.until = interval.until.max(latest);
            if let Some(row) = skips.first() {
                let text = format!("was delivered, and execution {} says {}", row.execution, words(row));
                self.bad("SKIPPED-BUT-RUN", about, text);
            }
        }
        if delivered.is_empty() {
            let lawful = if let Some(execution) = executions.first() {
                Ok(execution.status() == Some("CANCELLED")) // `settlement` judges how it ended
            } else if let Some(row) = skips.first() {
                self.left_out(job, at, this, row, busy).map(|()| true)
            } else if this.must && !(this.terms.may_overlap(&WAITING) && busy.occupied(self, job, at)) {
                Err((
                    "LOST",
                    format!("nothing was delivered by {} us after it, and no row says why", this.deadline - at),
                ))
            } else if let Some(start) = busy.passed_over(self, job, at, this).filter(|_| this.must) {
                Err(("LOST", format!("it would wait still, but a later fire time started at {start}")))
            } else {
                Ok(false)
            };
            match lawful {
                Ok(skipped) => {
                    self.counts().skipped += usize::from(skipped);
                    interval.required = false;
                }
                Err((rule, text)) => self.bad(rule, about, text),
            }
        }
        interval
    }

    /// The first start of an execution; the latest that it may lawfully have.
    fn first_start(
        &mut self,
        job: &JobCase<'a>,
        execution: &Execution<'a>,
        this: &Expected<'a>,
        busy: &Busy,
    ) -> Micros {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return this.deadline };
        let about = About::execution(job, execution);
        let late = first.arrived - at;
        let waits = this.terms.may_overlap(&WAITING);
        let deadline = if waits && first.arrived > this.deadline {
            busy.waited(self, execution, at).map_or(this.deadline, |end| this.deadline.max(self.faults.deadline(end)))
        } else {
            this.deadline
        };
        if first.arrived < at - self.rules.earliness {
            self.bad("EARLY", about, format!("arrived {} us before its fire time", -late));
        }
        if first.arrived > deadline {
            self.bad("LATE", about, format!("arrived {late} us after its fire time; {} us were lawful", deadline - at));
        }
        let lateness = if this.normal { &mut self.verdict.lateness_calm } else { &mut self.verdict.lateness_disturbed };
        lateness.push(late);
        self.misfired(job, execution, this);
        self.fired_after_pause(job, execution);
        deadline
    }

    /// A misfire that ran although its policy runs none. What was found within the grace may be sent by a node that
    /// stood still meanwhile; that costs it its trust after one TTL. Or its lease had read the clock and waited for
    /// the log; the node gives such a call up after half a TTL.
    fn misfired(&mut self, job: &JobCase<'a>, execution: &Execution<'a>, this: &Expected<'a>) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return };
        if first.attempt != 1 || first.kind != "SCHEDULE" || !this.terms.must_misfire(Misfire::Skip) {
            return;
        }
        let stood = self.faults.hitting(first.node, at, first.arrived).any(|fault| fault.scope == Scope::Freezes);
        let call = self.rules.ttl / 2;
        let held_up =
            self.faults.any(at, first.arrived).any(|fault| locks_log(fault) && fault.until >= first.arrived - call);
        let held = if stood { self.rules.ttl } else { Micros::from(held_up) * call };
        if first.arrived - at > this.terms.longest_grace() + self.rules.lateness + held {
            let text = format!("ran {} us late, later than its grace, with the policy SKIP", first.arrived - at);
            self.bad("MISFIRE-FIRED", About::execution(job, execution), text);
        }
    }

    /// A first attempt that started when its job had surely been paused or deleted for longer than nodes look ahead.
    /// Beside a fault it may have been leased before and sent late.
    fn fired_after_pause(&mut self, job: &JobCase<'a>, execution: &Execution<'a>) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else { return };
        let since = first.arrived - self.rules.look_ahead - self.rules.lateness;
        if first.kind == "SCHEDULE"
            && first.attempt == 1
            && !job.timeline.possibly_active(since, first.arrived)
            && self.faults.hitting(first.node, at - self.rules.look_ahead, first.arrived).next().is_none()
        {
            self.bad("GHOST", About::execution(job, execution), "it started after its job was paused or deleted");
        }
    }

    /// `FIRE_ONCE` ran two fire times that were both later than the grace when the first of them started.
    fn folded(
        &mut self,
        job: &JobCase<'a>,
        expected: &BTreeMap<Micros, Expected<'a>>,
        taken: &BTreeMap<Micros, Vec<&Execution<'a>>>,
    ) {
        let mut runs = taken.iter().filter_map(|(at, executions)| {
            let (execution, this) = (executions.first()?, expected.get(at)?);
            execution.first().filter(|first| first.attempt == 1 && first.kind == "SCHEDULE")?;
            this.terms.must_misfire(Misfire::FireOnce).then_some((*at, *execution, this.terms.longest_grace()))
        });
        let Some(mut before) = runs.next() else { return };
        for run in runs {
            let ((_, execution, grace), (next, ..)) = (before, run);
            let missed_both = execution.first().is_some_and(|first| first.arrived > next + grace + self.rules.lateness);
            if missed_both {
                let text = format!("ran although the fire time at {next} was missed as well: FIRE_ONCE runs the last");
                self.bad("MISFIRE-FIRED", About::execution(job, execution), text);
            }
            before = run;
        }
    }

    /// Whether a policy left the fire time out lawfully.
    fn left_out(
        &self,
        job: &JobCase<'a>,
        at: Micros,
        this: &Expected<'a>,
        row: &Row,
        busy: &Busy,
    ) -> Result<(), (&'static str, String)> {
        // When the cluster noticed is not to be seen. But only a fault can have made it late, and it cannot
        // have been later than the latest lawful start.
        let missed = !this.normal && this.deadline >= at + this.terms.shortest_grace();
        let lawful = match row.reason.as_deref() {
            Some("MISFIRE") => missed && this.terms.may_misfire(Misfire::Skip),
            Some("COALESCED") if missed && this.terms.may_misfire(Misfire::FireOnce) => {
                let waits = this.terms.may_overlap(&WAITING) && busy.occupied(self, job, at);
                return if waits { Ok(()) } else { coalesced(job, at, row) };
            }
            Some("OVERLAP") => busy.left_out(self, job, at, this),
            _ => false,
        };
        if lawful {
            return Ok(());
        }
        let text = format!("left out as {}, which nothing allows (policies {:?})", words(row), this.terms);
        Err(("LOST", text))
    }

    /// Whether the end of an execution without success is one that its policies name; else what is wrong.
    pub(super) fn ended_lawfully(
        &self,
        job: &JobCase<'a>,
        execution: &Execution<'a>,
        terms: &Terms<'a>,
    ) -> Result<(), (&'static str, String)> {
        let Some(row) = execution.row else { return Ok(()) };
        let at = row.fire_time - self.rules.look_ahead;
        let finished = row.finished_at.unwrap_or(self.evidence.ended);
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
        let own = execution.deliveries.iter().filter(|delivery| !super::case::succeeded(delivery)).count();
        let unseen = |scope| self.faults.any(at, finished).any(|fault| fault.scope == scope);
        match (row.status.as_str(), row.reason.as_deref()) {
            ("FAILED", Some("ERROR" | "TIMEOUT"))
                // An attempt that fails unseen was cut off from its target, or frozen until its time was over.
                if own >= terms.fewest_attempts() || unseen(Scope::CutsTarget) || unseen(Scope::Freezes) => Ok(()),
            ("FAILED", Some("CRASH_LOOP"))
                if lost && u32::try_from(row.recoveries).is_ok_and(|n| n >= terms.fewest_recoveries()) => Ok(()),
            ("FAILED", _) => Err(("GAVE-UP-EARLY", format!("{} after {own} failed attempts, {} recoveries", words(row), row.recoveries))),
            ("LOST", _) if !terms.may_recover(Recovery::MarkLost) => {
                Err(("UNRECOVERED", "LOST, and its policy is RERUN".to_owned()))
            }
            ("LOST", _) if !lost => Err(("LOST-WITHOUT-FAULT", "no fault hit the node of its last attempt".to_owned())),
            ("CANCELLED", _) if !cancelled_lawfully(job, execution, terms, finished) => {
                Err(("CANCELLED-WITHOUT-CAUSE", "nothing replaced it and nobody deleted its job".to_owned()))
            }
            ("LOST" | "CANCELLED", _) => Ok(()),
            (status, _) => Err(("UNRECOVERED", format!("{status} is no end"))),
        }
    }
}

/// A deleted job cancels what would have run again; `CANCEL_OTHER` what runs when another comes due.
fn cancelled_lawfully(job: &JobCase<'_>, execution: &Execution<'_>, terms: &Terms<'_>, finished: Micros) -> bool {
    let due_meanwhile = |other: &&Execution<'_>| {
        let at = other.fire_time().unwrap_or(Micros::MAX);
        other.id != execution.id && execution.fire_time().is_some_and(|own| own <= at) && at <= finished
    };
    // What took its place may have had to give way itself, before it ran.
    let gave_way = |row: &Row| {
        row.reason.as_deref() == Some("OVERLAP")
            && execution.fire_time().is_some_and(|own| own < row.fire_time)
            && row.fire_time <= finished
    };
    let replaced =
        || job.executions.iter().any(|other| due_meanwhile(&other)) || job.skips.iter().any(|row| gave_way(row));
    job.timeline.possibly_deleted(finished) || (terms.may_overlap(&[Overlap::CancelOther]) && replaced())
}

/// Whether what it was folded into is there: a later one that ran, or that another policy left out in its turn.
fn coalesced(job: &JobCase<'_>, at: Micros, row: &Row) -> Result<(), (&'static str, String)> {
    let into = row.coalesced_into;
    let run = job.executions.iter().find(|execution| Some(execution.id) == into);
    let later = |fire_time: Option<Micros>| fire_time.is_some_and(|into| into > at && into >= through(row));
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
pub(super) fn through(row: &Row) -> Micros {
    row.through_fire_time.unwrap_or(row.fire_time).max(row.fire_time)
}

/// A row's status and reason.
pub(super) fn words(row: &Row) -> String {
    row.reason.as_ref().map_or_else(|| row.status.clone(), |reason| format!("{}/{reason}", row.status))
}
