//! Secrets in the API: their names and hosts, never their values.

use super::context::{command, store};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::lists::size;
use crate::actors::job_manager::secrets::{
    CreateSecret, DeleteSecret, SecretRequest, UpdateSecret,
};
use crate::model::namespace::validate_name;
use crate::model::secret::Secret;
use crate::secrets::Keys;
use crate::store::secrets::rows::SecretRecord;
use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result};

/// A new secret.
#[derive(InputObject)]
pub struct CreateSecretInput {
    /// Namespace of the jobs that may refer to it.
    #[graphql(default = "default")]
    namespace: String,
    /// The name in references: from 1 to 100 letters, digits, `.`, `_` and `-`.
    name: String,
    /// From 8 characters to 16,384 bytes. It is encrypted, and never shown. With `whsec_` and 24
    /// to 64 bytes in base64 it signs requests.
    value: String,
    /// The hosts that it is sent to, from 1 to 20: api.example.com means the port of the scheme,
    /// api.example.com:8443 another one.
    hosts: Vec<String>,
    /// Display only; at most 2,000 characters.
    description: Option<String>,
}

/// A change of a secret. Fields that are left out stay as they are.
#[derive(InputObject)]
pub struct UpdateSecretInput {
    /// Namespace of the secret.
    #[graphql(default = "default")]
    namespace: String,
    /// The secret.
    name: String,
    /// The new value. All nodes send it within 2 seconds.
    value: Option<String>,
    /// The hosts that it is sent to from now on.
    hosts: Option<Vec<String>>,
    /// Display only; null removes it.
    description: MaybeUndefined<String>,
}

/// The queries of secrets.
#[derive(Default)]
pub struct SecretQuery;

/// The mutations of secrets.
#[derive(Default)]
pub struct SecretMutation;

#[Object]
impl SecretQuery {
    /// Secrets by name, without their values; at most 1,000. Default: those of all namespaces within
    /// reach.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn secrets(
        &self,
        ctx: &Context<'_>,
        namespace: Option<String>,
    ) -> Result<Vec<SecretRecord>> {
        if let Some(namespace) = &namespace {
            validate_name("namespace", namespace)?;
        }
        Ok(store(ctx).await?.secrets(namespace.as_deref()).await?)
    }
}

#[Object]
impl SecretMutation {
    /// Creates a secret under a new name. The node needs a key (`--secrets-key-file`).
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_secret(
        &self,
        ctx: &Context<'_>,
        input: CreateSecretInput,
    ) -> Result<SecretRecord> {
        let request = SecretRequest {
            namespace: input.namespace,
            name: input.name,
            // Updates share the type: there a missing value means an unchanged one.
            value: Some(Secret::new(input.value)),
            hosts: Some(input.hosts),
            description: Some(input.description),
        };
        command(ctx, CreateSecret(request, ctx.data::<Keys>()?.clone())).await
    }

    /// Changes a secret. Jobs that refer to it send the new value; with new hosts their attempts
    /// fail if the target has another host.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn update_secret(
        &self,
        ctx: &Context<'_>,
        input: UpdateSecretInput,
    ) -> Result<SecretRecord> {
        let request = SecretRequest {
            namespace: input.namespace,
            name: input.name,
            value: input.value.map(Secret::new),
            hosts: input.hosts,
            // A field that is left out keeps the description, and null removes it.
            description: match input.description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(text)),
            },
        };
        command(ctx, UpdateSecret(request, ctx.data::<Keys>()?.clone())).await
    }

    /// Deletes a secret; refused while a job refers to it.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn delete_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = "default")] namespace: String,
        name: String,
    ) -> Result<bool> {
        let delete = DeleteSecret { namespace, name };
        command(ctx, delete).await.map(|()| true)
    }
}

/// A value that jobs refer to by `${secret:name}`, or that signs their requests. The value is
/// never shown.
#[Object(name = "Secret")]
impl SecretRecord {
    /// Namespace of the jobs that may refer to it.
    async fn namespace(&self) -> &str {
        &self.namespace
    }
    /// The name in references.
    async fn name(&self) -> &str {
        &self.name
    }
    /// Display only; none without one.
    async fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
    /// The hosts that it is sent to.
    async fn hosts(&self) -> Vec<String> {
        self.hosts.iter().map(ToString::to_string).collect()
    }
    /// Whether it signs requests (`signingSecrets`) instead of being sent.
    async fn is_signing(&self) -> bool {
        self.is_signing
    }
    /// Incremented by each change of the value or the hosts; starts at 1.
    async fn version(&self) -> i32 {
        self.version
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// The caller that created it. Display only.
    async fn created_by(&self) -> &str {
        &self.created_by
    }
    /// Time of the last change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.updated_at)
    }
    /// Number of jobs that refer to it.
    async fn job_count(&self) -> i32 {
        size(self.jobs)
    }
}
