//! The job cache: jobs read before, so a lease need not read the jobs again.
//!
//! The database makes the cache safe. A schedule trigger bears a cache tag: a random number, drawn
//! by a lease with the trigger locked and the job read. Each change of the job removes the cache
//! tag, in the same transaction (migration V11). So a lease that has locked a trigger with the
//! cached tag knows that the job has not changed since the tag was drawn:
//!
//! - a change committed before the lock has removed the cache tag: `for update` returns the newest
//!   version of the row, and the lease reads the job;
//! - an uncommitted change of the trigger holds the lock of the trigger: `skip locked` skips the
//!   trigger;
//! - a change on the way to the trigger waits there for the lease, as if the change came later. The
//!   change waits with or without a cache tag, so a tag drawn from the old job does not outlive the
//!   change.
//!
//! A cache tag is no version. After a failover with lost writes the same version can come twice
//! with two meanings; a lost cache tag is never drawn again.
//!
//! A lease does not read the parts of a [`Job`] outside of `job_definition` (the next fire time,
//! the runs). Only triggers of schedules bear cache tags: the jobs of other triggers are read.

use crate::model::job::Job;
use crate::model::schedule::Schedule;
use crate::model::target::Target;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The jobs of a lease, by id.
pub type Jobs = HashMap<Uuid, Arc<Job>>;

/// Largest size of the cache, as [`bytes`] counts it: 100,000 plain jobs.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Jobs that have not fired for this long may be evicted when the cache is full.
/// If nothing can be evicted, a new job is not cached: admitting the newest job unconditionally
/// makes the cache useless when jobs fire in turn and do not all fit.
const EVICT_AFTER: Duration = Duration::from_mins(1);

/// The cache. Clones share the entries.
#[derive(Clone, Default)]
pub struct JobCache(Arc<Mutex<State>>);

impl JobCache {
    /// The jobs cached under the tags.
    pub(crate) fn get(&self, cache_tags: &HashMap<Uuid, i64>) -> Jobs {
        self.0.lock().get(cache_tags)
    }

    /// Caches jobs, as far as there is room. The jobs were read with their triggers locked.
    pub(crate) fn insert(&self, jobs: &Jobs, cache_tags: &HashMap<Uuid, i64>) {
        let mut state = self.0.lock();
        let now = Instant::now();
        for (job, cache_tag) in jobs
            .values()
            .filter_map(|job| Some((job, cache_tags.get(&job.id)?)))
        {
            state.insert(job, *cache_tag, now);
        }
    }
}

#[derive(Default)]
struct State {
    jobs: HashMap<Uuid, Entry>,
    bytes: usize,
    evicted_at: Option<Instant>,
}

struct Entry {
    cache_tag: i64,
    job: Arc<Job>,
    bytes: usize,
    /// Whether the job fired since the last eviction.
    fired: bool,
}

impl State {
    fn get(&mut self, cache_tags: &HashMap<Uuid, i64>) -> Jobs {
        let mut found = Jobs::with_capacity(cache_tags.len());
        for (id, cache_tag) in cache_tags {
            let entry = self.jobs.get_mut(id);
            // Another tag: the job has changed, and is read again.
            if let Some(entry) = entry.filter(|entry| entry.cache_tag == *cache_tag) {
                entry.fired = true;
                found.insert(*id, entry.job.clone());
            }
        }
        found
    }

    fn insert(&mut self, job: &Arc<Job>, cache_tag: i64, now: Instant) {
        // A job read again has a new tag, and the old entry can never be found.
        if let Some(stale) = self.jobs.remove(&job.id) {
            self.bytes -= stale.bytes;
        }
        let bytes = bytes(job);
        if self.bytes + bytes > BYTES_MAX {
            self.evict(now);
        }
        if self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.jobs.insert(
                job.id,
                Entry {
                    cache_tag,
                    job: job.clone(),
                    bytes,
                    fired: true,
                },
            );
        }
    }

    /// Evicts the jobs that have not fired since the last eviction.
    fn evict(&mut self, now: Instant) {
        let is_recent = self
            .evicted_at
            .is_some_and(|evicted_at| now.duration_since(evicted_at) < EVICT_AFTER);
        // Too early to tell which jobs fire.
        if is_recent {
            return;
        }
        self.evicted_at = Some(now);
        self.jobs
            .retain(|_, entry| std::mem::take(&mut entry.fired));
        // A sum, not differences: an error in a difference would stay for ever.
        self.bytes = self.jobs.values().map(|entry| entry.bytes).sum();
    }
}

