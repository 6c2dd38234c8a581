//! Admission: the requirements on a server, and the settings of each session.
//!
//! Roles, databases, servers and poolers have different defaults. So the node sets, after
//! connecting, each setting needed by the statements. Start-up `options` would do the same, but
//! poolers refuse or silently drop `options`. The five messages travel together and cost a single
//! round trip.

use super::refusal::Refusal;
use super::timeline::{NewestTimeline, Place};
use futures_util::join;
use std::time::Duration;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

/// Oldest supported major version of PostgreSQL, as `server_version_num`.
const SERVER_VERSION_MIN: u32 = 140_000;

/// Constant settings. SET takes no snapshot, so a default of `deferrable` cannot cause a wait.
const SETTINGS: &str = "
set default_transaction_isolation = 'read committed';
set default_transaction_read_only = off;
set default_transaction_deferrable = off;
set idle_session_timeout = 0;
set client_encoding = 'UTF8';
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
set intervalstyle = 'postgres';
set extra_float_digits = 1;
set standard_conforming_strings = on;
set transform_null_equals = off;
set plan_cache_mode = auto;
";
// No statement runs long enough to be worth compiling, but over a month of partitions the planner
// compiles some: 117 of 200 ms (`cargo bench --bench lists`). And a statement uses a single core:
// with parallel workers a few lists of the API would occupy the cores needed by leases and
// settlements.
const PLANNER: &str = "set jit = off; set max_parallel_workers_per_gather = 0;";

/// A separate message: another engine may refuse all others.
const VERSION: &str = "select version()";

const SERVER: &str = "-- admission.server
select current_setting('server_version_num') as version_number,
       current_setting('server_version') as version,
       current_setting('server_encoding') as encoding, current_database() as database,
       pg_is_in_recovery() as is_standby, pg_backend_pid() as pid";

/// Sets the path to the schema of Horolog's tables, and no other: a table of the same name in
/// another schema must not hide Horolog's. `pg_temp` is named because `pg_temp` would come first
/// otherwise. The schema comes from the role's path, if the path leads to the tables; else from the
/// only schema with the tables; else, before the first migration, the schema is the role's first.
const PATH: &str = "-- admission.path
with here as (
    select n.nspname, pg_catalog.pg_table_is_visible(c.oid) as is_visible
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relname = 'horolog_migration' and c.relkind = 'r'
)
select pg_catalog.set_config('search_path', pg_catalog.quote_ident(coalesce(
    (select nspname from here where is_visible),
    (select pg_catalog.min(nspname::text) from here having pg_catalog.count(*) = 1),
    nullif(pg_catalog.current_schema(), 'pg_catalog'), 'public')) || ', pg_temp', false);
";

/// The same when the URL names a path: only a schema of the path is used.
const PATH_OF_URL: &str = "-- admission.path_of_url
select pg_catalog.set_config('search_path', coalesce(pg_catalog.quote_ident(coalesce(
    (select n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n
        on n.oid = c.relnamespace
     where c.relname = 'horolog_migration' and c.relkind = 'r'
       and pg_catalog.pg_table_is_visible(c.oid)),
    pg_catalog.current_schema())) || ', pg_temp', ''), false);
";

/// Settings that depend on the server: `transaction_timeout` exists since PostgreSQL 17. The fire
/// times of a commit acknowledged before being durable would fire again after a crash of the
/// server; the number of awaited standbys is the operator's choice. The last query detects a
/// pooler: another session than before.
const REST: &str = "
select pg_catalog.set_config('transaction_timeout', '0', false)
where pg_catalog.current_setting('transaction_timeout', true) is not null;
select pg_catalog.set_config('synchronous_commit', 'on', false)
where pg_catalog.current_setting('synchronous_commit') = 'off';
select pg_catalog.pg_backend_pid() as pid, pg_catalog.current_schema() as schema,
       pg_catalog.current_setting('lock_timeout') as lock_timeout;
";

/// The first eight digits of a WAL file's name are its timeline. After a promotion the timeline
/// changes before the control file does.
const TIMELINE: &str = "-- timeline.ask
select (pg_control_system()).system_identifier as system,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline";

