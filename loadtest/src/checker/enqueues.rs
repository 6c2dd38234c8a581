//! Enqueued runs with unique keys: each answer names an execution that there is, and no execution
//! was made while another one surely held its key. That each successful call is one execution is
//! checked with the other runs on request (`manual`).

use super::{
    job::{Checker, NOTICE},
    job_history::{Execution, JobHistory},
    subject::Subject,
};
use crate::history::Call;
use std::collections::HashSet;
use uuid::Uuid;

impl<'a> Checker<'a> {
    /// The calls that enqueued runs of a job against its runs on request.
    pub(super) fn enqueues(
        &mut self,
        job: &JobHistory<'a>,
        calls: &[&Call],
        runs: &[&Execution<'a>],
    ) {
        let skipped = job.manual_skips.iter().map(|row| row.execution);
        let known: HashSet<Uuid> = runs.iter().map(|run| run.id).chain(skipped).collect();
        for call in calls {
            let Some(named) = call.made.or(call.found) else {
                continue;
            };
            let subject = Subject {
                execution: Some(named),
                ..Subject::job(job.id)
            };
            if !known.contains(&named) && !self.faults.rewound(call.invoked, call.completed) {
                let text = format!(
                    "named in an answer at {}, and there is none",
                    call.completed
                );
                self.report("ENQUEUE-LOST", subject, text);
            }
            if call.made.is_some() {
                self.key_was_free(job, call, calls, runs);
            }
        }
    }

    /// The key of a call that made an execution: no earlier one held it during the whole call.
    fn key_was_free(
        &mut self,
        job: &JobHistory<'a>,
        call: &Call,
        calls: &[&Call],
        runs: &[&Execution<'a>],
    ) {
        let same_key = calls
            .iter()
            .filter(|other| other.operation == call.operation);
        for before in same_key.filter(|before| before.completed <= call.invoked) {
            let Some(holder) = runs.iter().find(|run| Some(run.id) == before.made) else {
                continue;
            };
            // The sink saw its last attempt end later: the settlement came after that.
            let Some(ended) = holder.last().and_then(|last| last.ended) else {
                continue;
            };
            if call.completed + NOTICE < ended
                && !self.faults.rewound(before.invoked, call.completed)
            {
                let text = format!(
                    "made although {} held the key for {} us after the answer",
                    holder.id,
                    ended - call.completed
                );
                let subject = Subject {
                    execution: call.made,
                    ..Subject::job(job.id)
                };
                self.report("KEY-TWICE", subject, text);
            }
        }
    }
}
