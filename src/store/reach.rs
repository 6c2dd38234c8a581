//! The reach of a store: the namespaces that its statements see.
//!
//! A caller of the whole cluster has the statements, the plans and the speed of a node. For any
//! other caller the same statements run on a connection of another pool, where temporary views have
//! the names of the tables: PostgreSQL itself resolves `job_definition` to the jobs within reach.
//! So no statement can forget the condition, a foreign id is answered like an unknown one, and a
//! command changes no job that it does not see. The views are writable, and locks reach through
//! them to the rows.
//!
//! The condition on a row of another table is a look-up of the job, which leaves the plan of a
//! statement unchanged.

use super::db::session::Session;
use super::db::statement::Statement;
use super::{Store, StoreError};
use crate::model::namespace::Reach;

/// The namespaces within reach of the connection, read once per statement. An error without the
/// setting: a connection without a reach sees nothing.
macro_rules! within_reach {
    ($namespace:expr) => {
        concat!(
            $namespace,
            " = any ((select current_setting('horolog.namespaces')::text[])::text[])"
        )
    };
}

/// A view of the rows with a job within reach.
macro_rules! of_jobs {
    ($table:literal, $job:literal) => {
        concat!(
            "create or replace temporary view ",
            $table,
            " as select x.* from ",
            $table,
            " x where (select j.namespace from job_definition j where j.id = x.",
            $job,
            ")",
            within_reach!(""),
            ";\n"
        )
    };
}

/// Made once for a connection, while the names still mean the tables. `pg_temp` comes first from
/// then on. A blackout of the cluster or of a tag concerns the jobs of all namespaces, and all
/// callers see it.
pub(super) const VIEWS: Statement = Statement::new(concat!(
    "-- reach.views\n",
    of_jobs!("job_definition_version", "job_id"),
    of_jobs!("job_trigger", "job_id"),
    of_jobs!("run_key", "job_id"),
    of_jobs!("job_execution_log", "job_id"),
    of_jobs!("execution_in_flight", "job_id"),
    of_jobs!("job_failing", "job_id"),
    of_jobs!("job_backfill", "job_id"),
    of_jobs!("job_secret", "job_id"),
    "create or replace temporary view secret as select x.* from secret x where ",
    within_reach!("x.namespace"),
    ";\n",
    "create or replace temporary view blackout as select x.* from blackout x
where x.scope <> 'JOB' or (select j.namespace from job_definition j where j.id = x.job_id)",
    within_reach!(""),
    ";
create or replace temporary view calendar as select x.* from calendar x
where ",
    within_reach!("case when x.name like '%/%' then split_part(x.name, '/', 1) else 'default' end"),
    ";
create or replace temporary view namespace as select x.* from namespace x where ",
    within_reach!("x.name"),
    ";
create or replace temporary view job_definition as select x.* from job_definition x where ",
    within_reach!("x.namespace"),
    ";
select pg_catalog.set_config('search_path',
    'pg_temp, ' || pg_catalog.current_setting('search_path'), false)"
));

const SET: Statement = Statement::new(
    "-- reach.set
select pg_catalog.set_config('horolog.namespaces', $1::text[]::text, false)",
);

impl Store {
    /// The same database within the reach.
    #[must_use]
    pub fn within_reach(&self, reach: Reach) -> Self {
        Self {
            reach,
            ..self.clone()
        }
    }

    /// The namespaces visible to the statements.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Gives a session the reach of the store, before the first statement.
    pub(super) async fn reach_out(&self, session: &Session) -> Result<(), StoreError> {
        if let Reach::Namespaces(namespaces) = &self.reach {
            // Each time: the pool gives the connection to other reaches as well.
            SET.execute(session, &[&&**namespaces]).await?;
        }
        Ok(())
    }
}