/// The begin of the reason for refusing a pooler in transaction mode.
pub(super) const TRANSACTION_POOLER: &str = "a pooler in transaction mode, where the lock that proves a node alive \
     belongs to nobody: use session mode (PgBouncer: pool_mode = session), or name the server itself";

/// The settings of the sessions of a process.
#[derive(Debug, Clone)]
pub(super) struct SessionSettings {
    /// Bounds waits for locks and idle transactions on the server as well, so a frozen node cannot
    /// lock rows for longer.
    pub(crate) timeout: Duration,
    /// `search_path` of the URL's options.
    pub(super) search_path: Option<String>,
}

/// How long a statement of a session may take on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statements {
    /// As long as the caller waits: a statement without a caller must not load the server.
    Bounded,
    /// Without a limit: migrations, and waits for other sessions.
    Unbounded,
}

/// Sets up a new connection, or refuses it.
pub(super) async fn admit(
    client: &Client,
    settings: &SessionSettings,
    statements: Statements,
    newest: &NewestTimeline,
) -> Result<(), Refusal> {
    let (settings_text, path_text) = (settings.statements(statements), settings.path());
    let (stated, version, server, rest, timeline) = join!(
        client.simple_query(&settings_text),
        client.simple_query(VERSION),
        client.simple_query(SERVER),
        client.simple_query(&path_text),
        client.simple_query(TIMELINE),
    );
    refuse_engine(text(&row(version)?, "version")?)?;
    let server = row(server)?;
    refuse_server(&server)?;
    // After the engine and the version: an old server refuses a setting, and the version is the
    // better reason.
    stated.map_err(|error| Refusal::from(&error))?;
    refuse_session(&server, &row(rest)?, settings)?;
    match timeline.map(|messages| place(&messages)) {
        Ok(Some(place)) => newest.admit(place),
        // Some managed services do not tell the timeline: no reason to refuse the server.
        Ok(None) => Ok(()),
        Err(error) if error.is_closed() => Err(Refusal::from(&error)),
        Err(error) => {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the server does not tell its timeline"
            );
            Ok(())
        }
    }
}

impl SessionSettings {
    fn statements(&self, statements: Statements) -> String {
        let millis = self.timeout.as_millis();
        let statement = if statements == Statements::Bounded {
            millis
        } else {
            0
        };
        format!(
            "{SETTINGS}{PLANNER} set lock_timeout = {millis}; set idle_in_transaction_session_timeout = {millis}; \
             set statement_timeout = {statement}"
        )
    }

    fn path(&self) -> String {
        match &self.search_path {
            // A pooler may have dropped the options of the URL.
            Some(path) => format!(
                "select pg_catalog.set_config('search_path', '{}', false); {PATH_OF_URL}{REST}",
                path.replace('\'', "''")
            ),
            None => format!("{PATH}{REST}"),
        }
    }
}

/// Engines with PostgreSQL's protocol and without PostgreSQL's promises.
fn refuse_engine(version: &str) -> Result<(), Refusal> {
    if version.contains("CockroachDB") {
        return Err(Refusal::ForGood(
            "CockroachDB, whose advisory locks do nothing: a node could not be seen to live; horolog needs PostgreSQL"
                .to_owned(),
        ));
    }
    if version.contains("-YB-") {
        return Err(Refusal::ForGood(
            "YugabyteDB, whose pg_locks does not show every lock: a living node would look dead; horolog needs PostgreSQL"
                .to_owned(),
        ));
    }
    Ok(())
}

