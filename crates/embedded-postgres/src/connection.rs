//! Connections of the launcher: is the server there, and does it have the database?

use crate::error::{EmbeddedPostgresError, Result};
use crate::{EmbeddedPostgres, NAME};
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What a connection attempt says about the server.
pub(crate) enum Answer {
    Ready(Client),
    /// A process listens but is not ready, with the reason: wait.
    Busy(String),
    Down,
}

impl EmbeddedPostgres {
    /// Asks the socket whether the server is there. An error is one that neither a wait nor a start
    /// can end.
    pub(crate) async fn probe(&self) -> Result<Answer> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.socket_dir())
            .user(NAME)
            .dbname("postgres")
            .application_name("horolog launcher");
        let error = match tokio::time::timeout(CONNECT_MAX, config.connect(NoTls)).await {
            Ok(Ok((client, connection))) => {
                tokio::spawn(connection); // ends with the client
                return Ok(Answer::Ready(client));
            }
            Ok(Err(error)) => error,
            Err(_) => return Ok(Answer::Busy("no answer".to_owned())),
        };
        match io_error(&error).map(io::Error::kind) {
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(Answer::Down),
            Some(io::ErrorKind::PermissionDenied) => Err(self.refused("a connection", &error)),
            // A full backlog, or the server went away in the middle.
            Some(_) => Ok(Answer::Busy(reason(&error))),
            None if error.is_closed() || error.code().is_some_and(is_passing) => {
                Ok(Answer::Busy(reason(&error)))
            }
            None => Err(self.refused("a connection", &error)),
        }
    }

    pub(crate) async fn create_database_if_missing(&self, client: &Client) -> Result<()> {
        let known = client
            .query_opt("select from pg_database where datname = $1", &[&NAME])
            .await;
        if known
            .map_err(|error| self.refused("to list its databases", &error))?
            .is_none()
        {
            let made = client
                .batch_execute(&format!("create database {NAME}"))
                .await;
            made.map_err(|error| self.refused("to create a database", &error))?;
        }
        Ok(())
    }

    fn refused(
        &self,
        action: &'static str,
        error: &tokio_postgres::Error,
    ) -> EmbeddedPostgresError {
        EmbeddedPostgresError::Refused {
            path: self.data_dir.clone(),
            action,
            why: reason(error),
        }
    }
}

/// States of a server that end without help: starting, stopping, all connections taken.
fn is_passing(code: &SqlState) -> bool {
    let passing = [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    passing.contains(code)
}

fn io_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

/// The message with its cause: that of `tokio_postgres` alone is "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
