//! Subscriptions: changes, as events for listeners.
//!
//! A node has one feed of each kind. The feed polls the database while it has listeners, with the
//! same cost for any number of them. Events are hints with content: a slow listener loses the
//! oldest events, and a client that was away reads the lists again. Events have no large fields; a
//! large field that a listener selects is read when the listener takes the event.

use super::context::{LARGE_OF_EXECUTIONS, LARGE_OF_JOBS, asks_for, caller};
use super::errors;
use super::overview::{Overview, overview};
use super::reach::WholeStore;
use super::whole::Whole;
use crate::model::access::{Reach, Role};
use crate::model::client::Client;
use crate::model::job::Job;
use crate::store::Store;
use crate::store::protocol::membership::NodeRecord;
use crate::store::queries::changes::{ExecutionsSeen, JobsSeen, NodesSeen};
use crate::store::queries::executions::ExecutionRecord;
use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use uuid::Uuid;

/// Time between two polls of a feed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two overviews.
const OVERVIEW_EVERY: Duration = Duration::from_secs(1);
/// Time over which changes are counted before the number is sent.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// Longest pause between two overviews that a listener may ask for, in seconds.
const PAUSE_SECONDS_MAX: i32 = 60;
/// Most events that a slow listener may lag behind. They stay in memory once for all listeners of a
/// feed: at most 16 MB, since an event takes up to 15 KB.
const BEHIND_MAX: usize = 1_024;
/// The same for overviews: a newer one replaces the older.
const OVERVIEWS_BEHIND_MAX: usize = 1;
/// Most listeners of one feed on one node, without the first of each socket.
const LISTENERS_MAX: usize = 1_000;
/// Most listeners of one client among them.
const LISTENERS_PER_CLIENT_MAX: usize = 200;

/// The feeds of a node.
pub struct Feeds {
    executions: Feed<ExecutionRecord>,
    jobs: Feed<Job>,
    nodes: Feed<NodeRecord>,
    overviews: Overviews,
    whole: Arc<Whole>,
}

/// Events of one kind.
struct Feed<T> {
    told: Told<T>,
    listeners: Listeners,
    behind_max: usize,
}

/// The feeds of overviews, for each reach with listeners. Two callers with the same reach share a
/// feed.
#[derive(Default)]
struct Overviews(Mutex<HashMap<Reach, Arc<Feed<Overview>>>>);

/// The channel of a feed; none without listeners.
type Told<T> = Arc<Mutex<Option<Events<T>>>>;

struct Events<T> {
    sender: broadcast::Sender<T>,
    last: Option<T>,
}

/// The socket of an operation, in the data of each operation over a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscriber {
    /// The user, the token or the address, for the limit of its listeners.
    pub client: Client,
    /// Number of the socket, unique on the node.
    pub socket: u64,
}

/// The listeners of one feed by socket. The first listener of a socket always has a place (sockets
/// have a limit of their own): no client can shut out the dashboard of another one, even behind the
/// same proxy. Further listeners share the limits.
#[derive(Clone, Default)]
struct Listeners(Arc<Mutex<HashMap<Subscriber, usize>>>);

/// A listener's place, freed on drop.
struct Place {
    listeners: Listeners,
    subscriber: Subscriber,
}

/// The subscriptions of the API.
#[derive(Default)]
pub struct Subscription;

impl Feeds {
    /// The feeds of a node, without listeners.
    pub fn new(store: &Store) -> Self {
        Self {
            executions: Feed::new(BEHIND_MAX),
            jobs: Feed::new(BEHIND_MAX),
            nodes: Feed::new(BEHIND_MAX),
            overviews: Overviews::default(),
            whole: Arc::new(Whole::new(store)),
        }
    }
}

impl Overviews {
    /// The feed of a reach. Those without listeners go.
    fn of(&self, reach: &Reach) -> Arc<Feed<Overview>> {
        let mut feeds = self.0.lock();
        // Reaches change with the roles of callers: unused feeds would pile up.
        feeds.retain(|of, feed| of == reach || feed.told.lock().is_some());
        feeds
            .entry(reach.clone())
            .or_insert_with(|| Arc::new(Feed::new(OVERVIEWS_BEHIND_MAX)))
            .clone()
    }
}

