//! Commands about namespaces.

use super::{Command, CommandError, unknown_namespace};
use crate::model::namespace::{DEFAULT, NAMESPACES_MAX, validate_name};
use crate::model::{InvalidInput, text};
use crate::store::Store;
use crate::store::access::namespaces::{
    CreateOutcome, DeleteOutcome, NamespaceDefinition, NamespaceRecord,
};

/// Creates a namespace.
pub struct CreateNamespace(pub NamespaceDefinition);

/// Replaces the description and the limit of a namespace.
pub struct UpdateNamespace(pub NamespaceDefinition);

/// Deletes a namespace without jobs and calendars.
pub struct DeleteNamespace(pub String);

impl Command for CreateNamespace {
    type Output = NamespaceRecord;

    async fn carry_out(self, store: &Store) -> Result<NamespaceRecord, CommandError> {
        let Self(namespace) = self;
        validate(&namespace)?;
        let name = &namespace.name;
        let refusal = match store.create_namespace(&namespace).await? {
            CreateOutcome::Done => return stored(store, namespace.name).await,
            CreateOutcome::NameTaken => format!("there is a namespace `{name}` already"),
            CreateOutcome::Retired => format!(
                "the namespace `{name}` was deleted, and the log still has its jobs: choose \
                 another name"
            ),
            CreateOutcome::TooMany => format!(
                "there are {NAMESPACES_MAX} namespaces, and there may not be more: delete one first"
            ),
        };
        Err(CommandError::Conflict(refusal))
    }
}

impl Command for UpdateNamespace {
    type Output = NamespaceRecord;

    async fn carry_out(self, store: &Store) -> Result<NamespaceRecord, CommandError> {
        let Self(namespace) = self;
        validate(&namespace)?;
        if !store.update_namespace(&namespace).await? {
            return Err(unknown_namespace(namespace.name));
        }
        stored(store, namespace.name).await
    }
}

impl Command for DeleteNamespace {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let Self(name) = self;
        validate_name("name", &name)?;
        if name == DEFAULT {
            let message = "the namespace `default` cannot be deleted";
            return Err(CommandError::Conflict(message.to_owned()));
        }
        match store.delete_namespace(&name).await? {
            DeleteOutcome::Done => Ok(()),
            DeleteOutcome::NotFound => Err(unknown_namespace(name)),
            DeleteOutcome::InUse {
                jobs,
                calendars,
                secrets,
            } => Err(CommandError::Conflict(format!(
                "{jobs} job(s), {calendars} calendar(s) and {secrets} secret(s) belong to the \
                 namespace: delete them first"
            ))),
        }
    }
}

fn validate(namespace: &NamespaceDefinition) -> Result<(), InvalidInput> {
    validate_name("name", &namespace.name)?;
    text::DESCRIPTION.check_given("description", namespace.description.as_deref())?;
    if namespace.max_jobs.is_some_and(|max_jobs| max_jobs < 0) {
        return Err(InvalidInput::new("maxJobs", "must not be negative"));
    }
    Ok(())
}

async fn stored(store: &Store, name: String) -> Result<NamespaceRecord, CommandError> {
    match store.namespace(&name).await? {
        Some(namespace) => Ok(namespace),
        None => Err(unknown_namespace(name)),
    }
}
