//! Finds out whether a connection is a session of its own, once for each server
//! of the URL.
//!
//! A pooler in transaction mode lends a connection another backend for each
//! transaction. With few clients it may be the same backend every time, and all
//! looks well until the lock of a node is lost. What is never the same: a
//! connection whose backend has ended in an idle moment lives on there, and ends
//! everywhere else.

use super::admission::{Refusal, TRANSACTION_POOLER, row, text};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_postgres::Client;

/// Lets the backend end as soon as it is idle. Not by `pg_terminate_backend`, which would hit it in
/// the middle of a transaction, when a pooler in any mode knows whose it is.
const END_WHEN_IDLE: &str = "-- pooler.end_when_idle
set idle_session_timeout = 1; select pg_backend_pid() as pid";

const WHO: &str = "-- pooler.who
select pg_backend_pid() as pid, current_setting('idle_session_timeout') as bound";

/// How long a backend usually needs to end. Time decides nothing: afterwards it is asked.
const MOMENT: Duration = Duration::from_millis(20);
/// Probes when the end of the backend and a question cross each time.
pub(super) const PROBES_MAX: u32 = 5;

/// What a probe of a connection has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It ended with its backend.
    Session,
    /// Its end and a question crossed: nothing is known.
    Nothing,
}

/// Refuses a pooler in transaction mode. The connection was made for this probe, and ends here.
pub(super) async fn probe(client: Client, mut ended: JoinHandle<()>) -> Result<Shown, Refusal> {
    let answer = match client.simple_query(END_WHEN_IDLE).await {
        Err(error) if !error.is_closed() => {
            // No PostgreSQL of 14 or newer: the admission says which it is.
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