impl Listeners {
    fn admit(&self, subscriber: Subscriber) -> Result<Place> {
        let mut listeners = self.0.lock();
        if listeners.contains_key(&subscriber) {
            let mut of_client = 0;
            let mut of_all = 0;
            for (other, count) in listeners.iter() {
                // The first listener of a socket does not count.
                of_all += count - 1;
                if other.client == subscriber.client {
                    of_client += count - 1;
                }
            }
            if of_client >= LISTENERS_PER_CLIENT_MAX || of_all >= LISTENERS_MAX {
                return Err(errors::unavailable(
                    "too many listeners on this node: end a subscription, or try another node",
                ));
            }
        }
        *listeners.entry(subscriber).or_default() += 1;
        Ok(Place {
            listeners: self.clone(),
            subscriber,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = self.listeners.0.lock();
        if let Some(count) = listeners.get_mut(&self.subscriber) {
            *count -= 1;
            if *count == 0 {
                listeners.remove(&self.subscriber);
            }
        }
    }
}

impl<T: Clone + Send + 'static> Feed<T> {
    fn new(behind_max: usize) -> Self {
        Self {
            told: Arc::default(),
            listeners: Listeners::default(),
            behind_max,
        }
    }

    /// Adds a listener; the first one starts the feed. Returns the last event, if there was one,
    /// and the stream of further ones.
    fn listen<S: Default + Send + 'static>(
        &self,
        ctx: &Context<'_>,
        every: Duration,
        poll: impl AsyncFnMut(&mut S) -> Vec<T> + 'static,
    ) -> Result<(Option<T>, BoxStream<'static, T>)> {
        // The stream below owns the place: the end of the subscription frees it.
        let place = self.listeners.admit(*ctx.data::<Subscriber>()?)?;
        let mut told = self.told.lock();
        let (last, receiver) = if let Some(events) = &*told {
            (events.last.clone(), events.sender.subscribe())
        } else {
            let (sender, receiver) = broadcast::channel(self.behind_max);
            *told = Some(Events { sender, last: None });
            // The receiver exists before the first poll, so that the feed finds a listener.
            actix::spawn(feed(self.told.clone(), every, poll));
            (None, receiver)
        };
        let events = stream::unfold((receiver, place), |(mut receiver, place)| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, (receiver, place))),
                    // The oldest events are lost; the lists have their content.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok((last, events.boxed()))
    }
}

/// Polls until the last listener is gone.
async fn feed<T: Clone, S: Default>(
    told: Told<T>,
    every: Duration,
    mut poll: impl AsyncFnMut(&mut S) -> Vec<T>,
) {
    let mut seen = S::default();
    loop {
        let found = poll(&mut seen).await;
        {
            let mut told = told.lock();
            match &mut *told {
                Some(events) if events.sender.receiver_count() > 0 => {
                    // A poll without events leaves the last event for new listeners.
                    events.last = found.last().cloned().or(events.last.take());
                    for event in found {
                        // An error means that the last listener left a moment ago.
                        drop(events.sender.send(event));
                    }
                }
                // Under the lock, so that a listener that comes now starts the feed again.
                _ => {
                    *told = None;
                    return;
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}

#[expect(
    clippy::unused_async,
    reason = "the macro wants every subscription asynchronous"
)]
#[GraphqlSubscription]
impl Subscription {
    /// New and changed executions, of one job or of all. Changes in quick succession, more than two
    /// a second, may be merged. With `output` or `previousAttempts` the event has the state of the
    /// moment at which it is sent; otherwise an `errorMessage` is cut after 500 characters.
    async fn execution_updated(
        &self,
        ctx: &Context<'_>,
        job_id: Option<ID>,
    ) -> Result<BoxStream<'static, ExecutionRecord>> {
        let job_id = job_id.map(|id| errors::uuid("jobId", &id)).transpose()?;
        let events = executions(ctx, job_id)?;
        if !asks_for(ctx, &[], &LARGE_OF_EXECUTIONS) {
            return Ok(events);
        }
        let whole = ctx.data::<Feeds>()?.whole.clone();
        let read = move |execution: ExecutionRecord| {
            let whole = whole.clone();
            async move { whole.execution(execution.id).await }
        };
        Ok(events.filter_map(read).boxed())
    }

    /// Number of new and changed executions, of one job or of all, at most once a second: for
    /// clients that read lists again. In a busy cluster it is a thousandth of `executionUpdated`.
    async fn executions_changed(
        &self,
        ctx: &Context<'_>,
        job_id: Option<ID>,
    ) -> Result<BoxStream<'static, i32>> {
        let job_id = job_id.map(|id| errors::uuid("jobId", &id)).transpose()?;
        Ok(gathered(executions(ctx, job_id)?, GATHERED_FOR).boxed())
    }

    /// Jobs that were created, edited, paused, resumed or deleted. With `payload` or `target` the
    /// event has the state of the moment at which it is sent.
    async fn job_updated(&self, ctx: &Context<'_>) -> Result<BoxStream<'static, Job>> {
        let store = ctx.data::<WholeStore>()?.of_all().clone();
        let (_, events) = ctx.data::<Feeds>()?.jobs.listen(
            ctx,
            POLL_INTERVAL,
            async move |seen: &mut JobsSeen| told(store.changed_jobs(seen).await),
        )?;
        // One feed serves all callers: each listener gets the jobs within the caller's reach.
        let reach = caller(ctx)?.reach(Role::Viewer);
        let events = events
            .filter(move |job| std::future::ready(reach.includes(&job.namespace)))
            .boxed();
        if !asks_for(ctx, &[], &LARGE_OF_JOBS) {
            return Ok(events);
        }
        let whole = ctx.data::<Feeds>()?.whole.clone();
        let read = move |job: Job| {
            let whole = whole.clone();
            async move { whole.job(job.id).await }
        };
        Ok(events.filter_map(read).boxed())
    }

    /// Nodes that joined, changed their state or load, or renewed their heartbeat.
    async fn node_updated(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = NodeRecord> + use<>> {
        let store = ctx.data::<WholeStore>()?.of_all().clone();
        let (_, events) = ctx.data::<Feeds>()?.nodes.listen(
            ctx,
            POLL_INTERVAL,
            async move |seen: &mut NodesSeen| told(store.changed_nodes(seen).await),
        )?;
        Ok(events)
    }

    /// The overview, at once and then every second, or every 2 to 60 seconds on request.
    async fn overview_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1)] every_seconds: i32,
    ) -> Result<impl Stream<Item = Overview> + use<>> {
        if !(1..=PAUSE_SECONDS_MAX).contains(&every_seconds) {
            let message = format!("everySeconds: must be from 1 to {PAUSE_SECONDS_MAX}");
            return Err(errors::bad_input("everySeconds", message));
        }
        let caller = caller(ctx)?;
        let feed = ctx
            .data::<Feeds>()?
            .overviews
            .of(&caller.reach(Role::Viewer));
        let store = ctx.data::<WholeStore>()?.of(caller);
        let poll = async move |(): &mut ()| overview(&store).await.ok().into_iter().collect();
        // The last overview is sent at once: a poll for each new listener would be thousands a
        // second for listeners that come and go.
        let (last, events) = feed.listen(ctx, OVERVIEW_EVERY, poll)?;
        // The feed has one event a second.
        let every = usize::try_from(every_seconds).unwrap_or(1);
        let told = stream::iter(last).chain(events).enumerate();
        Ok(told.filter_map(move |(number, overview)| {
            std::future::ready(number.is_multiple_of(every).then_some(overview))
        }))
    }
}

