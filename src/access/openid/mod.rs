//! Sign-in by OpenID Connect: authorization code with PKCE, state and nonce (OpenID Connect Core,
//! 3.1; RFC 7636).
//!
//! A person is the issuer and the subject, never a name: a name of the provider takes no user over.
//! The role follows from the groups at each sign-in. The session is the one of a sign-in with a
//! password. A provider that is broken or slow lets no one in, and takes nothing but the time of
//! the request that asked for it: passwords, API tokens and sessions know nothing of it.

mod attempt;
mod http;
mod person;
mod provider;
mod settings;

pub use self::attempt::{Attempt, MINUTES_MAX};
pub use self::provider::ProviderError;
pub use self::settings::{OpenIdSetUpError, OpenIdSettings, read_authorities, read_secret};

use self::person::Person;
use self::provider::Provider;
use super::random;
use super::refusals::{note, unknown};
use super::session::NewSession;
use super::throttle::Throttle;
use crate::model::access::{Caller, CallerKind, NamespaceRoles, Role};
use crate::model::grant::role_of_groups;
use crate::model::secret::SecretHash;
use crate::store::access::openid::{OpenIdOutcome, OpenIdSignIn};
use crate::store::access::users::UserIdentity;
use crate::store::author::Author;
use crate::store::{Store, StoreError};
use openidconnect::ClaimsVerificationError;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use url::Url;
use uuid::Uuid;

/// Most requests that wait for the provider: a slow provider must not collect requests.
const UNDER_WAY_MAX: usize = 64;
/// Longest code of an error that the provider sends with the browser.
const ERROR_CHARS_MAX: usize = 60;
/// Action of a sign-in in the audit log.
const SIGN_IN: &str = "signIn";
/// Tries of a first sign-in that another one disturbs.
const TRIES_MAX: usize = 3;
/// Highest number after a name that is taken.
const NUMBER_MAX: u32 = 20;
/// Longest list of groups in a refusal.
const GROUPS_CHARS_MAX: usize = 160;

/// Why a sign-in at the provider failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdError {
    /// The browser has started none, or another one.
    #[error("this browser has not started the sign-in: begin it on the sign-in page")]
    NotStarted,
    /// It took too long.
    #[error("the sign-in took longer than {MINUTES_MAX} minutes: begin it again")]
    TooLate,
    /// The address was used before.
    #[error("the sign-in was used already: begin it again")]
    Used,
    /// The person, or the provider for the person, said no.
    #[error("the provider did not let the person in ({0})")]
    Denied(String),
    /// The answer of the browser is of another provider.
    #[error("the answer is not of this provider: begin the sign-in again")]
    OtherProvider,
    /// The provider does not know the code.
    #[error("the provider does not take the code: begin the sign-in again")]
    Code,
    /// The ID token is not valid.
    #[error("the ID token of the provider is not valid: {0}")]
    Token(String),
    /// No group of the person has a role.
    #[error("no role for {name}: {reason}")]
    NoRole {
        /// The name at the provider.
        name: String,
        /// The groups, or that there are none.
        reason: String,
    },
    /// The user is disabled.
    #[error("the user {0} is disabled")]
    Disabled(String),
    /// There is no room for a new user.
    #[error("there are too many users: an admin must delete one first")]
    TooManyUsers,
    /// Too many failures of the address, or too many requests at the provider.
    #[error("too many sign-ins at once: try again later")]
    Busy,
    /// The provider gave no answer that can be used.
    #[error("the provider does not answer: {0}")]
    Provider(#[from] ProviderError),
    /// The database did not answer.
    #[error("the database does not answer at the moment: try again")]
    Unavailable(#[from] StoreError),
}

impl OpenIdError {
    /// The code for the sign-in page: its address must not have words that a stranger chose.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotStarted | Self::OtherProvider | Self::Used | Self::Code => "not-started",
            Self::TooLate => "expired",
            Self::Denied(_) => "denied",
            Self::Token(_) => "token",
            Self::NoRole { .. } => "no-role",
            Self::Disabled(_) => "disabled",
            Self::TooManyUsers => "too-many-users",
            Self::Busy => "busy",
            Self::Provider(_) => "provider",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Whether a person or a stranger was refused. The others are faults of machines.
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Provider(_) | Self::Unavailable(_))
    }
}

