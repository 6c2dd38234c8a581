//! The author of changes: the caller, and the command that was sent.

use crate::model::access::Caller;
use crate::store::Store;
use std::sync::Arc;

/// Who changes what a store changes.
#[derive(Debug, Clone)]
pub struct Author {
    /// The caller.
    pub caller: Arc<Caller>,
    /// Name of the command: the mutation, or the command of the command line. None for what a node
    /// does by itself.
    pub command: Option<Arc<str>>,
}

impl Author {
    /// The author of a command.
    pub fn command(caller: Arc<Caller>, command: &str) -> Self {
        Self {
            caller,
            command: Some(command.into()),
        }
    }

    /// A node of this name, for what it does by itself.
    pub fn node(name: &str) -> Self {
        Self {
            caller: Arc::new(Caller::node(name)),
            command: None,
        }
    }
}

impl Store {
    /// The same database for what this author changes.
    #[must_use]
    pub fn by(&self, author: Author) -> Self {
        Self {
            author,
            ..self.clone()
        }
    }
}
