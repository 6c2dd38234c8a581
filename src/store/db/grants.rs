//! Rights of the roles of the database.
//!
//! The owner of the schema changes it (`horolog migrate`). A node needs less: rows of the tables
//! here, and the functions that run with the rights of the owner. A reader is a person or a program
//! with SQL; it reads no password, token, session, payload, header of a target, or entry of the
//! audit log. An enqueuer is a program that calls `horolog_enqueue` in its own transactions.
//!
//! The owner of the schema needs no grant: clusters with a single role work as before.

use super::migrate::MigrateError;
use super::row::Values;
use super::statement::Statement;
use crate::store::{During, StoreError};
use tokio_postgres::Client;

/// Rights on a table or a view, in the words of SQL; empty: none.
struct Rights {
    name: &'static str,
    node: &'static str,
    reader: &'static str,
}

/// All rows of a table may be written and removed.
const ROWS: &str = "select, insert, update, delete";
/// Rows are written and never removed.
const KEPT: &str = "select, insert, update";
/// Rows are written once, and removed.
const ONCE: &str = "select, insert, delete";
/// The rows are read, with all columns.
const READ: &str = "select";

/// A row for each table of the schema.
const RIGHTS: &[Rights] = &[
    row("horolog_migration", READ, READ),
    row("horolog_schema", READ, READ),
    row("calendar", ROWS, READ),
    row("job_definition", KEPT, READ_JOBS),
    row("job_definition_version", "select, insert", ""),
    row("job_trigger", ROWS, READ_TRIGGERS),
    row("run_key", ROWS, READ),
    row("job_execution_log", ROWS, READ_LOG),
    row("job_execution_log_default", "select, delete", ""),
    row("job_failing", ROWS, READ),
    row("job_lease", ROWS, READ),
    row("execution_in_flight", READ, READ),
    row("blackout", KEPT, READ),
    row("job_backfill", KEPT, READ),
    row("cluster_node", KEPT, READ),
    row("cluster_pause", ONCE, READ),
    row("node_activity", ROWS, READ),
    row("node_load", ONCE, READ),
    row("user_account", ROWS, ""),
    row("api_token", ROWS, ""),
    row("user_session", ROWS, ""),
    row("openid_identity", ROWS, ""),
    row("openid_sign_in", ROWS, ""),
    row("role_binding", ROWS, ""),
    row("namespace", ROWS, READ),
    row("set_up_link", ONCE, ""),
    row("audit_log", SEALED, ""),
    row("secret", ROWS, ""),
    row("job_secret", ROWS, READ),
];

/// Without `target` and `payload`: the values may be secrets.
const READ_JOBS: &str = "select (id, name, schedule_type, cron_expression, interval_seconds, \
    initial_delay_seconds, anchor_at, recovery, max_recoveries, status, version, created_at, \
    updated_at, time_zone, description, tags, priority, policies, pause_reason, calendar, namespace)";

/// Without payloads, for the same reason.
const READ_TRIGGERS: &str = "select (id, job_id, kind, fire_time, due_at, awaits, paused, \
    priority, runs, excluded_from, cache_tag, paused_due_at, zone_rules, tzdb, repeats, \
    unique_key, route)";

/// Without payloads.
const READ_LOG: &str = "select (id, job_id, kind, fire_time, due_time, status, reason, attempt, \
    recoveries, node_id, started_at, finished_at, error_message, output, through_fire_time, \
    occurrences, coalesced_into, previous_attempts, created_at, failures, job_version, \
    cancel_requested_at, retrying, repeats, unique_key, progress)";

/// Entries are written and sealed, and never changed or removed.
const SEALED: &str = "select, insert, update (position, previous_hash, hash)";

/// The functions of the schema with the rights of the owner.
const FUNCTIONS: [&str; 3] = [
    "create_log_partitions(date[])",
    "drop_log_partition(date)",
    "purge_audit_log(timestamptz, integer)",
];

/// The function of the enqueuers.
const ENQUEUE: &str = "horolog_enqueue(text, jsonb, timestamptz, text, integer, text)";

/// Names of the tables and views of the schema.
pub fn names() -> impl Iterator<Item = &'static str> {
    RIGHTS.iter().map(|rights| rights.name)
}

const fn row(name: &'static str, node: &'static str, reader: &'static str) -> Rights {
    Rights { name, node, reader }
}