impl From<ClaimsVerificationError> for OpenIdError {
    fn from(error: ClaimsVerificationError) -> Self {
        let cause = match &error {
            ClaimsVerificationError::SignatureVerification(cause) => cause.to_string(),
            cause => cause.to_string(),
        };
        Self::Token(cause.chars().filter(|char| !char.is_control()).collect())
    }
}

/// What the browser brings back from the provider.
#[derive(Debug, Clone, Default)]
pub struct Callback {
    /// The code for the ID token.
    pub code: Option<String>,
    /// The state of the sign-in.
    pub state: Option<String>,
    /// The error of the provider.
    pub error: Option<String>,
    /// The provider (RFC 9207).
    pub issuer: Option<String>,
}

/// The sign-in at the provider of a node.
pub struct OpenId {
    settings: Arc<OpenIdSettings>,
    provider: Provider,
    store: Store,
    /// Failures of an address, counted apart from the failures of passwords.
    throttle: Throttle,
    under_way: Semaphore,
}

impl OpenId {
    /// The sign-in with these settings.
    pub fn new(settings: OpenIdSettings, store: Store) -> Result<Self, OpenIdSetUpError> {
        let settings = Arc::new(settings);
        Ok(Self {
            provider: Provider::new(settings.clone())?,
            settings,
            store,
            throttle: Throttle::default(),
            under_way: Semaphore::new(UNDER_WAY_MAX),
        })
    }

    /// Settings of the provider.
    pub fn settings(&self) -> &OpenIdSettings {
        &self.settings
    }

    /// Asks the provider for its addresses, so that a wrong setting is in the log at the start.
    pub async fn check(&self) {
        if self.provider.metadata().await.is_ok() {
            tracing::info!(issuer = %*self.settings.issuer, "people sign in by OpenID Connect");
        }
    }

    /// Begins a sign-in: the address of the provider for the browser, and the text for its cookie.
    pub async fn begin(&self) -> Result<(Url, Attempt), OpenIdError> {
        let _turn = self
            .under_way
            .try_acquire()
            .map_err(|_| OpenIdError::Busy)?;
        let attempt = Attempt::begin(self.store.now().await?);
        Ok((self.provider.address(&attempt).await?, attempt))
    }

