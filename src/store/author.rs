//! The author of changes: the caller, and the command that was sent.

use crate::model::access::{Caller, Reach};
use crate::store::audit::entry::Entry;
use crate::store::{During, Store, StoreError};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Who changes what a store changes.
#[derive(Debug, Clone)]
pub struct Author {
    /// The caller of the command.
    pub caller: Arc<Caller>,
    /// Name of the command: the mutation, or the command of the command line. None for what a node
    /// does without a command.
    pub command: Option<Arc<str>>,
    /// The namespaces that the command sees.
    pub reach: Reach,
    /// What the command says of itself, for the entry in the audit log.
    pub details: Map<String, Value>,
}

impl Author {
    /// The author of a command that sees the whole cluster.
    pub fn command(caller: Arc<Caller>, command: &str) -> Self {
        Self {
            caller,
            command: Some(command.into()),
            reach: Reach::All,
            details: Map::new(),
        }
    }

    /// The same author of a command that sees the namespaces.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// A node of the name, for decisions without a command.
    pub fn node(name: &str) -> Self {
        Self {
            caller: Arc::new(Caller::node(name)),
            command: None,
            reach: Reach::All,
            details: Map::new(),
        }
    }
}

impl Store {
    /// The same database for what the author changes.
    #[must_use]
    pub fn by(&self, author: Author) -> Self {
        Self {
            reach: author.reach.clone(),
            author,
            ..self.clone()
        }
    }

    /// The same, with a detail for the entry of the command in the audit log.
    #[must_use]
    pub fn noting(&self, key: &str, value: impl Into<Value>) -> Self {
        let mut author = self.author.clone();
        author.details.insert(key.to_owned(), value.into());
        self.by(author)
    }

    /// The same for the rest of a command whose entry is written: a command has one.
    #[must_use]
    pub fn unrecorded(&self) -> Self {
        let author = Author {
            command: None,
            ..self.author.clone()
        };
        self.by(author)
    }

    /// The same for a batch of a command: the entry is written with the first.
    #[must_use]
    pub fn of_batch(&self, index: usize) -> Self {
        if index == 0 {
            self.clone()
        } else {
            self.unrecorded()
        }
    }

    /// Who changes what it changes.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.author.caller
    }

    /// Writes the entry of a command that changed nothing else.
    pub async fn record_alone(&self, entry: Entry) -> Result<(), StoreError> {
        self.bounded("audit.record", async {
            let transaction = self.begin("audit.begin").await?;
            transaction.record(entry);
            transaction.commit().await.during("audit.commit")
        })
        .await
    }

    /// Writes the entry of a decision of a node without a command.
    pub async fn record_decision(&self, action: &str, entry: Entry) -> Result<(), StoreError> {
        self.bounded("audit.record", async {
            let transaction = self.begin("audit.begin").await?;
            transaction.record_decision(action, entry);
            transaction.commit().await.during("audit.commit")
        })
        .await
    }
}