/// About the bytes of a job: the resident size of a cache full of each of four sorts was 0.96 to
/// 1.15 times as much.
fn bytes(job: &Job) -> usize {
    /// Half of the map may be free.
    const ENTRY: usize = 2 * size_of::<(Uuid, Entry)>();
    /// A parsed expression; its zone is shared.
    const CRON: usize = 1_200;
    let d = &job.definition;
    let texts = [
        Some(&d.name),
        d.description.as_ref(),
        d.calendar.as_ref(),
        job.pause_reason.as_ref(),
    ];
    let texts = texts
        .into_iter()
        .flatten()
        .chain(&d.tags)
        .map(|text| text_bytes(text))
        .sum::<usize>();
    let schedule = if matches!(d.schedule, Schedule::Cron(_)) {
        CRON
    } else {
        0
    };
    let target = match &d.target {
        Target::Log | Target::Noop(_) => 0,
        Target::Handler(handler) => handler.name.len(),
        Target::Http(http) => {
            let headers = http
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
            let body = http.body.as_deref().map_or(0, str::len);
            // `BTreeMap` allocates whole nodes.
            http.url.as_str().len() + body + headers + map_bytes::<String>(http.headers.len())
        }
    };
    ENTRY
        + size_of::<Job>()
        + schedule
        + texts
        + target
        + d.payload
            .as_ref()
            .map_or(0, |payload| payload.as_str().len())
}

fn text_bytes(text: &str) -> usize {
    size_of::<String>() + text.len()
}

/// A node of a B-tree has room for eleven entries, and at least half of them are used.
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
            namespace: "default".to_owned(),
            id: Uuid::from_u128(id),
            definition,
            status: JobStatus::Active,
            pause_reason: None,
            version: 0,
            created_at: at,
            updated_at: at,
            next_fire_time: None,
            excluded_from: None,
            paused_fire_time: None,
            runs: 0,
        })
    }

    fn holds(state: &mut State, id: u128, cache_tag: i64) -> bool {
        !state
            .get(&HashMap::from([(Uuid::from_u128(id), cache_tag)]))
            .is_empty()
    }

    #[test]
    fn a_job_is_cached_under_its_last_tag_only() {
        let mut state = State::default();
        state.insert(&job(1, 0), 7, Instant::now());
        assert!(holds(&mut state, 1, 7) && !holds(&mut state, 1, 8) && !holds(&mut state, 2, 7));

        state.insert(&job(1, 0), 8, Instant::now());
        assert!(holds(&mut state, 1, 8) && !holds(&mut state, 1, 7));
        assert_eq!(state.bytes, bytes(&job(1, 0)), "counted once");
    }

    /// Four jobs fill the cache, a fifth does not fit.
    #[test]
    fn a_full_cache_keeps_jobs_that_fire_and_evicts_the_others() {
        let (mut state, start) = (State::default(), Instant::now());
        let big = |id| job(id, BYTES_MAX / 9 * 2);
        for id in 1..=5 {
            state.insert(&big(id), 0, start);
        }
        assert!(
            (1..=4).all(|id| holds(&mut state, id, 0)) && !holds(&mut state, 5, 0),
            "first come"
        );
        state.insert(&big(5), 0, start + EVICT_AFTER);
        assert!(!holds(&mut state, 5, 0), "all had fired");
        assert!((2..=4).all(|id| holds(&mut state, id, 0)));

        state.insert(&big(5), 0, start + EVICT_AFTER * 2);

        assert!((2..=5).all(|id| holds(&mut state, id, 0)) && !holds(&mut state, 1, 0));
        assert!(state.bytes <= BYTES_MAX);
    }

    #[test]
    fn a_job_that_is_larger_than_the_cache_is_not_cached() {
        let mut state = State::default();
        state.insert(&job(1, BYTES_MAX), 0, Instant::now());
        assert!(!holds(&mut state, 1, 0));
        assert_eq!(state.bytes, 0);
    }
}
