//! A gate before COMMIT: stops a transaction when all its work is done and
//! nothing is kept yet, the moment in which a death is most interesting.

use super::{TestDatabase, eventually};
use tokio_postgres::Client;

/// The application name of connections that the gate stops.
pub const VICTIM: &str = "victim";

const INSTALL: &str = "
create function commit_gate() returns trigger language plpgsql as $$
begin
    if current_setting('application_name') = 'victim' then
        perform pg_advisory_xact_lock_shared(4711);
    end if;
    return null;
end $$;
create constraint trigger commit_gate after insert or update on {table}
    deferrable initially deferred for each row execute function commit_gate()";

const WAITER: &str = "select pid from pg_locks
where locktype = 'advisory' and objid = 4711 and not granted
  and database = (select oid from pg_database where datname = current_database())";

/// A gate that is open until it is closed; one per database.
pub struct CommitGate {
    client: Client,
}

impl CommitGate {
    /// Before the commits of what writes to the log.
    pub async fn install(database: &TestDatabase) -> Self {
        Self::install_on(database, "job_execution_log").await
    }

    /// Before the commits of transactions that write to this table.
    pub async fn install_on(database: &TestDatabase, table: &str) -> Self {
        let client = database.client().await;
        client
            .batch_execute(&INSTALL.replace("{table}", table))
            .await
            .unwrap();
        Self { client }
    }

    pub async fn close(&self) {
        self.client
            .execute("select pg_advisory_lock(4711)", &[])
            .await
            .unwrap();
    }

    /// Waits until a COMMIT stands at the gate.
    pub async fn await_victim(&self) -> i32 {
        eventually("a commit stands at the gate", async || {
            self.client
                .query_opt(WAITER, &[])
                .await
                .unwrap()
                .map(|row| row.get(0))
        })
        .await
    }

    /// Ends the session that stands at the gate, like the death of its process: its transaction is
    /// rolled back.
    pub async fn cut(&self) {
        let pid = self.await_victim().await;
        self.client
            .execute("select pg_terminate_backend($1)", &[&pid])
            .await
            .unwrap();
        eventually("the session is gone", async || {
            let row = self
                .client
                .query_opt("select from pg_stat_activity where pid = $1", &[&pid])
                .await
                .unwrap();
            row.is_none().then_some(())
        })
        .await;
        self.open().await;
    }

    /// Lets the session at the gate commit.
    pub async fn open(&self) {
        self.client
            .execute("select pg_advisory_unlock(4711)", &[])
            .await
            .unwrap();
    }
}
