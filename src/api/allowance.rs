//! Limits of a request: connections at the same time, memory for rows, bytes of the answer.
//!
//! A large answer, and an expensive query before its execution, take a place of the node for large
//! answers; there are few. A large answer keeps the place until the end of the sending. Ten clients
//! with the largest answers thus take the memory of two.

use super::errors;
use crate::store::Store;
use crate::store::db::budget::Budget;
use crate::threads::Computations;
use async_graphql::{Context, Error, Response, Result, Value};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of the rows of a request, before they become an answer.
const ROW_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Bytes of an answer, or of its rows, from which on the answer is large.
const LARGE_BYTES: usize = 1024 * 1024;
/// Number of large answers of a node at the same time.
const LARGE_AT_ONCE: usize = 2;
/// Longest wait of a large answer for its place.
const LARGE_WAIT: Duration = Duration::from_secs(3);
/// Statements of one request at the same time; the other connections of the pool are for other
/// requests.
const STATEMENTS_AT_ONCE: usize = 2;
/// Bytes of a field in memory, without its text.
const FIELD_BYTES: usize = 100;
/// Number of fields after which a request yields its thread.
const FIELDS_AT_A_TIME: usize = 2_000;

/// Arithmetic of queries that takes up to some hundred milliseconds: plans, previews of backfills.
pub static COMPUTATIONS: Computations = Computations::at_once(2);

/// The places of a node for large answers.
#[derive(Clone)]
pub struct LargeAnswers(Arc<Semaphore>);

/// Usage of one request.
pub struct Allowance {
    statements: Semaphore,
    rows: Arc<Budget>,
    bytes: AtomicUsize,
    fields: AtomicUsize,
    is_exceeded: AtomicBool,
    is_executed: AtomicBool,
    places: LargeAnswers,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

/// The store, for one statement of the request.
pub struct StoreTurn<'a> {
    store: Store,
    _turn: SemaphorePermit<'a>,
}

impl Deref for StoreTurn<'_> {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Default for LargeAnswers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

impl LargeAnswers {
    /// The allowance of one request.
    pub fn allowance(&self) -> Arc<Allowance> {
        Arc::new(Allowance {
            statements: Semaphore::new(STATEMENTS_AT_ONCE),
            rows: Arc::new(Budget::of(ROW_BYTES_MAX)),
            bytes: AtomicUsize::new(0),
            fields: AtomicUsize::new(0),
            is_exceeded: AtomicBool::new(false),
            is_executed: AtomicBool::new(false),
            places: self.clone(),
            place: Mutex::new(None),
        })
    }
}

