//! Synthetic lives of jobs: random commands, and the stretches in which a job fires.

use super::execution::millis;
use super::model::{MILLI, RULES};
use super::specs::STEADY_NAME;
use super::synthetic::{END, Generator};
use crate::history::{Call, CallOutcome, Operation};
use crate::job::{JobSpec, Misfire, Overlap, SECOND, Schedule};
use crate::micros::Micros;
use uuid::Uuid;

/// When commands end.
const COMMANDS: Micros = 240 * SECOND;

/// A stretch of a job's life in which it fires.
pub(super) struct Era {
    pub(super) from: Micros,
    pub(super) until: Micros,
    pub(super) spec: JobSpec,
    pub(super) anchor: Micros,
    /// Whether what was due before it goes on in it.
    pub(super) continues: bool,
}

impl Era {
    /// The fire times of a grid.
    pub(super) fn grid(&self) -> Vec<Micros> {
        let (period, anchor) = match &self.spec.schedule {
            Schedule::FixedRate { seconds } => (Micros::from(*seconds) * SECOND, self.anchor),
            Schedule::Cron { expression, .. } => {
                let step: Micros = expression[2..3].parse().unwrap();
                (step * SECOND, 0)
            }
            Schedule::Once { .. } => {
                return Some(self.anchor)
                    .filter(|at| *at > self.from)
                    .into_iter()
                    .collect();
            }
            Schedule::FixedDelay { .. } | Schedule::Manual => return Vec::new(),
        };
        let first = anchor + ((self.from - anchor).div_euclid(period) + 1).max(0) * period;
        let until = self.until.min(END).saturating_add(RULES.look_ahead);
        std::iter::successors(Some(first), |at| Some(at + period))
            .take_while(|at| *at <= until)
            .collect()
    }
}

/// A job's life.
pub(super) struct Life {
    pub(super) job: Uuid,
    pub(super) eras: Vec<Era>,
    pub(super) manual: Vec<(Micros, JobSpec)>,
    pub(super) deleted: Micros,
}

impl Life {
    /// The pauses: between the eras and after the last.
    pub(super) fn pauses(&self) -> Vec<(Micros, Micros)> {
        let until = |index: usize| {
            self.eras
                .get(index + 1)
                .map_or(Micros::MAX, |next| next.from)
        };
        let all = self
            .eras
            .iter()
            .enumerate()
            .map(|(index, era)| (era.until, until(index)));
        all.filter(|(from, until)| from < until && *from < self.deleted)
            .collect()
    }
}

impl Generator {
    fn call(
        &mut self,
        job: Option<Uuid>,
        operation: Operation,
        at: Micros,
        outcome: CallOutcome,
    ) -> &mut Call {
        let (before, after) = (self.rng.i64(1..20) * MILLI, self.rng.i64(1..20) * MILLI);
        self.history.calls.push(Call {
            job,
            operation,
            invoked: at - before,
            completed: at + after,
            outcome,
            next_fire_time: None,
            start_at: None,
            made: None,
            found: None,
        });
        self.history.calls.last_mut().unwrap()
    }

    /// Creates a job and does things to it.
    pub(super) fn life(&mut self, spec: JobSpec) -> Life {
        let job = Uuid::from_u128(self.rng.u128(..));
        let mut at = self.rng.i64(1_000..10_000) * MILLI;
        let known = self.rng.u8(..12) > 0;
        let anchor = self.anchor(&spec, at);
        let outcome = if known {
            CallOutcome::Done
        } else {
            CallOutcome::Unknown
        };
        let call = self.call(
            known.then_some(job),
            Operation::Create(spec.clone()),
            at,
            outcome,
        );
        match spec.schedule {
            Schedule::FixedRate { .. } | Schedule::FixedDelay { .. } if known => {
                call.next_fire_time = Some(anchor);
            }
            Schedule::Once { .. } => call.start_at = Some(anchor),
            _ => {}
        }
        // What cancels is left to calm times: how a fault and a cancellation meet is not simulated.
        let last = if spec.overlap == Overlap::CancelOther {
            50 * SECOND
        } else {
            COMMANDS
        };
        let mut life = Life {
            job,
            eras: Vec::new(),
            manual: Vec::new(),
            deleted: Micros::MAX,
        };
        let mut open = Some(Era {
            from: at,
            until: Micros::MAX,
            spec: spec.clone(),
            anchor,
            continues: false,
        });
        let mut current = (spec, anchor);
        while known && life.deleted == Micros::MAX {
            at += self.rng.i64(500..40_000) * MILLI;
            if at >= last {
                break;
            }
            let away = self
                .cluster
                .outages
                .iter()
                .any(|outage| outage.from - SECOND < at && at < outage.until + 6 * SECOND);
            if !away {
                self.command(&mut life, &mut open, &mut current, at);
            }
            if life.deleted < Micros::MAX {
                return life;
            }
        }
        if known && last < COMMANDS {
            self.call(Some(job), Operation::Delete, last, CallOutcome::Done);
            life.deleted = last;
        }
        if let Some(mut era) = open {
            era.until = life.deleted;
            life.eras.push(era);
        }
        life
    }