    /// Finishes a sign-in that this browser has started, at any node. Refusals are audited.
    pub async fn finish(
        &self,
        callback: Callback,
        cookie: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<NewSession, OpenIdError> {
        let finished = self.finish_in_turn(callback, cookie, address).await;
        if let Err(error) = &finished {
            let caller = Arc::new(unknown(address));
            let message = error.to_string();
            if error.is_refusal() {
                note(&self.store, &caller, SIGN_IN, &message).await;
            } else {
                tracing::warn!(error = %message, "a sign-in by OpenID Connect failed");
            }
        }
        finished
    }

    async fn finish_in_turn(
        &self,
        callback: Callback,
        cookie: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<NewSession, OpenIdError> {
        let attempt = cookie.and_then(Attempt::of_cookie);
        let state = callback.state.as_deref().unwrap_or_default();
        let attempt = attempt
            .filter(|attempt| attempt.is_of(state))
            .ok_or(OpenIdError::NotStarted)?;
        let now = self.store.now().await?;
        if attempt.is_over(now) {
            return Err(OpenIdError::TooLate);
        }
        // An answer of another provider, which a browser was lured to (RFC 9207).
        if callback
            .issuer
            .is_some_and(|issuer| issuer != self.settings.issuer.as_str())
        {
            return Err(OpenIdError::OtherProvider);
        }
        if let Some(error) = callback.error {
            // The text comes with the address, and a stranger can write an address.
            let printable = error.chars().filter(char::is_ascii_graphic);
            return Err(OpenIdError::Denied(
                printable.take(ERROR_CHARS_MAX).collect(),
            ));
        }
        let code = callback.code.ok_or(OpenIdError::NotStarted)?;
        let _turn = self
            .under_way
            .try_acquire()
            .map_err(|_| OpenIdError::Busy)?;
        // The state as the name: only the bound of the address counts.
        let admitted = self.throttle.admit(state, address, Instant::now());
        let admitted = admitted.map_err(|_| OpenIdError::Busy)?;
        let finished = async {
            let id_token = self.provider.id_token(code, &attempt, now).await?;
            let person = Person::of(&id_token, &self.settings.groups_claim)
                .ok_or_else(|| OpenIdError::Token("it has no subject".to_owned()))?;
            self.start_session(&person, &attempt, address).await
        };
        let finished = finished.await;
        match &finished {
            Ok(_) => self.throttle.succeeded(&admitted),
            // A fault of the provider or the database is no failure of the client.
            Err(error) if !error.is_refusal() => self.throttle.undecided(&admitted),
            Err(_) => {}
        }
        finished
    }

    /// Starts a session of the user of a person, who is created at the first sign-in.
    async fn start_session(
        &self,
        person: &Person,
        attempt: &Attempt,
        address: Option<IpAddr>,
    ) -> Result<NewSession, OpenIdError> {
        let issuer = self.settings.issuer.as_str();
        let groups = person.groups.as_deref().unwrap_or_default();
        let role = role_of_groups(&self.settings.grants, groups);
        for _ in 0..TRIES_MAX {
            let known = self.store.openid_user(issuer, &person.subject).await?;
            // Only after the read of the user: without a role, sessions of an earlier role end.
            let Some(role) = role else {
                return Err(self.without_role(person, known).await?);
            };
            let is_new = known.is_none();
            let user = match known {
                Some(user) => user,
                None => self.new_user(person, role).await?,
            };
            let id = random::secret();
            let sign_in = OpenIdSignIn {
                issuer,
                subject: &person.subject,
                user: &user,
                is_new,
                role,
                nonce: SecretHash::of(&attempt.nonce()),
                session: SecretHash::of(id.expose()),
            };
            let author = Author::command(Arc::new(caller(&user, address)), SIGN_IN);
            let store = self.store.by(author).noting("openIdIssuer", issuer);
            match store.sign_in_by_openid(&sign_in).await? {
                OpenIdOutcome::Started(expires_at) => return Ok(NewSession { id, expires_at }),
                OpenIdOutcome::Used => return Err(OpenIdError::Used),
                OpenIdOutcome::Disabled => return Err(OpenIdError::Disabled(user.name)),
                OpenIdOutcome::TooManyUsers => return Err(OpenIdError::TooManyUsers),
                // The same person signs in twice for the first time, or a name was just taken.
                OpenIdOutcome::Changed => {}
            }
        }
        Err(OpenIdError::Busy)
    }

    /// A user for a person, with a name that no other user has.
    async fn new_user(&self, person: &Person, role: Role) -> Result<UserIdentity, OpenIdError> {
        let id = Uuid::now_v7();
        let first = person.names.first().map_or("", String::as_str);
        let numbered = (2..=NUMBER_MAX).map(|number| format!("{first}-{number}"));
        let mut names: Vec<String> = person.names.iter().cloned().chain(numbered).collect();
        // At the end a name that is free: the last digits of the id are random.
        names.push(format!("{first}-{}", &id.simple().to_string()[24..]));
        let name = self.store.free_user_name(&names).await?;
        Ok(UserIdentity {
            id,
            name: name.ok_or(OpenIdError::Busy)?,
            role: Some(role),
            namespace_roles: NamespaceRoles::default(),
            is_disabled: false,
        })
    }

    /// The refusal of a person without a role, with the facts for an admin. A user who had a role
    /// has lost the role and all sessions.
    async fn without_role(
        &self,
        person: &Person,
        known: Option<UserIdentity>,
    ) -> Result<OpenIdError, StoreError> {
        let claim = &self.settings.groups_claim;
        let reason = match person.groups.as_deref() {
            None => format!("the ID token has no claim `{claim}` with groups"),
            Some(groups) => {
                let groups: String = groups.join(", ").chars().take(GROUPS_CHARS_MAX).collect();
                format!("no --openid-grant is for one of the groups [{groups}] (claim `{claim}`)")
            }
        };
        let name = match known {
            None => person.names.first().cloned().unwrap_or_default(),
            Some(user) => {
                self.store.end_openid_sessions(user.id).await?;
                user.name
            }
        };
        Ok(OpenIdError::NoRole { name, reason })
    }
}

/// The user as the author of a sign-in.
fn caller(user: &UserIdentity, address: Option<IpAddr>) -> Caller {
    Caller {
        kind: CallerKind::User,
        id: Some(user.id),
        name: user.name.clone(),
        role: user.role,
        namespace_roles: user.namespace_roles.clone(),
        address,
    }
}
