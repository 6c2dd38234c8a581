//! The caller of a socket: known before the first operation, and checked as long as the socket is
//! open.

use super::authentication::{Authentication, credential_of, with_identity};
use super::socket_places::Place;
use crate::access::{AuthenticationError, Credential, Identity};
use crate::api::{NeededRole, Subscriber};
use crate::model::client::Client;
use async_graphql::Request;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Time between two checks. With the two seconds for which credentials are cached, an open socket
/// ends within five seconds of a revocation.
const CHECK_EVERY: Duration = Duration::from_millis(2_500);

/// Codes of graphql-transport-ws:
/// <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>.
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;
/// Code of the WebSocket protocol: try again later.
const TRY_AGAIN: u16 = 1013;

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Code of the close frame.
    pub code: u16,
    /// Reason of the close frame.
    pub reason: String,
}

/// The access of one socket. Clones share it.
#[derive(Clone)]
pub struct SocketAccess(Arc<Access>);

struct Access {
    authentication: Authentication,
    /// The credential of the handshake.
    of_handshake: Credential,
    address: Option<IpAddr>,
    place: Place,
    state: Mutex<State>,
    needed: Arc<NeededRole>,
}

#[derive(Default)]
struct State {
    /// The credential of `connection_init`, in place of that of the handshake.
    credential: Option<Credential>,
    /// The caller, once it is known.
    identity: Option<Identity>,
    /// Why the socket is refused.
    closing: Option<Closing>,
}

impl SocketAccess {
    /// The access of a socket with the credential of its handshake.
    pub fn new(
        authentication: Authentication,
        of_handshake: Credential,
        address: Option<IpAddr>,
        place: Place,
    ) -> Self {
        Self(Arc::new(Access {
            authentication,
            of_handshake,
            address,
            place,
            state: Mutex::default(),
            needed: Arc::default(),
        }))
    }

    /// Learns the caller from `connection_init`, whose payload may have a token:
    /// `{"authorization": "Bearer hrl_…"}`.
    pub async fn begin(&self, payload: &serde_json::Value) -> Result<(), Closing> {
        let given = payload.get("authorization");
        if let Some(authorization) = given.filter(|value| !value.is_null()) {
            let credential = credential_of(authorization.as_str().unwrap_or_default());
            self.0.state.lock().credential = Some(credential);
        }
        let judged = self.judge().await.map_err(|error| closing(&error));
        let judged = judged.and_then(|identity| {
            let client = Client::of(&identity.caller);
            let counted = self.0.place.belongs_to(client);
            counted.map(|()| identity).map_err(|reason| Closing {
                code: TRY_AGAIN,
                reason,
            })
        });
        let mut state = self.0.state.lock();
        match judged {
            Ok(identity) => {
                state.identity = Some(identity);
                Ok(())
            }
            Err(closing) => {
                state.closing = Some(closing.clone());
                Err(closing)
            }
        }
    }

    /// The socket as a subscriber of events.
    pub fn subscriber(&self) -> Subscriber {
        self.0.place.subscriber()
    }

    /// Why the socket was refused at its beginning.
    pub fn refused(&self) -> Option<Closing> {
        self.0.state.lock().closing.clone()
    }

    /// Puts the present caller into the data of an operation. `None`: the caller is unknown.
    pub fn admit(&self, request: Request) -> Option<Request> {
        let identity = self.0.state.lock().identity.clone()?;
        Some(with_identity(request, &identity).data(self.0.needed.clone()))
    }

    /// Resolves when the caller has lost its access. While the database does not answer there is
    /// no event either, and the socket stays.
    pub async fn lost(self) -> Closing {
        let mut checks = interval(CHECK_EVERY);
        // After a slow answer of the database, missed checks do not follow in a burst.
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            // Before `connection_init` there is no access that could be lost.
            if self.0.state.lock().identity.is_none() {
                continue;
            }
            match self.judge().await {
                Ok(identity) if !self.0.needed.is_met_by(&identity.caller) => {
                    return Closing {
                        code: FORBIDDEN,
                        reason: format!(
                            "{} has {} now: an operation of this socket needs more",
                            identity.caller.label(),
                            identity.caller.roles_in_words()
                        ),
                    };
                }
                // A new role counts from the next operation on.
                Ok(identity) => self.0.state.lock().identity = Some(identity),
                Err(AuthenticationError::Unavailable(_)) => {}
                Err(error) => return closing(&error),
            }
        }
    }

    async fn judge(&self) -> Result<Identity, AuthenticationError> {
        let of_init = self.0.state.lock().credential.clone();
        let credential = of_init.unwrap_or_else(|| self.0.of_handshake.clone());
        self.0
            .authentication
            .judge(credential, self.0.address)
            .await
    }
}

fn closing(error: &AuthenticationError) -> Closing {
    let code = match error {
        AuthenticationError::Unavailable(_) => TRY_AGAIN,
        AuthenticationError::NoClusterRole => FORBIDDEN,
        AuthenticationError::Missing
        | AuthenticationError::Wrong
        | AuthenticationError::Expired { .. }
        | AuthenticationError::Disabled => UNAUTHORIZED,
    };
    Closing {
        code,
        reason: error.to_string(),
    }
}