    fn command(
        &mut self,
        life: &mut Life,
        open: &mut Option<Era>,
        current: &mut (JobSpec, Micros),
        at: Micros,
    ) {
        let job = Some(life.job);
        let unknown = current.0.name != STEADY_NAME && self.rng.u8(..6) == 0;
        let (outcome, done) = if unknown {
            (CallOutcome::Unknown, self.rng.bool())
        } else {
            (CallOutcome::Done, true)
        };
        let steady = current.0.name == STEADY_NAME;
        match if steady { 6 } else { self.rng.u8(0..12) } {
            0..3 => {
                self.call(job, Operation::Pause, at, outcome);
                if done {
                    close(open, life, at);
                }
            }
            3..6 => {
                self.call(job, Operation::Resume, at, outcome);
                if done && open.is_none() {
                    *open = Some(era(at, current, false));
                }
            }
            6..9 => {
                self.call(job, Operation::RunNow, at, outcome);
                if done {
                    life.manual.push((at, current.0.clone()));
                }
            }
            9 if self.rng.bool() => {
                self.call(job, Operation::Delete, at, CallOutcome::Done);
                close(open, life, at);
                life.deleted = at;
            }
            _ => self.edit(life, open, current, at),
        }
    }

    /// Another policy, and perhaps another interval.
    fn edit(
        &mut self,
        life: &mut Life,
        open: &mut Option<Era>,
        current: &mut (JobSpec, Micros),
        at: Micros,
    ) {
        let mut spec = current.0.clone();
        if self.rng.bool() {
            spec.misfire =
                [Misfire::FireOnce, Misfire::FireAll, Misfire::Skip][self.rng.usize(..3)];
        }
        spec.max_attempts = self.rng.u32(1..4);
        let mut anchor = current.1;
        let same = self.rng.bool() || open.is_none();
        if let Schedule::FixedRate { seconds } = &mut spec.schedule
            && !same
        {
            *seconds += 1;
        }
        let moved = spec.schedule != current.0.schedule;
        if moved {
            anchor = self.anchor(&spec, at);
        }
        let operation = Operation::Update(spec.clone());
        let call = self.call(Some(life.job), operation, at, CallOutcome::Done);
        call.next_fire_time = moved.then_some(anchor);
        *current = (spec, anchor);
        if open.is_some() {
            close(open, life, at);
            *open = Some(era(at, current, !moved));
        }
    }

    fn anchor(&mut self, spec: &JobSpec, at: Micros) -> Micros {
        match spec.schedule {
            Schedule::FixedRate { seconds } | Schedule::FixedDelay { seconds } => {
                millis(at) + self.rng.i64(0..i64::from(seconds) * 1_000) * MILLI
            }
            Schedule::Once { after_seconds } => millis(at) + i64::from(after_seconds) * SECOND,
            _ => 0,
        }
    }
}

/// The time under one definition, from `at` on.
fn era(at: Micros, (spec, anchor): &(JobSpec, Micros), continues: bool) -> Era {
    Era {
        from: at,
        until: Micros::MAX,
        spec: spec.clone(),
        anchor: *anchor,
        continues,
    }
}

/// Ends the time under the present definition.
fn close(open: &mut Option<Era>, life: &mut Life, at: Micros) {
    if let Some(mut era) = open.take() {
        era.until = at;
        life.eras.push(era);
    }
}