impl Allowance {
    /// Waits for the turn of one more statement.
    pub async fn store(&self, store: &Store) -> Result<StoreTurn<'_>> {
        // Many lists of middle size make a large answer, too: the place is taken before the next
        // read.
        if self.rows.taken() > LARGE_BYTES {
            self.take_place().await?;
        }
        let turn = self
            .statements
            .acquire()
            .await
            .map_err(|_| errors::internal())?;
        Ok(StoreTurn {
            store: store.within(self.rows.clone()),
            _turn: turn,
        })
    }

    /// Takes a place for a large answer, or waits for one.
    pub async fn take_place(&self) -> Result<()> {
        let mut place = self.place.lock().await;
        if place.is_none() {
            // A free place needs no timer.
            *place = self.places.0.clone().try_acquire_owned().ok();
        }
        if place.is_none() {
            let free =
                tokio::time::timeout(LARGE_WAIT, self.places.0.clone().acquire_owned()).await;
            let Ok(free) = free else {
                return Err(errors::unavailable(
                    "this node works on other large answers: try again, or ask for less",
                ));
            };
            *place = Some(free.map_err(|_| errors::internal())?);
        }
        Ok(())
    }

    /// Counts a field of the answer.
    pub async fn count(&self, value: &Value) -> Result<()> {
        let bytes = size(value);
        // Relaxed: a single task polls all fields of a request.
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // By this flag `judged` replaces the whole answer at the end.
        if bytes > ANSWER_BYTES_MAX {
            self.is_exceeded.store(true, Ordering::Relaxed);
            return Err(errors::too_large());
        }
        if bytes > LARGE_BYTES {
            self.take_place().await?;
        }
        if self.fields.fetch_add(1, Ordering::Relaxed) % FIELDS_AT_A_TIME == FIELDS_AT_A_TIME - 1 {
            // Without a pause a large list would keep the thread: no field of the list waits.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Whether an answer of this length needs a place until the end of the sending.
    pub fn is_large(length: usize) -> bool {
        length > LARGE_BYTES
    }

    /// Notes that the request was admitted and found valid.
    pub fn begin_execution(&self) {
        self.is_executed.store(true, Ordering::Relaxed);
    }

    /// Whether execution has started; otherwise the request was refused.
    pub fn is_executed(&self) -> bool {
        self.is_executed.load(Ordering::Relaxed)
    }

    /// The answer, or a single error: the fields of an answer that is too large are incomplete.
    pub fn judged(&self, response: Response) -> Response {
        if self.is_exceeded.load(Ordering::Relaxed) {
            too_large()
        } else {
            response
        }
    }

    /// Returns the usage of an event of a subscription.
    pub fn next_event(&self) {
        // Each event is an answer of its own.
        self.rows.refill();
        self.bytes.store(0, Ordering::Relaxed);
        self.is_exceeded.store(false, Ordering::Relaxed);
        // Between two events no field waits for the place, so that the lock is free.
        if let Ok(mut place) = self.place.try_lock() {
            *place = None;
        }
    }
}

/// The answer in place of one that is too large.
pub fn too_large() -> Response {
    Response::from_errors(vec![
        errors::too_large().into_server_error(async_graphql::Pos::default()),
    ])
}

/// The allowance of the current request.
pub fn of<'a>(ctx: &Context<'a>) -> Result<&'a Allowance, Error> {
    Ok(ctx.data::<Arc<Allowance>>()?)
}

/// Bytes of a value in memory.
fn size(value: &Value) -> usize {
    // A list instead of recursion: the depth of a stored payload is the choice of its author.
    let (mut bytes, mut open) = (0, vec![value]);
    while let Some(value) = open.pop() {
        bytes += FIELD_BYTES;
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Enum(name) => bytes += name.len(),
            Value::Binary(binary) => bytes += binary.len(),
            Value::List(items) => open.extend(items),
            Value::Object(fields) => {
                bytes += fields.keys().map(|name| name.len()).sum::<usize>();
                open.extend(fields.values());
            }
            Value::Null | Value::Number(_) | Value::Boolean(_) => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::value;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_large_answer_waits_for_its_place_and_a_small_one_does_not() {
        let places = LargeAnswers::default();
        let [first, second, third] = [(); 3].map(|()| places.allowance());
        let large = Value::String("x".repeat(LARGE_BYTES));
        assert!(first.count(&large).await.is_ok() && second.count(&large).await.is_ok());
        assert!(
            third
                .count(&value!("small"))
                .now_or_never()
                .is_some_and(|counted| counted.is_ok())
        );
        assert!(
            third.count(&large).now_or_never().is_none(),
            "there is no place"
        );
        drop(first);
        assert!(
            third
                .count(&large)
                .now_or_never()
                .is_some_and(|counted| counted.is_ok())
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_one_error() {
        let allowance = LargeAnswers::default().allowance();
        let large = Value::String("x".repeat(ANSWER_BYTES_MAX / 2));
        assert!(allowance.count(&large).await.is_ok());
        assert!(allowance.judged(Response::default()).errors.is_empty());
        assert!(allowance.count(&large).await.is_err());
        assert_eq!(allowance.judged(Response::default()).errors.len(), 1);
        allowance.next_event();
        assert!(
            allowance.count(&large).await.is_ok(),
            "the next event of a subscription"
        );
    }

    #[test]
    fn a_value_counts_with_all_that_is_in_it() {
        assert_eq!(
            size(&value!({"ab": ["cde", 1, null]})),
            5 * FIELD_BYTES + 2 + 3
        );
    }
}
