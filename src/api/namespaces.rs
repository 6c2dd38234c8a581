//! Namespaces in the API.

use super::context::{command, store};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::lists::size;
use crate::actors::job_manager::namespaces::{CreateNamespace, DeleteNamespace, UpdateNamespace};
use crate::model::InvalidInput;
use crate::model::access::{NamespaceRoles, Role};
use crate::store::access::namespaces::{NamespaceDefinition, NamespaceRecord};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

/// A role in a namespace.
#[derive(SimpleObject)]
pub struct NamespaceRole {
    /// Name of the namespace.
    namespace: String,
    /// The role, from VIEWER on.
    role: Role,
}

/// A role in a namespace.
#[derive(InputObject)]
pub struct NamespaceRoleInput {
    /// Name of the namespace.
    namespace: String,
    /// The role, from VIEWER on.
    role: Role,
}

/// A new namespace, or the new settings of one.
#[derive(InputObject)]
pub struct NamespaceInput {
    /// From 1 to 63 lower case letters, digits and hyphens; never changes.
    name: String,
    /// Display only; at most 2,000 characters.
    description: Option<String>,
    /// Largest number of jobs that are not deleted. Default: no limit.
    max_jobs: Option<i32>,
}

/// The query of namespaces.
#[derive(Default)]
pub struct NamespaceQuery;

/// The mutations of namespaces.
#[derive(Default)]
pub struct NamespaceMutation;

#[Object]
impl NamespaceQuery {
    /// The namespaces that the caller reads, by name; at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn namespaces(&self, ctx: &Context<'_>) -> Result<Vec<NamespaceRecord>> {
        Ok(store(ctx).await?.namespaces().await?)
    }
}

#[Object]
impl NamespaceMutation {
    /// Creates a namespace.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_namespace(
        &self,
        ctx: &Context<'_>,
        input: NamespaceInput,
    ) -> Result<NamespaceRecord> {
        command(ctx, CreateNamespace(input.into_definition())).await
    }

    /// Replaces the description and the limit of a namespace. Jobs beyond a lower limit stay.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn update_namespace(
        &self,
        ctx: &Context<'_>,
        input: NamespaceInput,
    ) -> Result<NamespaceRecord> {
        command(ctx, UpdateNamespace(input.into_definition())).await
    }

    /// Deletes a namespace without jobs and calendars, and the roles in it. `default` stays. If
    /// the namespace had jobs, its name stays taken.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn delete_namespace(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        command(ctx, DeleteNamespace(name)).await.map(|()| true)
    }
}

/// A namespace: each job belongs to one.
#[Object(name = "Namespace")]
impl NamespaceRecord {
    /// Name of the namespace.
    async fn name(&self) -> &str {
        &self.name
    }
    /// Display only; none without one.
    async fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// The caller that created the namespace.
    async fn created_by(&self) -> &str {
        &self.created_by
    }
    /// Largest number of jobs that are not deleted; none without a limit.
    async fn max_jobs(&self) -> Option<i32> {
        self.max_jobs
    }
    /// Number of jobs that are not deleted.
    async fn job_count(&self) -> i32 {
        size(self.jobs)
    }
}

impl NamespaceInput {
    fn into_definition(self) -> NamespaceDefinition {
        NamespaceDefinition {
            name: self.name,
            description: self.description,
            max_jobs: self.max_jobs,
        }
    }
}

impl NamespaceRole {
    /// The roles of a user, a token or a caller.
    pub fn list(roles: &NamespaceRoles) -> Vec<Self> {
        let mut list = Vec::new();
        for (namespace, role) in roles.iter() {
            list.push(Self {
                namespace: namespace.to_owned(),
                role,
            });
        }
        list
    }
}

/// The roles of an input.
pub fn roles(inputs: Vec<NamespaceRoleInput>) -> Result<NamespaceRoles, InvalidInput> {
    let roles = inputs
        .into_iter()
        .map(|input| (input.namespace, input.role));
    NamespaceRoles::validate(roles.collect())
}
