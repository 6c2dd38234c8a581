//! The authenticator of a node: from a credential to a caller.
//!
//! Results are cached for two seconds, so that a revocation reaches every node within that time,
//! and a busy client costs a query every two seconds. A store that does not answer never lets a
//! request in.

use super::cache::{Cache, Key, Principal};
use super::password::Password;
use super::random;
use super::refusals::{RefusedCredential, RefusedCredentials, note, unknown};
use super::session::{self, CurrentSession, NewSession};
use super::throttle::Throttle;
use super::token::TokenParts;
use crate::model::access::{Caller, CallerKind, NamespaceRoles, Role, validate_user_name};
use crate::model::secret::{Secret, SecretHash};
use crate::model::{InvalidInput, Timestamp, rfc3339};
use crate::store::access::sessions::SignIn;
use crate::store::access::users::{NewUser, StoredPassword, UserIdentity};
use crate::store::author::Author;
use crate::store::{Store, StoreError};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Most sign-ins at once. The hashes of passwords have two threads: a flood from many addresses
/// must not make every user wait longer and longer.
const SIGN_INS_MAX: usize = 64;
/// How long to wait after that.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// Action of a sign-in in the audit log.
const SIGN_IN: &str = "signIn";

/// What a request brings as the proof of its caller.
#[derive(Clone)]
pub enum Credential {
    /// The request has no credential.
    None,
    /// The text of an API token.
    Token(String),
    /// The id of a session, from the cookie.
    Session(String),
    /// The name of a user, from the header of a trusted proxy.
    ProxyUser(String),
}

/// The caller of a request, and its session.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Caller of the request.
    pub caller: Arc<Caller>,
    /// The session; none for the other credentials.
    pub session: Option<CurrentSession>,
}

/// Why a request has no caller.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// There is no credential, and the cluster is not open.
    #[error("authentication is needed: sign in, or send an API token")]
    Missing,
    /// The credential is unknown, or was revoked.
    #[error("the credential is not valid: sign in again, or send another API token")]
    Wrong,
    /// The credential has expired.
    #[error("the {what} expired at {}", rfc3339(*.at))]
    Expired {
        /// `API token` or `session`.
        what: &'static str,
        /// Instant at which it expired.
        at: Timestamp,
    },
    /// The user is disabled.
    #[error("the user is disabled")]
    Disabled,
    /// The caller has roles in namespaces only.
    #[error("this needs a role in the whole cluster, and the caller has roles in namespaces only")]
    NoClusterRole,
    /// The database did not answer.
    #[error("the database does not answer at the moment: try again")]
    Unavailable(#[from] StoreError),
}

impl AuthenticationError {
    /// Whether it says nothing about the credential.
    fn is_of_database(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Too many failures of the name from the address.
    #[error("too many failed sign-ins: try again later")]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Unknown user, wrong password, no password, disabled: one answer for all.
    #[error("the name or the password is wrong")]
    Wrong,
    /// The database did not answer.
    #[error("the database does not answer at the moment: try again")]
    Unavailable(#[from] StoreError),
}

/// Why the first admin was not created.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The link is unknown, used or expired, or the cluster has a user.
    #[error("the link of the set-up is not valid any more")]
    Wrong,
    /// The name or the password is not allowed.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The database did not answer.
    #[error("the database does not answer at the moment: try again")]
    Unavailable(#[from] StoreError),
}

/// A password to be compared.
struct Attempt<'a> {
    /// The action in the audit log.
    action: &'static str,
    /// The name of the user.
    name: &'a str,
    password: Password,
    /// The caller in the audit log, if the user is unknown.
    caller: Caller,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Session(_) => f.write_str("Session(…)"),
            Self::ProxyUser(name) => f.debug_tuple("ProxyUser").field(name).finish(),
        }
    }
}

/// The authenticator of a node. Its routes, sockets and commands share one.
pub struct Authenticator {
    store: Store,
    cache: Cache,
    throttle: Throttle,
    sign_ins: Semaphore,
    refused: RefusedCredentials,
    /// See [`Authenticator::verifications`].
    verifications: AtomicU64,
}

