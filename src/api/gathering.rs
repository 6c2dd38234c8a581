//! Gathering: fields of one answer with the same kind of key share a statement.
//!
//! async-graphql polls the fields of a request in one task. The first field opens a batch and
//! yields. Before the task comes back to this field, every other field at the same place of the
//! answer adds a key. The `DataLoader` of async-graphql waits a millisecond in a separate task
//! instead: the larger part of a short answer (docs/decisions/0044).

use async_graphql::dataloader::Loader;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::mem::take;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A loader, and the open batches of its request.
pub struct Gathering<L> {
    loader: Arc<L>,
    /// The open batch of each type of key.
    open: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>,
}

/// The values of a batch.
type Loaded<K, L> = Result<Arc<HashMap<K, <L as Loader<K>>::Value>>, <L as Loader<K>>::Error>;
/// The work of a batch, shared by the waiting fields.
type Work<K, L> = Shared<BoxFuture<'static, Loaded<K, L>>>;

/// The keys of a common load, and the work of the load. Each waiting field drives the work: when
/// another field fails and drops the future, the work continues.
struct Batch<K, L>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    L: Loader<K>,
{
    keys: HashSet<K>,
    work: Work<K, L>,
}

impl<L: Send + Sync + 'static> Gathering<L> {
    /// The gathering of one request.
    pub fn new(loader: L) -> Self {
        Self {
            loader: Arc::new(loader),
            open: Arc::default(),
        }
    }

    /// The value of a key; none if the loader has none.
    pub async fn load<K>(&self, key: K) -> Result<Option<L::Value>, L::Error>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        L: Loader<K>,
        L::Error: Sync,
    {
        let (opened, work) = self.join(key.clone());
        if let Some(batch_is_open) = opened {
            // All other fields at this place are polled before the task comes back here.
            tokio::task::yield_now().await;
            drop(batch_is_open);
        }
        Ok(work.await?.get(&key).cloned())
    }

    /// Adds a key to the open batch of the type, or opens a batch. The opener closes the batch by
    /// dropping the sender.
    fn join<K>(&self, key: K) -> (Option<oneshot::Sender<()>>, Work<K, L>)
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        L: Loader<K>,
        L::Error: Sync,
    {
        let mut open = self.open.lock();
        let mut opened = None;
        let batch = open.entry(TypeId::of::<K>()).or_insert_with(|| {
            let (is_open, closed) = oneshot::channel();
            opened = Some(is_open);
            Box::new(self.batch::<K>(closed))
        });
        let batch = batch
            .downcast_mut::<Batch<K, L>>()
            .expect("a batch lies under the type of its keys");
        batch.keys.insert(key);
        (opened, batch.work.clone())
    }

    fn batch<K>(&self, closed: oneshot::Receiver<()>) -> Batch<K, L>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        L: Loader<K>,
        L::Error: Sync,
    {
        let (loader, open) = (self.loader.clone(), self.open.clone());
        let load = async move {
            // The error only says that the sender is gone.
            drop(closed.await);
            // Removed before the statement: a later key opens the next batch.
            let batch = open.lock().remove(&TypeId::of::<K>());
            let batch = batch.and_then(|batch| batch.downcast::<Batch<K, L>>().ok());
            let keys: Vec<K> = batch
                .map(|mut batch| take(&mut batch.keys))
                .unwrap_or_default()
                .into_iter()
                .collect();
            loader.load(&keys).await.map(Arc::new)
        };
        Batch {
            keys: HashSet::new(),
            work: load.boxed().shared(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    /// Answers with the size of the batch in which a key was loaded; an odd key has no value.
    struct Sizes;

    impl Loader<u32> for Sizes {
        type Value = usize;
        type Error = ();

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, usize>, ()> {
            tokio::task::yield_now().await;
            if keys.contains(&13) {
                Err(())
            } else {
                Ok(even(keys).map(|key| (key, keys.len())).collect())
            }
        }
    }

    fn even(keys: &[u32]) -> impl Iterator<Item = u32> {
        keys.iter().copied().filter(|key| key % 2 == 0)
    }

    #[tokio::test]
    async fn keys_that_are_asked_for_together_are_loaded_together_each_once() {
        let sizes = Gathering::new(Sizes);
        let loaded = join_all([2, 4, 5, 4].map(|key| sizes.load(key))).await;
        assert_eq!(loaded, [Ok(Some(3)), Ok(Some(3)), Ok(None), Ok(Some(3))]);
        assert_eq!(
            sizes.load(2).await,
            Ok(Some(1)),
            "a later key opens a batch of its own"
        );
    }

    #[tokio::test]
    async fn a_field_that_is_dropped_takes_nothing_from_the_others() {
        let sizes = Gathering::new(Sizes);
        let mut first = Box::pin(sizes.load(2));
        let mut second = Box::pin(sizes.load(4));
        assert!(
            futures_util::poll!(&mut first).is_pending()
                && futures_util::poll!(&mut second).is_pending()
        );
        drop(first);
        assert_eq!(second.await, Ok(Some(2)));
    }

    #[tokio::test]
    async fn a_failure_reaches_every_key_of_its_batch_and_no_other() {
        let sizes = Gathering::new(Sizes);
        assert_eq!(
            join_all([13, 2].map(|key| sizes.load(key))).await,
            [Err(()), Err(())]
        );
        assert_eq!(sizes.load(2).await, Ok(Some(1)));
    }
}
