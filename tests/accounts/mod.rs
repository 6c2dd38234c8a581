//! Users, API tokens and sessions: who a credential belongs to, and when it ends.

mod api;
mod audit;
mod cli;
mod own_database;
mod refusals;
mod sessions;
mod set_up;
mod tokens;
mod users;

use crate::support::TestDatabase;
use horolog::access::{AuthenticationError, Authenticator, Credential, Identity, Password};
use horolog::actors::job_manager::Command;
use horolog::actors::job_manager::accounts::{
    CreateApiToken, CreateUser, CreatedToken, UpdateUser,
};
use horolog::clock::Clock;
use horolog::model::access::{Caller, NamespaceRoles, Role};
use horolog::store::Store;
use horolog::store::access::users::{UserChange, UserRecord};
use horolog::store::author::Author;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

pub use audit::MUTATIONS;

const PASSWORD: &str = "correct horse battery";
const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

/// A database with a clock that stands still.
pub struct Accounts {
    pub database: TestDatabase,
    pub clock: Clock,
    pub store: Store,
    pub sql: Client,
}

impl Accounts {
    pub async fn start() -> Self {
        let database = TestDatabase::new().await;
        let clock = Clock::manual("2026-11-30T08:00:00Z".parse().unwrap());
        let author = Author::command(Arc::new(Caller::command_line("tester")), "test");
        Self {
            store: database.store(clock.clone()).by(author),
            sql: database.client().await,
            database,
            clock,
        }
    }

    /// An authenticator that has cached nothing, as on another node.
    pub fn node(&self) -> Authenticator {
        Authenticator::new(self.store.clone())
    }

    pub async fn user(&self, name: &str, role: Role) -> UserRecord {
        let create = CreateUser {
            name: name.to_owned(),
            role: Some(role),
            namespace_roles: NamespaceRoles::default(),
            password: Some(Password::given(PASSWORD.to_owned())),
        };
        create.carry_out(&self.store).await.unwrap()
    }

    pub async fn token(&self, role: Role, expires_in_days: i32) -> CreatedToken {
        let create = CreateApiToken {
            name: "ci".to_owned(),
            role: Some(role),
            namespace_roles: NamespaceRoles::default(),
            expires_in_days,
        };
        create.carry_out(&self.store).await.unwrap()
    }

    /// The id of a new session.
    pub async fn session(&self, name: &str) -> String {
        let password = Password::given(PASSWORD.to_owned());
        let session = self.node().sign_in(name, password, HERE).await.unwrap();
        session.id.expose().to_owned()
    }

    /// Authenticates on a node that has cached nothing.
    pub async fn asked(&self, credential: Credential) -> Result<Identity, AuthenticationError> {
        self.node().authenticate(credential, HERE).await
    }

    /// The error for a session on a node that has cached nothing; empty without an error.
    async fn session_error(&self, session: &str) -> String {
        let asked = self.asked(Credential::Session(session.to_owned())).await;
        asked
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    fn advance(&self, minutes: u64) {
        self.clock.advance(Duration::from_mins(minutes));
    }
}

fn token(text: &str) -> Credential {
    Credential::Token(text.to_owned())
}

async fn update(accounts: &Accounts, user: &UserRecord, is_disabled: bool) {
    let update = UpdateUser {
        id: user.id,
        change: UserChange {
            is_disabled: Some(is_disabled),
            ..UserChange::default()
        },
    };
    update.carry_out(&accounts.store).await.unwrap();
}
