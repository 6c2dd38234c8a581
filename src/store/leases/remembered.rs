//! Jobs that this node remembers, so that a lease need not read them again.
//!
//! What makes it safe is in the database. A schedule trigger bears a stamp: a
//! random number that a lease drew when it had read the job while it held the
//! trigger. Any change of the job takes the stamp away, in its own transaction
//! (migration V11). So a lease that has locked a trigger and finds a stamp there
//! knows that the job is what it was when the stamp was drawn:
//!
//! - a change that committed before the lock took the stamp: `for update` returns
//!   the newest version of the row, and the lease reads the job;
//! - a change that has come to the trigger and not committed holds it: `skip
//!   locked` passes it by;
//! - a change that has not come to the trigger waits there for the lease, as if it
//!   came after it. It waits whether or not there is a stamp yet, so that one drawn
//!   from the job as it was does not outlive it.
//!
//! The stamp is no version: after a failover that lost the last writes a version
//! can come twice and mean two things; a stamp that was lost is never drawn again.
//!
//! Everything in a [`Job`] that `job_definition` does not hold (the next fire time,
//! the runs) is not read by a lease in the first place. Other triggers than those of
//! schedules bear no stamp: their jobs are read.

use super::Jobs;
use crate::model::job::Job;
use crate::model::schedule::Schedule;
use crate::model::target::Target;
use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most memory of what is remembered, as [`bytes`] counts it: 100,000 plain jobs.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// When there is no more room, what did not fire for so long is forgotten; who
/// comes then and finds none is not remembered. (A cache that always takes in the
/// newest is worth nothing when jobs fire in turn and there is one too many.)
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// What the clones of a store remember together.
#[derive(Clone, Default)]
pub struct RememberedJobs(Arc<Mutex<Memory>>);

impl RememberedJobs {
    /// Those of these jobs that are remembered under these stamps.
    pub(super) fn recall(&self, stamps: &HashMap<Uuid, i64>) -> Jobs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recall(stamps)
    }

    /// Remembers jobs that were read while their triggers were held, if there is room.
    pub(super) fn remember(&self, jobs: &Jobs, stamps: &HashMap<Uuid, i64>) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        for (job, stamp) in jobs.values().filter_map(|job| Some((job, stamps.get(&job.id)?))) {
            memory.remember(job, *stamp, now);
        }
    }
}

#[derive(Default)]
struct Memory {
    jobs: HashMap<Uuid, Remembered>,
    bytes: usize,
    swept: Option<Instant>,
}

struct Remembered {
    stamp: i64,
    job: Arc<Job>,
    bytes: usize,
    /// Whether it fired since the last sweep.
    fired: bool,
}

impl Memory {
    fn recall(&mut self, stamps: &HashMap<Uuid, i64>) -> Jobs {
        let mut known = Jobs::with_capacity(stamps.len());
        for (id, stamp) in stamps {
            if let Some(remembered) = self.jobs.get_mut(id).filter(|remembered| remembered.stamp == *stamp) {
                remembered.fired = true;
                known.insert(*id, remembered.job.clone());
            }
        }
        known
    }

    fn remember(&mut self, job: &Arc<Job>, stamp: i64, now: Instant) {
        if let Some(stale) = self.jobs.remove(&job.id) {
            self.bytes -= stale.bytes;
        }
        let bytes = bytes(job);
        if self.bytes + bytes > BYTES_MAX {
            self.sweep(now);
        }
        if self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.jobs.insert(job.id, Remembered { stamp, job: job.clone(), bytes, fired: true });
        }
    }

    /// Forgets what has not fired since the last time.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < FORGOTTEN_AFTER) {
            return;
        }
        self.swept = Some(now);
        self.jobs.retain(|_, remembered| std::mem::take(&mut remembered.fired));
        self.bytes = self.jobs.values().map(|remembered| remembered.bytes).sum();
    }
}

