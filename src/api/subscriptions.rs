//! Subscriptions: what changes, told while somebody listens.
//!
//! One feed of each kind per node: it asks the database while it has listeners,
//! however many, and sleeps when the last one is gone. Events are hints with
//! content: a listener that is too slow loses the oldest, and whoever was away
//! reads the lists again.

use super::errors;
use super::overview::{Overview, overview};
use crate::model::job::Job;
use crate::store::Store;
use crate::store::changes::{ExecutionsSeen, JobsSeen, NodesSeen};
use crate::store::executions::ExecutionRecord;
use crate::store::nodes::NodeRecord;
use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use uuid::Uuid;

/// How often a feed asks what has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the overview is told.
const OVERVIEW_EVERY: Duration = Duration::from_secs(1);
/// Events that a slow listener may be behind.
const BEHIND_MAX: usize = 1_024;
/// Listeners of one feed on one node.
const LISTENERS_MAX: usize = 1_000;

/// The feeds of a node.
pub struct Feeds {
    executions: Feed<ExecutionRecord>,
    jobs: Feed<Job>,
    nodes: Feed<NodeRecord>,
    overviews: Feed<Overview>,
}

/// Events of one kind; there is a sender while somebody listens.
struct Feed<T>(Arc<Mutex<Option<broadcast::Sender<T>>>>);

/// The subscriptions.
#[derive(Default)]
pub struct Subscription;

impl Feeds {
    /// Feeds that nobody listens to yet.
    pub fn new() -> Self {
        Self { executions: Feed::new(), jobs: Feed::new(), nodes: Feed::new(), overviews: Feed::new() }
    }
}

impl<T: Clone + Send + 'static> Feed<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    /// Listens; the first listener makes the feed look.
    fn listen<S: Default + Send + 'static>(
        &self,
        every: Duration,
        look: impl AsyncFnMut(&mut S) -> Vec<T> + 'static,
    ) -> Result<BoxStream<'static, T>> {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.as_ref().is_some_and(|sender| sender.receiver_count() >= LISTENERS_MAX) {
            return Err(errors::unavailable("too many listeners on this node: try another"));
        }
        let receiver = if let Some(sender) = &*sender {
            sender.subscribe()
        } else {
            let (fresh, receiver) = broadcast::channel(BEHIND_MAX);
            *sender = Some(fresh);
            actix::spawn(feed(self.0.clone(), every, look));
            receiver
        };
        let events = stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    // The oldest are lost: the lists have them.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(events.boxed())
    }
}

/// Looks until nobody listens any more.
async fn feed<T: Clone, S: Default>(
    shared: Arc<Mutex<Option<broadcast::Sender<T>>>>,
    every: Duration,
    mut look: impl AsyncFnMut(&mut S) -> Vec<T>,
) {
    let mut seen = S::default();
    loop {
        let events = look(&mut seen).await;
        {
            let mut sender = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match &*sender {
                Some(listened) if listened.receiver_count() > 0 => {
                    for event in events {
                        drop(listened.send(event));
                    }
                }
                // Under the lock: a listener that comes now begins anew.
                _ => {
                    *sender = None;
                    return;
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}

#[expect(clippy::unused_async, reason = "the macro wants every subscription asynchronous")]
#[GraphqlSubscription]
impl Subscription {
    /// Executions that are new or stand otherwise, of one job or of all. What
    /// changes faster than twice a second may be told once.
    async fn execution_updated(
        &self,
        ctx: &Context<'_>,
        job_id: Option<ID>,
    ) -> Result<impl Stream<Item = ExecutionRecord> + use<>> {
        let job_id = job_id.map(|id| errors::uuid("jobId", &id)).transpose()?;
        let store = ctx.data::<Store>()?.clone();
        let look = async move |seen: &mut ExecutionsSeen| told(store.changed_executions(seen).await);
        let events = ctx.data::<Feeds>()?.executions.listen(LOOK_EVERY, look)?;
        let wanted = move |execution: &ExecutionRecord| job_id.is_none_or(|id: Uuid| execution.job_id == id);
        Ok(events.filter(move |execution| std::future::ready(wanted(execution))))
    }

    /// Jobs that were created, edited, paused, resumed or deleted.
    async fn job_updated(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Job> + use<>> {
        let store = ctx.data::<Store>()?.clone();
        let look = async move |seen: &mut JobsSeen| told(store.changed_jobs(seen).await);
        ctx.data::<Feeds>()?.jobs.listen(LOOK_EVERY, look)
    }

    /// Nodes that joined, changed their state or load, or renewed their heartbeat.
    async fn node_updated(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = NodeRecord> + use<>> {
        let store = ctx.data::<Store>()?.clone();
        let look = async move |seen: &mut NodesSeen| told(store.changed_nodes(seen).await);
        ctx.data::<Feeds>()?.nodes.listen(LOOK_EVERY, look)
    }

    /// The overview, at once and then each second.
    async fn overview_updated(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Overview> + use<>> {
        let store = ctx.data::<Store>()?.clone();
        let first = overview(&store).await.ok();
        let look = async move |(): &mut ()| overview(&store).await.ok().into_iter().collect();
        Ok(stream::iter(first).chain(ctx.data::<Feeds>()?.overviews.listen(OVERVIEW_EVERY, look)?))
    }
}

/// What was found; when the database did not answer, nothing is told.
fn told<T>(found: Result<Vec<T>, crate::store::StoreError>) -> Vec<T> {
    found.unwrap_or_else(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "no look for changes: trying again");
        Vec::new()
    })
}
