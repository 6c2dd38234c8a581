//! The gateway: what a node does for the workers that talk to it.
//!
//! It holds nothing for them. Polls that wait share what is known about their route: of all that
//! wait at this node one looks, and the others wait with it until something is due, a hint comes,
//! or a second has passed.

use super::bodies::PollRequest;
use super::problem::Problem;
use crate::model::execution::Attempt;
use crate::model::payload::Payload;
use crate::model::{InvalidInput, Timestamp};
use crate::store::protocol::lease_store::{Batch, LeaseStore, Leased, Remaining};
use crate::store::protocol::workers::WorkerKey;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// Most polls that a node serves at once. Each has a connection of a client.
const POLLS_MAX: usize = 256;
/// Longest time between two looks at a route with a waiting poll: a hint may be lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pause when all that is due is in the hands of another transaction.
const CONTENDED_PAUSE: Duration = Duration::from_millis(10);
/// Routes that are kept although no poll asks for them.
const ROUTES_KEPT: usize = 1_000;

/// The gateway of a node. Clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    leases: LeaseStore,
    routes: Mutex<HashMap<String, Arc<Route>>>,
    /// The number of hints so far.
    hints: watch::Sender<u64>,
    places: Semaphore,
}

/// A route, and what the last look found there.
struct Route {
    leases: LeaseStore,
    outlook: tokio::sync::Mutex<Outlook>,
}

struct Outlook {
    /// The hints before the last look.
    hint: u64,
    /// Nothing is due before, unless a hint comes.
    idle_until: Instant,
}

/// An attempt that a poll has leased.
pub struct LeasedAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// Instant of the lease, by the database's clock.
    pub leased_at: Timestamp,
    /// What an earlier attempt left.
    pub checkpoint: Option<Payload>,
}

/// The answer to a poll.
#[derive(Default)]
pub struct PollAnswer {
    /// Whether the worker shall take nothing new.
    pub is_draining: bool,
    /// What it holds from now on.
    pub attempts: Vec<LeasedAttempt>,
}

/// What a poll found at its routes.
enum Looked {
    Leased(Vec<LeasedAttempt>),
    /// Nothing is due before this instant.
    Idle(Instant),
    /// The worker may not lease now.
    Refused,
}

/// What it found at one route.
enum RouteLook {
    Leased(Leased, Instant),
    Idle(Instant),
    Refused,
}

impl Gateway {
    /// A gateway on a store with connections of its own.
    pub fn new(store: Store) -> Self {
        Self(Arc::new(Inner {
            leases: LeaseStore::new(store),
            routes: Mutex::default(),
            hints: watch::Sender::default(),
            places: Semaphore::new(POLLS_MAX),
        }))
    }

    /// The store of the workers.
    pub fn store(&self) -> &Store {
        self.0.leases.store()
    }

    /// Something may be due.
    pub fn wake(&self) {
        self.0
            .hints
            .send_modify(|hints| *hints = hints.wrapping_add(1));
    }

    /// Reclaims what an earlier answer did not bring to the worker, and leases what is due of its
    /// routes; waits until something is.
    pub async fn poll(
        &self,
        worker: &WorkerKey,
        request: &PollRequest,
    ) -> Result<PollAnswer, Problem> {
        let Ok(_place) = self.0.places.try_acquire() else {
            let detail = format!("{POLLS_MAX} polls wait at this node, the most: ask another node");
            return Err(Problem::unavailable(detail));
        };
        let deadline = Instant::now() + request.wait;
        let mut hints = self.0.hints.subscribe();
        let started = self
            .store()
            .begin_poll(worker, request.number, &request.holding)
            .await??;
        if i32::try_from(request.free).is_ok_and(|free| free > started.slots) {
            let message = "must be at most the slots of the worker";
            return Err(InvalidInput::new("free", message).into());
        }
        if started.reclaimed > 0 {
            tracing::warn!(worker.id = %worker.id, count = started.reclaimed, "attempts reclaimed: the answer that leased them was lost");
        }
        let mut is_draining = started.is_draining;
        while !is_draining && request.free > 0 {
            let hint = *hints.borrow_and_update();
            let look = Look {
                worker_id: worker.id,
                number: request.number,
                free: request.free,
                routes: self.routes(&started.routes, request.number),
                hint,
            };
            // A task of its own: a lease that is cut off in the middle would leave the scan cursor
            // in doubt, and a client may end its request at any time.
            let looked = actix_web::rt::spawn(look.run()).await;
            let looked = looked.map_err(|_| Problem::unavailable("the poll broke off"))??;
            let until = match looked {
                Looked::Leased(attempts) => {
                    return Ok(PollAnswer {
                        is_draining,
                        attempts,
                    });
                }
                Looked::Idle(until) => until,
                Looked::Refused => {
                    is_draining = self.store().poll_state(worker, request.number).await??;
                    Instant::now() + LOOK_INTERVAL
                }
            };
            if Instant::now() >= deadline {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until.min(deadline).into()) => {}
                changed = hints.changed() => if changed.is_err() { break },
            }
        }
        Ok(PollAnswer {
            is_draining,
            attempts: Vec::new(),
        })
    }

    /// The routes of a worker; the first one differs from poll to poll.
    fn routes(&self, names: &[String], number: i64) -> Vec<Arc<Route>> {
        let mut known = self.0.routes.lock();
        if known.len() > ROUTES_KEPT {
            known.retain(|_, route| Arc::strong_count(route) > 1);
        }
        let mut routes: Vec<Arc<Route>> = names
            .iter()
            .map(|name| {
                let route = known
                    .entry(name.clone())
                    .or_insert_with(|| Arc::new(Route::new(&self.0.leases, name)));
                route.clone()
            })
            .collect();
        let first = usize::try_from(number).unwrap_or_default() % routes.len().max(1);
        routes.rotate_left(first);
        routes
    }
}

