//! Detects poolers in transaction mode, once for each server of the URL.
//!
//! A pooler in transaction mode gives a connection another backend for each transaction. With few
//! clients the backend may always be the same, until the lock of a node is lost. A single
//! difference is certain: behind such a pooler, and nowhere else, a connection survives the end of
//! the idle backend.

use super::admission::{TRANSACTION_POOLER, row, text};
use super::refusal::Refusal;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_postgres::Client;

/// Makes an idle backend end at once. `pg_terminate_backend` would end the backend in the middle of
/// a transaction, and then a pooler in any mode knows the client.
const END_WHEN_IDLE: &str = "-- pooler.end_when_idle
set idle_session_timeout = 1; select pg_backend_pid() as pid";

const WHO: &str = "-- pooler.who
select pg_backend_pid() as pid, current_setting('idle_session_timeout') as bound";

/// How long a backend usually needs to end. The time decides nothing: the next query does.
const MOMENT: Duration = Duration::from_millis(20);
/// Most probes, when the end of the backend and the query always cross.
pub(super) const PROBES_MAX: u32 = 5;

/// Result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The connection ended with the backend.
    Session,
    /// The end and a query crossed: unknown.
    Nothing,
}

/// Refuses a pooler in transaction mode. The connection was made for the probe, and ends here.
pub(super) async fn probe(client: Client, mut ended: JoinHandle<()>) -> Result<Shown, Refusal> {
    let answer = match client.simple_query(END_WHEN_IDLE).await {
        Err(error) if !error.is_closed() => {
            // Older than PostgreSQL 14, or another server: the admission refuses the server with
            // the reason.
            return Ok(Shown::Session);
        }
        answer => row(answer)?,
    };
    let pid = text(&answer, "pid")?;
    loop {
        if timeout(MOMENT, &mut ended).await.is_ok() {
            return Ok(Shown::Session);
        }
        let Ok(asked) = row(client.simple_query(WHO).await) else {
            return Ok(Shown::Nothing);
        };
        if text(&asked, "pid")? != pid || text(&asked, "bound")? != "1ms" {
            return Err(Refusal::ForGood(TRANSACTION_POOLER.to_owned()));
        }
    }
}