impl Authenticator {
    /// An authenticator of the users and tokens in `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            cache: Cache::default(),
            throttle: Throttle::default(),
            sign_ins: Semaphore::new(SIGN_INS_MAX),
            refused: RefusedCredentials::default(),
            verifications: AtomicU64::new(0),
        }
    }

    /// The caller of a request. A credential that does not count is never an anonymous caller.
    pub async fn authenticate(
        &self,
        credential: Credential,
        address: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        let key = match credential {
            // Asked at each request: the first user ends open access.
            Credential::None if self.is_open().await? => {
                return Ok(Identity {
                    caller: Arc::new(Caller::anonymous(address)),
                    session: None,
                });
            }
            Credential::None => return Err(AuthenticationError::Missing),
            Credential::Token(text) => {
                let Some(TokenParts { id, hash }) = TokenParts::of(&text) else {
                    self.refused
                        .note(&self.store, RefusedCredential::NoToken, address)
                        .await;
                    return Err(AuthenticationError::Wrong);
                };
                Key::Token(id, hash)
            }
            Credential::Session(id) => {
                Key::Session(session::hash_of(&id).ok_or(AuthenticationError::Wrong)?)
            }
            Credential::ProxyUser(name) => {
                // No user has such a name. The text need not reach the database.
                validate_user_name("name", &name).map_err(|_| AuthenticationError::Wrong)?;
                Key::ProxyUser(name)
            }
        };
        let credential = match &key {
            Key::Token(id, _) => Some(RefusedCredential::Token(*id)),
            Key::ProxyUser(_) => Some(RefusedCredential::ProxyUser),
            // The end of a session is ordinary, and a guess at 256 random bits is hopeless.
            Key::Session(_) => None,
        };
        let principal = match self.principal(key).await {
            Ok(principal) => principal,
            Err(error) => {
                if let (Some(credential), false) = (credential, error.is_of_database()) {
                    self.refused.note(&self.store, credential, address).await;
                }
                return Err(error);
            }
        };
        Ok(Identity {
            caller: Arc::new(principal.caller(address)),
            session: principal.session,
        })
    }

    /// Whether the cluster has neither a user nor a token, as of the last two seconds.
    pub async fn is_open(&self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        if let Some(is_open) = self.cache.is_open(asked) {
            return Ok(is_open);
        }
        let is_open = self.store.is_open().await?;
        self.cache.set_open(is_open, asked);
        Ok(is_open)
    }

    /// Signs a user in. Each failure has the same answer after the same time.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<NewSession, SignInError> {
        let attempt = Attempt {
            action: SIGN_IN,
            name,
            password,
            caller: unknown(address),
        };
        let (user, hash) = self.check(attempt).await?;
        let id = random::secret();
        let sign_in = SignIn {
            session: SecretHash::of(id.expose()),
            user_id: user.id,
            // A password that was replaced after the comparison starts no session.
            password_hash: &hash,
        };
        let user = principal(user, None).caller(address);
        let author = Author::command(Arc::new(user), SIGN_IN);
        let expires_at = self.store.by(author).start_session(&sign_in).await?;
        let expires_at = expires_at.ok_or(SignInError::Wrong)?;
        Ok(NewSession { id, expires_at })
    }

    /// Whether the password belongs to the calling user. Throttled like a sign-in: a stolen session
    /// must not lead to the password.
    pub async fn confirm(&self, caller: &Caller, password: Password) -> Result<(), SignInError> {
        if caller.kind != CallerKind::User {
            return Err(SignInError::Wrong);
        }
        let attempt = Attempt {
            action: "changePassword",
            name: &caller.name,
            password,
            caller: caller.clone(),
        };
        self.check(attempt).await.map(drop)
    }

    /// Ends a session, on this node at once.
    pub async fn sign_out(&self, session: &str) -> Result<(), StoreError> {
        if let Some(hash) = session::hash_of(session) {
            self.store.end_session(hash).await?;
            // After the deletion: a request before it could cache the session again.
            self.cache.remove(&Key::Session(hash));
        }
        Ok(())
    }

    /// The token of a new link for the set-up, valid for a day; none when there is a user.
    pub async fn new_set_up_link(&self) -> Result<Option<Secret>, StoreError> {
        let token = random::secret();
        let hash = SecretHash::of(token.expose());
        let is_stored = self.store.create_set_up_link(hash).await?;
        Ok(is_stored.then_some(token))
    }

    /// Creates the first admin by the link of the set-up, and signs the admin in. `password` is
    /// the text of the request.
    pub async fn set_up(
        &self,
        token: &str,
        name: &str,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<NewSession, SetUpError> {
        // Before the hash of the password: strangers must not make the node compute.
        let link = session::hash_of(token).ok_or(SetUpError::Wrong)?;
        if !self.store.is_set_up_link(link).await? {
            return Err(SetUpError::Wrong);
        }
        validate_user_name("name", name)?;
        let hash = Password::chosen("password", password)?.hash().await;
        let admin = NewUser {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            role: Some(Role::Admin),
            namespace_roles: NamespaceRoles::default(),
            password_hash: Some(hash.clone()),
        };
        let id = random::secret();
        let session = SecretHash::of(id.expose());
        let author = Author::command(Arc::new(set_up_caller(address)), "setUp");
        let store = self.store.by(author);
        let expires_at = store.set_up(link, &admin, &hash, session).await?;
        let expires_at = expires_at.ok_or(SetUpError::Wrong)?;
        // Open access ends here at once, and on other nodes within two seconds.
        self.cache.set_open(false, Instant::now());
        Ok(NewSession { id, expires_at })
    }

    /// Number of comparisons of a password with a hash, for a test. An unknown user costs a
    /// comparison, too: the time tells nothing.
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    async fn principal(&self, key: Key) -> Result<Principal, AuthenticationError> {
        let asked = Instant::now();
        if let Some(principal) = self.cache.get(&key, asked) {
            return Ok(principal);
        }
        let principal = match &key {
            Key::Token(id, hash) => self.token(*id, *hash).await?,
            Key::Session(hash) => self.session(*hash).await?,
            Key::ProxyUser(name) => {
                let user = self.store.user_identity(name).await?;
                enabled(user.ok_or(AuthenticationError::Wrong)?, None)?
            }
        };
        self.cache.insert(key, principal.clone(), asked);
        Ok(principal)
    }

    /// Only the owner of the secret learns about the expiry of a token.
    async fn token(&self, id: Uuid, hash: SecretHash) -> Result<Principal, AuthenticationError> {
        let token = self.store.token_state(id, hash).await?;
        let token = token
            .filter(|token| token.is_right)
            .ok_or(AuthenticationError::Wrong)?;
        if token.has_expired {
            return Err(AuthenticationError::Expired {
                what: "API token",
                at: token.expires_at,
            });
        }
        // One write a day: admins see the day of the last use.
        if token.is_first_use_of_day {
            self.store.use_token(id).await?;
        }
        Ok(Principal {
            kind: CallerKind::Token,
            id: token.id,
            name: token.name,
            role: token.role,
            namespace_roles: token.namespace_roles,
            session: None,
        })
    }

    async fn session(&self, hash: SecretHash) -> Result<Principal, AuthenticationError> {
        let state = self.store.session_state(hash).await?;
        let state = state.ok_or(AuthenticationError::Wrong)?;
        if state.has_ended {
            return Err(AuthenticationError::Expired {
                what: "session",
                at: state.ends_at,
            });
        }
        let session = CurrentSession {
            hash,
            expires_at: state.expires_at,
        };
        let principal = enabled(state.user, Some(session))?;
        // A write at each request would cost more than the request.
        if state.is_stale {
            self.store.use_session(hash).await?;
        }
        Ok(principal)
    }

    /// Compares a password with the stored one, within the bounds of the throttle. Returns the
    /// user, and the hash that was right.
    async fn check(&self, attempt: Attempt<'_>) -> Result<(UserIdentity, Secret), SignInError> {
        let Ok(_turn) = self.sign_ins.try_acquire() else {
            return Err(SignInError::Throttled {
                retry_after: BUSY_FOR,
            });
        };
        let address = attempt.caller.address;
        let admitted = match self.throttle.admit(attempt.name, address, Instant::now()) {
            Ok(admitted) => admitted,
            Err(retry_after) => {
                self.note(attempt.action, attempt.caller, "too many failures")
                    .await;
                return Err(SignInError::Throttled { retry_after });
            }
        };
        let stored = match validate_user_name("name", attempt.name) {
            Ok(()) => self.store.stored_password(attempt.name).await,
            // No user has such a name. The comparison with the decoy takes the usual time.
            Err(_) => Ok(None),
        };
        let (user, hash) = match stored {
            Ok(Some(StoredPassword { user, hash })) => (Some(user), hash),
            Ok(None) => (None, None),
            Err(error) => {
                self.throttle.undecided(&admitted);
                return Err(error.into());
            }
        };
        self.verifications.fetch_add(1, Ordering::Relaxed);
        let is_right = attempt.password.matches(hash.clone()).await;
        if let (true, Some(user), Some(hash)) = (is_right, &user, hash) {
            self.throttle.succeeded(&admitted);
            return Ok((user.clone(), hash));
        }
        // The name of no user may be a password in the wrong field: it is not recorded.
        let name = user.map_or(attempt.caller.name, |user| user.name);
        let caller = Caller {
            name,
            ..attempt.caller
        };
        self.note(attempt.action, caller, "the name or the password is wrong")
            .await;
        Err(SignInError::Wrong)
    }

    /// Writes a refusal into the audit log. The refusal stands without it.
    async fn note(&self, action: &str, caller: Caller, reason: &str) {
        note(&self.store, &Arc::new(caller), action, reason).await;
    }
}

/// The caller of the set-up. The proof is the link.
fn set_up_caller(address: Option<IpAddr>) -> Caller {
    Caller {
        name: "set-up-link".to_owned(),
        ..Caller::anonymous(address)
    }
}

/// The user of a valid credential, unless the user is disabled.
fn enabled(
    user: UserIdentity,
    session: Option<CurrentSession>,
) -> Result<Principal, AuthenticationError> {
    if user.is_disabled {
        return Err(AuthenticationError::Disabled);
    }
    Ok(principal(user, session))
}

fn principal(user: UserIdentity, session: Option<CurrentSession>) -> Principal {
    Principal {
        kind: CallerKind::User,
        id: user.id,
        name: user.name,
        role: user.role,
        namespace_roles: user.namespace_roles,
        session,
    }
}