fn refuse_server(server: &SimpleQueryRow) -> Result<(), Refusal> {
    let number = text(server, "version_number")?;
    if number
        .parse::<u32>()
        .is_ok_and(|number| number < SERVER_VERSION_MIN)
    {
        let version = text(server, "version")?;
        return Err(Refusal::ForGood(format!(
            "PostgreSQL {version} is too old: horolog needs 14 or newer"
        )));
    }
    let encoding = text(server, "encoding")?;
    if encoding != "UTF8" {
        return Err(Refusal::ForGood(format!(
            "the database {} has the encoding {encoding}, and horolog needs UTF8; make another one: create database \
             horolog encoding 'UTF8' locale 'C' template template0",
            text(server, "database")?
        )));
    }
    if text(server, "is_standby")? == "t" {
        return Err(Refusal::ForNow(
            "a standby, which takes no writes; name the primary too".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a connection with settings lost in the next message: the sign of another session.
fn refuse_session(
    server: &SimpleQueryRow,
    session: &SimpleQueryRow,
    settings: &SessionSettings,
) -> Result<(), Refusal> {
    // The unit differs: the server shows whole seconds as seconds.
    let is_stated = settings.timeout.is_zero() || text(session, "lock_timeout")? != "0";
    if text(server, "pid")? != text(session, "pid")? || !is_stated {
        return Err(Refusal::ForGood(TRANSACTION_POOLER.to_owned()));
    }
    match (session.try_get("schema"), &settings.search_path) {
        (Ok(None), Some(path)) => {
            Err(Refusal::ForNow(format!("none of the schemas of the URL's search_path exists ({path}): create one")))
        }
        (Ok(None), None) => Err(Refusal::ForNow(
            "the role has no schema to make tables in: create schema public, or name one in the URL \
             (?options=-c%20search_path%3Dname); a role of nodes gets its rights by `horolog migrate \
             --node-role`"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The last row of an answer.
pub(crate) fn row(
    answer: Result<Vec<SimpleQueryMessage>, Error>,
) -> Result<SimpleQueryRow, Refusal> {
    let messages = answer.map_err(|error| Refusal::from(&error))?;
    last_row(messages).ok_or_else(|| Refusal::ForNow("it does not say what it is".to_owned()))
}

fn last_row(messages: Vec<SimpleQueryMessage>) -> Option<SimpleQueryRow> {
    messages
        .into_iter()
        .rev()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
}

pub(crate) fn text<'row>(row: &'row SimpleQueryRow, column: &str) -> Result<&'row str, Refusal> {
    let value = row.try_get(column).ok().flatten();
    value.ok_or_else(|| Refusal::ForNow(format!("it does not say its {column}")))
}

fn place(messages: &[SimpleQueryMessage]) -> Option<Place> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let number = |column: &str| row.try_get(column).ok().flatten();
            Some(Place {
                system: number("system")?.parse().ok()?,
                timeline: number("timeline")?.parse().ok()?,
            })
        }
        _ => None,
    })
}

/// `search_path` of start-up options such as `-c search_path=jobs --jit=off`. The last setting
/// counts, as for the server. A backslash escapes the next character, for example a blank.
pub(super) fn search_path_of(options: &str) -> Option<String> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (blank, _) if blank.is_whitespace() => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    let mut path = None;
    for (index, word) in words.iter().enumerate() {
        let follows_c = index
            .checked_sub(1)
            .and_then(|before| words.get(before))
            .is_some_and(|before| before == "-c");
        let setting = word
            .strip_prefix("--")
            .or_else(|| word.strip_prefix("-c"))
            .or(follows_c.then_some(word));
        let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) else {
            continue;
        };
        if name.replace('-', "_").eq_ignore_ascii_case("search_path") {
            path = Some(value.to_owned());
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_path_of_the_options_is_found_as_the_server_finds_it() {
        let cases = [
            ("", None),
            ("-c jit=off", None),
            ("-c search_path=jobs", Some("jobs")),
            ("-csearch_path=jobs,public", Some("jobs,public")),
            ("--search-path=jobs -c jit=off", Some("jobs")),
            (
                "-c search_path=a -c search_path=b\\ c,\\\"d\\\"",
                Some("b c,\"d\""),
            ),
            ("search_path=jobs", None),
        ];
        for (options, expected) in cases {
            assert_eq!(search_path_of(options).as_deref(), expected, "{options}");
        }
    }

    #[test]
    fn an_engine_that_only_looks_like_postgresql_is_refused_by_name() {
        let named = |version: &str| {
            refuse_engine(version)
                .err()
                .map(|refusal| refusal.reason().to_owned())
        };
        assert_eq!(
            named("PostgreSQL 17.2 (Debian 17.2-1) on x86_64-pc-linux-gnu, compiled by gcc"),
            None
        );
        assert!(
            named("CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu)")
                .is_some_and(|why| why.contains("CockroachDB"))
        );
        assert!(
            named("PostgreSQL 15.12-YB-2.25.2.0-b0 on x86_64")
                .is_some_and(|why| why.contains("YugabyteDB"))
        );
    }
}