/// Changed executions within the reach of the caller, of one job or of all.
fn executions(
    ctx: &Context<'_>,
    job_id: Option<Uuid>,
) -> Result<BoxStream<'static, ExecutionRecord>> {
    let store = ctx.data::<WholeStore>()?.of_all().clone();
    let (_, events) = ctx.data::<Feeds>()?.executions.listen(
        ctx,
        POLL_INTERVAL,
        async move |seen: &mut ExecutionsSeen| told(store.changed_executions(seen).await),
    )?;
    let reach = caller(ctx)?.reach(Role::Viewer);
    let is_asked = move |execution: &ExecutionRecord| {
        let namespace = execution.namespace.as_deref();
        let is_within = match namespace {
            Some(namespace) => reach.includes(namespace),
            // The job was removed by hand.
            None => reach == Reach::All,
        };
        std::future::ready(is_within && job_id.is_none_or(|job| execution.job_id == job))
    };
    Ok(events.filter(is_asked).boxed())
}

/// Counts the events within a period after the first one.
fn gathered<T: Send + 'static>(
    events: BoxStream<'static, T>,
    time: Duration,
) -> impl Stream<Item = i32> + use<T> {
    stream::unfold(events, move |mut events| async move {
        events.next().await?;
        // The period begins with an event: a quiet feed has no timer.
        let until = tokio::time::Instant::now() + time;
        let mut count: i32 = 1;
        while let Ok(Some(_)) = tokio::time::timeout_at(until, events.next()).await {
            count = count.saturating_add(1);
        }
        Some((count, events))
    })
}

/// The found changes; none when the database does not answer.
fn told<T: Default>(found: Result<T, crate::store::StoreError>) -> T {
    found.unwrap_or_else(|error| {
        // At this level: every feed of every node would say so twice a second.
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "no check for changes: trying again"
        );
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(client: u8, socket: u64) -> Subscriber {
        Subscriber {
            client: Client::Address([10, 0, 0, client].into()),
            socket,
        }
    }

    #[tokio::test]
    async fn changes_are_counted_for_a_while_and_then_told() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let events = stream::poll_fn(move |context| receiver.poll_recv(context)).boxed();
        let mut told = Box::pin(gathered(events, Duration::from_millis(50)));
        for _ in 0..3 {
            sender.send(()).expect("somebody listens");
        }
        assert_eq!(told.next().await, Some(3));
        sender.send(()).expect("somebody listens");
        assert_eq!(told.next().await, Some(1));
        drop(sender);
        assert_eq!(told.next().await, None);
    }

    #[test]
    fn no_client_can_take_the_first_listener_of_a_socket() {
        let listeners = Listeners::default();
        let hoard = |client: u8, socket: u64| {
            let mut taken = Vec::new();
            while let Ok(place) = listeners.admit(subscriber(client, socket)) {
                taken.push(place);
            }
            taken
        };
        let mut taken = hoard(1, 1);
        assert_eq!(taken.len(), 1 + LISTENERS_PER_CLIENT_MAX);
        assert_eq!(
            hoard(1, 2).len(),
            1,
            "another socket of the same address, or of the same proxy"
        );
        taken.extend((2..6).flat_map(|client| hoard(client, client.into())));
        assert_eq!(
            hoard(7, 7).len(),
            1,
            "all are taken, but for the first of each socket"
        );
        drop(taken);
        assert!(listeners.0.lock().is_empty());
    }
}