/// The roles to give rights to.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// The role of the nodes.
    pub node: Option<String>,
    /// The role of readers.
    pub reader: Option<String>,
    /// A role that enqueues runs by SQL, and may do nothing else.
    pub enqueuer: Option<String>,
}

impl Roles {
    /// The roles that get rights, each with what it is.
    fn given(&self) -> impl Iterator<Item = (Grantee, &str)> {
        [
            (Grantee::Node, &self.node),
            (Grantee::Reader, &self.reader),
            (Grantee::Enqueuer, &self.enqueuer),
        ]
        .into_iter()
        .filter_map(|(grantee, role)| Some((grantee, role.as_deref()?)))
    }

    /// Whether no role gets rights.
    pub fn is_empty(&self) -> bool {
        self.given().next().is_none()
    }
}

/// What a role is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grantee {
    Node,
    Reader,
    Enqueuer,
}

impl Grantee {
    /// Its rights on a table or a view.
    fn on(self, rights: &Rights) -> &'static str {
        match self {
            Self::Node => rights.node,
            Self::Reader => rights.reader,
            Self::Enqueuer => "",
        }
    }

    /// Whether it may call a function that runs with the rights of the owner.
    fn may_call(self, function: &str) -> bool {
        match self {
            Self::Node => FUNCTIONS.contains(&function),
            Self::Reader => false,
            Self::Enqueuer => function == ENQUEUE,
        }
    }
}

/// Whether a role may change the schema, as owner or for another reason.
const OWNS: Statement = Statement::new(
    "-- grants.owns
select pg_has_role($1, relowner, 'usage') from pg_class where oid = 'horolog_migration'::regclass",
);

/// The name of the schema, and the existing tables and functions: the program may know more tables
/// than an older schema has.
const SCHEMA: Statement = Statement::new(
    "-- grants.schema
select quote_ident(current_schema()),
       array(select x from unnest($1::text[]) as x where to_regclass(x) is not null),
       array(select x from unnest($2::text[]) as x where to_regprocedure(x) is not null)",
);

const MAY_CREATE: Statement = Statement::new(
    "-- grants.may_create
select has_schema_privilege($1, current_schema(), 'create')",
);

/// Missing rights of the role, in the order of the lists. From the catalog: the role may lack the
/// right to see the schema.
const MISSING: Statement = Statement::new(
    "-- grants.missing
with schema as (
    select c.relnamespace as id, n.nspname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relname = 'horolog_migration' and c.relkind = 'r'
      and n.nspname = coalesce(current_schema(), n.nspname)
    limit 1
), missing as (
    select 0 as list, 0 as place, 'USAGE on schema ' || s.name as what from schema s
    where not has_schema_privilege(s.id, 'usage')
    union all
    select 1, x.place, upper(x.privilege) || coalesce(' (' || x.of || ')', '') || ' on ' || x.name
    from unnest($1::text[], $2::text[], $3::text[]) with ordinality
        as x (name, privilege, of, place)
    join schema s on true join pg_class c on c.relname = x.name and c.relnamespace = s.id
    where not case when x.of is null then has_table_privilege(c.oid, x.privilege)
                   else has_column_privilege(c.oid, x.of, x.privilege) end
    union all
    select 2, x.place, 'EXECUTE on ' || p.proname
    from unnest($4::text[]) with ordinality as x (name, place)
    join schema s on true join pg_proc p on p.proname = x.name and p.pronamespace = s.id
    where not has_function_privilege(p.oid, 'execute')
)
select what from missing order by list, place",
);

/// Number of missing rights in a message.
const NAMED: usize = 3;

/// Gives the roles exactly the listed rights: other rights on the tables of the schema are revoked.
/// In a single transaction, so a running node keeps the rights throughout.
pub(super) async fn give(client: &mut Client, roles: &Roles) -> Result<(), MigrateError> {
    for (grantee, role) in roles.given() {
        let owns = OWNS.query_one_unprepared(client, &[&role]).await?;
        if Values::of(OWNS.name(), &owns).get(0)? {
            return Err(MigrateError::OwnerRole(role.to_owned()));
        }
        let text = script(client, role, grantee).await?;
        let transaction = client.transaction().await.during("grants.begin")?;
        transaction
            .batch_execute(&text)
            .await
            .during("grants.give")?;
        transaction.commit().await.during("grants.commit")?;
        tracing::info!(role = %role, "the role has its rights");
        let creates = MAY_CREATE.query_one_unprepared(client, &[&role]).await?;
        if Values::of(MAY_CREATE.name(), &creates).get(0)? {
            tracing::warn!(
                role = %role,
                "the role may still create tables in the schema: revoke create on the schema from \
                 it, and from public"
            );
        }
    }
    Ok(())
}