/// About what a job takes: full of each of four sorts, the memory took 0.96 to 1.15
/// times as much (resident).
fn bytes(job: &Job) -> usize {
    /// Half of the map may be free.
    const ENTRY: usize = 2 * size_of::<(Uuid, Remembered)>();
    /// A parsed expression; its zone is shared.
    const CRON: usize = 1_200;
    let d = &job.definition;
    let texts = [Some(&d.name), d.description.as_ref(), d.calendar.as_ref(), job.paused_because.as_ref()];
    let texts = texts.into_iter().flatten().chain(&d.tags).map(|text| text_bytes(text)).sum::<usize>();
    let schedule = if matches!(d.schedule, Schedule::Cron(_)) { CRON } else { 0 };
    let target = match &d.target {
        Target::Log | Target::Noop(_) => 0,
        Target::Http(http) => {
            let headers = http.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            let body = http.body.as_deref().map_or(0, str::len);
            http.url.as_str().len() + body + headers + map_bytes::<String>(http.headers.len())
        }
    };
    ENTRY
        + size_of::<Job>()
        + schedule
        + texts
        + target
        + d.payload.as_ref().map_or(0, |payload| payload.as_str().len())
}

fn text_bytes(text: &str) -> usize {
    size_of::<String>() + text.len()
}

/// A node of a B-tree has room for eleven, and is half full at least, unless it is alone.
fn map_bytes<V>(entries: usize) -> usize {
    entries.div_ceil(6) * 11 * size_of::<(String, V)>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::job::{JobDefinition, JobStatus};
    use crate::model::payload::Payload;

    fn job(id: u128, payload_bytes: usize) -> Arc<Job> {
        let at = Timestamp::UNIX_EPOCH;
        let mut definition = JobDefinition::plain("job", Schedule::Once { at });
        definition.payload = Payload::of_json(format!("\"{}\"", "x".repeat(payload_bytes))).ok();
        Arc::new(Job {
            id: Uuid::from_u128(id),
            definition,
            status: JobStatus::Active,
            paused_because: None,
            version: 0,
            created_at: at,
            updated_at: at,
            next_fire_time: None,
            closed_from: None,
            held_fire_time: None,
            runs: 0,
        })
    }

    fn recalls(memory: &mut Memory, id: u128, stamp: i64) -> bool {
        !memory.recall(&HashMap::from([(Uuid::from_u128(id), stamp)])).is_empty()
    }

    #[test]
    fn a_job_is_known_by_its_last_stamp_only() {
        let mut memory = Memory::default();
        memory.remember(&job(1, 0), 7, Instant::now());
        assert!(recalls(&mut memory, 1, 7) && !recalls(&mut memory, 1, 8) && !recalls(&mut memory, 2, 7));

        memory.remember(&job(1, 0), 8, Instant::now());
        assert!(recalls(&mut memory, 1, 8) && !recalls(&mut memory, 1, 7));
        assert_eq!(memory.bytes, bytes(&job(1, 0)), "counted once");
    }

    /// Four jobs fill the memory, a fifth does not fit.
    #[test]
    fn a_full_memory_keeps_what_fires_and_forgets_what_does_not() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let big = |id| job(id, BYTES_MAX / 9 * 2);
        for id in 1..=5 {
            memory.remember(&big(id), 0, start);
        }
        assert!((1..=4).all(|id| recalls(&mut memory, id, 0)) && !recalls(&mut memory, 5, 0), "first come");
        memory.remember(&big(5), 0, start + FORGOTTEN_AFTER);
        assert!(!recalls(&mut memory, 5, 0), "all had fired");
        assert!((2..=4).all(|id| recalls(&mut memory, id, 0)));

        memory.remember(&big(5), 0, start + FORGOTTEN_AFTER * 2);

        assert!((2..=5).all(|id| recalls(&mut memory, id, 0)) && !recalls(&mut memory, 1, 0));
        assert!(memory.bytes <= BYTES_MAX);
    }

    #[test]
    fn a_job_that_is_larger_than_the_memory_is_not_remembered() {
        let mut memory = Memory::default();
        memory.remember(&job(1, BYTES_MAX), 0, Instant::now());
        assert!(!recalls(&mut memory, 1, 0));
        assert_eq!(memory.bytes, 0);
    }
}