/// One look at the routes of a worker.
struct Look {
    worker_id: Uuid,
    number: i64,
    free: usize,
    routes: Vec<Arc<Route>>,
    hint: u64,
}

impl Look {
    async fn run(self) -> Result<Looked, StoreError> {
        let mut attempts = Vec::new();
        let mut idle_until = Instant::now() + LOOK_INTERVAL;
        for route in &self.routes {
            let free = self.free.saturating_sub(attempts.len());
            if free == 0 {
                break;
            }
            match route.look(&self, free).await {
                Ok(RouteLook::Leased(leased, until)) => {
                    idle_until = idle_until.min(until);
                    let now = leased.now;
                    attempts.extend(leased.attempts.into_iter().map(|attempt| (attempt, now)));
                }
                Ok(RouteLook::Idle(until)) => idle_until = idle_until.min(until),
                Ok(RouteLook::Refused) if attempts.is_empty() => return Ok(Looked::Refused),
                Err(error) if attempts.is_empty() => return Err(error),
                // What is leased belongs to the worker.
                Ok(RouteLook::Refused) | Err(_) => break,
            }
        }
        if attempts.is_empty() {
            return Ok(Looked::Idle(idle_until));
        }
        self.with_checkpoints(attempts).await.map(Looked::Leased)
    }

    /// An error loses the answer: the next poll reclaims the attempts.
    async fn with_checkpoints(
        &self,
        attempts: Vec<(Attempt, Timestamp)>,
    ) -> Result<Vec<LeasedAttempt>, StoreError> {
        let again: Vec<Uuid> = attempts
            .iter()
            .filter(|(attempt, _)| attempt.attempt > 1)
            .map(|(attempt, _)| attempt.execution_id)
            .collect();
        let mut checkpoints = match self.routes.first() {
            Some(route) => route.leases.store().checkpoints(&again).await?,
            None => HashMap::new(),
        };
        let attempts = attempts.into_iter().map(|(attempt, leased_at)| {
            let checkpoint = checkpoints.remove(&attempt.execution_id);
            LeasedAttempt {
                attempt,
                leased_at,
                checkpoint,
            }
        });
        Ok(attempts.collect())
    }
}

impl Route {
    fn new(leases: &LeaseStore, name: &str) -> Self {
        Self {
            leases: leases.of_route(name),
            outlook: tokio::sync::Mutex::new(Outlook {
                hint: 0,
                idle_until: Instant::now(),
            }),
        }
    }

    async fn look(&self, look: &Look, free: usize) -> Result<RouteLook, StoreError> {
        let mut outlook = self.outlook.lock().await;
        if outlook.hint == look.hint && Instant::now() < outlook.idle_until {
            return Ok(RouteLook::Idle(outlook.idle_until));
        }
        let leased = self
            .leases
            .lease_for_worker(look.worker_id, look.number, Batch::of(free))
            .await?;
        let Some(leased) = leased else {
            return Ok(RouteLook::Refused);
        };
        let now = Instant::now();
        let until = match leased.remaining {
            Remaining::Now => now,
            Remaining::Contended => now + CONTENDED_PAUSE,
            Remaining::Later {
                next_due,
                deferred_until,
            } => {
                let next = next_due.into_iter().chain(deferred_until).min();
                let wait = next.map_or(LOOK_INTERVAL, |next| {
                    (next - leased.now).to_std().unwrap_or_default()
                });
                // The clock was read a moment before `read_at`: this is never too early.
                (leased.read_at + wait).min(now + LOOK_INTERVAL)
            }
        };
        *outlook = Outlook {
            hint: look.hint,
            idle_until: until,
        };
        if leased.attempts.is_empty() {
            return Ok(RouteLook::Idle(until));
        }
        Ok(RouteLook::Leased(leased, until))
    }
}