/// The statements that give a role its rights.
async fn script(client: &Client, role: &str, grantee: Grantee) -> Result<String, StoreError> {
    let names: Vec<&str> = RIGHTS.iter().map(|rights| rights.name).collect();
    let functions: Vec<&str> = FUNCTIONS.into_iter().chain([ENQUEUE]).collect();
    let schema = SCHEMA
        .query_one_unprepared(client, &[&names, &functions])
        .await?;
    let values = Values::of(SCHEMA.name(), &schema);
    let (schema, tables): (String, Vec<String>) = (values.get(0)?, values.get(1)?);
    let functions: Vec<String> = values.get(2)?;
    let role = quoted(role);
    let mut statements = vec![format!("grant usage on schema {schema} to {role};\n")];
    for rights in RIGHTS {
        if !tables.iter().any(|table| table == rights.name) {
            continue;
        }
        let name = rights.name;
        let given = grantee.on(rights);
        statements.push(format!("revoke all on {name} from {role};\n"));
        if !given.is_empty() {
            statements.push(format!("grant {given} on {name} to {role};\n"));
        }
    }
    for function in functions {
        statements.push(format!("revoke all on function {function} from {role};\n"));
        if grantee.may_call(&function) {
            statements.push(format!("grant execute on function {function} to {role};\n"));
        }
    }
    Ok(statements.concat())
}

/// An identifier in quotes, with any content.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The first missing rights for the role of a node, as a text; none when the role has all rights.
pub(super) async fn missing(client: &Client) -> Result<Option<String>, StoreError> {
    let needed: Vec<(&str, String, Option<String>)> = RIGHTS.iter().flat_map(needed).collect();
    let names: Vec<&str> = needed.iter().map(|(name, ..)| *name).collect();
    let privileges: Vec<&str> = needed.iter().map(|(_, what, _)| what.as_str()).collect();
    let columns: Vec<Option<&str>> = needed.iter().map(|(.., of)| of.as_deref()).collect();
    let functions: Vec<&str> = FUNCTIONS
        .iter()
        .map(|function| function.split('(').next().unwrap_or_default())
        .collect();
    let rows = MISSING
        .query_unprepared(client, &[&names, &privileges, &columns, &functions])
        .await?;
    let missing = rows
        .iter()
        .map(|row| Values::of(MISSING.name(), row).get(0))
        .collect::<Result<Vec<String>, _>>()?;
    let first = missing[..missing.len().min(NAMED)].join(", ");
    Ok(match missing.len() {
        0 => None,
        count if count > NAMED => Some(format!("{first} and {} more", count - NAMED)),
        _ => Some(first),
    })
}

/// The rights of a node on a table, separately: the table, the privilege, and the column.
fn needed(rights: &Rights) -> Vec<(&'static str, String, Option<String>)> {
    let (plain, columns) = match rights.node.split_once(" (") {
        // The last privilege of the list is a privilege on columns.
        Some((list, columns)) => (list, columns.trim_end_matches(')')),
        None => (rights.node, ""),
    };
    let mut privileges: Vec<&str> = plain.split(", ").collect();
    let of_columns = match columns {
        "" => None,
        _ => privileges.pop(),
    };
    let whole = privileges
        .into_iter()
        .map(|privilege| (rights.name, privilege.to_owned(), None));
    let parts = of_columns.into_iter().flat_map(|privilege| {
        let columns = columns.split(", ");
        columns.map(move |column| (rights.name, privilege.to_owned(), Some(column.to_owned())))
    });
    whole.chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rights_of_a_table_are_taken_apart() {
        let texts = |rights: &Rights| -> Vec<String> {
            let parts = needed(rights).into_iter();
            parts
                .map(|(name, what, of)| format!("{name} {what} {}", of.unwrap_or_default()))
                .collect()
        };
        assert_eq!(texts(&row("a", READ, "")), ["a select "]);
        assert_eq!(
            texts(&row("a", SEALED, "")),
            [
                "a select ",
                "a insert ",
                "a update position",
                "a update previous_hash",
                "a update hash"
            ]
        );
    }

    #[test]
    fn a_name_of_a_role_is_one_identifier() {
        assert_eq!(
            quoted(r#"a"; drop table b; --"#),
            r#""a""; drop table b; --""#
        );
    }
}
