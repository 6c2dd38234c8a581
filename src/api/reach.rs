//! The reach of a request: its resolvers get a store that sees the namespaces of their caller.

use crate::model::access::{Caller, Role};
use crate::store::Store;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// The store of a node, in the data of the schema. The type keeps resolvers from the store of the
/// whole cluster.
pub struct WholeStore(Store);

impl WholeStore {
    /// Puts a store into the data of a schema.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The store within the reach of a caller who reads.
    pub fn of(&self, caller: &Caller) -> Store {
        self.within(caller, Role::Viewer)
    }

    /// The store within the reach of a caller who uses a role.
    pub fn within(&self, caller: &Caller, needed: Role) -> Store {
        self.0.within_reach(caller.reach(needed))
    }

    /// The store of the whole cluster, for the feeds that serve all callers of the node.
    pub fn of_all(&self) -> &Store {
        &self.0
    }
}

/// Writes a refusal into the audit log. The caller is refused in any case. Boxed here: the stack of
/// an admitted request has no room for the future of a transaction.
pub fn record<'a>(
    store: Option<&'a WholeStore>,
    caller: &'a Arc<Caller>,
    field: &'a str,
    reason: &'a str,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        if let Some(WholeStore(store)) = store
            && let Err(error) = store.record_refusal(caller, field, reason).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, field, "a refusal is not in the audit log");
        }
    })
}
