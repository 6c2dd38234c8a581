//! Authentication: the caller of each request.
//!
//! A handler that needs a caller takes [`Authenticated`] as an argument, and so cannot run without
//! one. Only the handlers of health, of sessions and of the dashboard's files have none. A check by
//! path in front of the routes would see `/%6Detrics` as another path than the router does.
//!
//! A request has at most one credential: an API token, the user of a trusted proxy, or a session,
//! in this order. A credential that is not valid is an error, never an anonymous caller.

use super::answer;
use super::cookie::{self, COOKIE};
use super::proxies::TrustedProxies;
use super::remembered::Remembered;
use crate::access::{AuthenticationError, Authenticator, Credential, Identity};
use crate::model::access::{CallerKind, Role};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, COOKIE as COOKIES, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use async_graphql::Request;
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Start of an API token in the `Authorization` header.
const BEARER_TOKEN: &str = "hrl_";

/// How a node knows its callers.
#[derive(Clone)]
pub struct Authentication {
    /// Authenticator that judges the credentials.
    pub authenticator: Arc<Authenticator>,
    /// Whether this node serves anonymous callers while the cluster has no user and no token.
    admits_anonymous: bool,
    /// The proxies whose headers count.
    trusted_proxies: TrustedProxies,
    /// The header by which they name the user.
    proxy_user_header: Option<HeaderName>,
    remembered: Remembered,
}

/// The caller of a request.
pub struct Authenticated {
    identity: Identity,
    authenticator: Arc<Authenticator>,
}

/// The reader of the metrics: any caller with a role in the whole cluster. While the database does
/// not answer, also a client that was such a caller within the hour.
pub struct Scraper;

impl Authenticated {
    /// Puts the caller into the data of a GraphQL request, and the authenticator, which the
    /// commands about passwords need.
    pub fn put_into(&self, request: Request) -> Request {
        with_identity(request, &self.identity).data(self.authenticator.clone())
    }
}

/// Puts the caller and its session into the data of a GraphQL request.
pub fn with_identity(request: Request, identity: &Identity) -> Request {
    let request = request.data(identity.caller.clone());
    match identity.session {
        Some(session) => request.data(session),
        None => request,
    }
}

/// A request without a caller.
#[derive(Debug)]
pub struct Unauthenticated {
    reason: AuthenticationError,
    /// Whether the cookie of the request is of no use any more.
    is_cookie_dead: bool,
}

impl Authentication {
    /// How a node with these settings knows its callers.
    pub fn new(
        authenticator: Arc<Authenticator>,
        admits_anonymous: bool,
        trusted_proxies: Vec<IpNet>,
        proxy_user_header: Option<HeaderName>,
    ) -> Self {
        Self {
            authenticator,
            admits_anonymous,
            trusted_proxies: TrustedProxies::new(trusted_proxies),
            proxy_user_header,
            remembered: Remembered::default(),
        }
    }

    /// Whether a request may read the metrics.
    async fn admit_scraper(&self, request: &HttpRequest) -> Result<(), Unauthenticated> {
        let credential = self.credential(request);
        let refused = match self.identify(request).await {
            // The metrics count what happens in all namespaces.
            Ok(identity) if !identity.caller.has_in_cluster(Role::Monitor) => {
                return Err(Unauthenticated {
                    reason: AuthenticationError::NoClusterRole,
                    is_cookie_dead: false,
                });
            }
            Ok(_) => {
                self.remembered.note(&credential, Instant::now());
                return Ok(());
            }
            Err(refused) => refused,
        };
        // The database has judged: the credential does not count any more.
        if !matches!(refused.reason, AuthenticationError::Unavailable(_)) {
            self.remembered.forget(&credential);
        } else if self.remembered.has(&credential, Instant::now()) {
            return Ok(());
        }
        Err(refused)
    }

    /// The caller of a request, or why it has none.
    pub async fn identify(&self, request: &HttpRequest) -> Result<Identity, Unauthenticated> {
        let credential = self.credential(request);
        let is_session = matches!(credential, Credential::Session(_));
        self.judge(credential, self.client_address(request))
            .await
            .map_err(|reason| Unauthenticated {
                is_cookie_dead: is_session
                    && !matches!(reason, AuthenticationError::Unavailable(_)),
                reason,
            })
    }

    /// The caller of a credential. Without a credential, only a node for anonymous callers has a
    /// caller.
    pub async fn judge(
        &self,
        credential: Credential,
        address: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        let identity = self.authenticator.authenticate(credential, address).await?;
        if identity.caller.kind == CallerKind::Anonymous && !self.admits_anonymous {
            return Err(AuthenticationError::Missing);
        }
        Ok(identity)
    }

    /// The credential of a request. An unreadable credential becomes a token of no caller.
    pub fn credential(&self, request: &HttpRequest) -> Credential {
        let headers = request.headers();
        let authorization = only(headers, &AUTHORIZATION);
        if let Once::Text(header) = authorization
            && let Some(token) = bearer_token(header)
        {
            return Credential::Token(token.to_owned());
        }
        // A proxy that authenticates may leave its own `Authorization` in the request.
        match self.proxy_user(request) {
            Once::Text(user) => return Credential::ProxyUser(user.to_owned()),
            Once::Unreadable => return unreadable(),
            Once::Absent => {}
        }
        // A client with another scheme means to be known: no anonymous access.
        if !matches!(authorization, Once::Absent) {
            return unreadable();
        }
        match session_id(headers) {
            Once::Text(session) => Credential::Session(session.to_owned()),
            Once::Unreadable => unreadable(),
            Once::Absent => Credential::None,
        }
    }

    /// The user that a trusted proxy names. The header of any other client is ignored.
    fn proxy_user<'r>(&self, request: &'r HttpRequest) -> Once<'r> {
        match (&self.proxy_user_header, request.peer_addr()) {
            (Some(header), Some(peer)) if self.trusted_proxies.has(peer.ip()) => {
                only(request.headers(), header)
            }
            _ => Once::Absent,
        }
    }

    /// The address of the client, also behind trusted proxies.
    pub fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        Some(self.trusted_proxies.client(peer, request.headers()))
    }
}

/// The credential of an `Authorization: Bearer …` text, as in `connection_init` of a socket.
pub fn credential_of(authorization: &str) -> Credential {
    bearer_token(authorization).map_or_else(unreadable, |token| Credential::Token(token.to_owned()))
}

/// A credential that is never valid.
fn unreadable() -> Credential {
    Credential::Token(String::new())
}

/// The API token of an `Authorization` header; none for another scheme.
fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    // The name of a scheme has no case (RFC 9110, 11.1).
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(BEARER_TOKEN)).then_some(token)
}

/// A value that may stand once in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once<'r> {
    /// The request has no such value.
    Absent,
    /// The only value of the request.
    Text(&'r str),
    /// There are several, or it is empty or no text.
    Unreadable,
}

impl<'r> Once<'r> {
    fn of(mut values: impl Iterator<Item = Option<&'r str>>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(Some(text)), None) if !text.is_empty() => Self::Text(text),
            _ => Self::Unreadable,
        }
    }
}

fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Once<'r> {
    Once::of(headers.get_all(name).map(|value| value.to_str().ok()))
}

/// The session of the cookie. Of several, a foreign site of the same domain may have set one.
pub fn session_id(headers: &HeaderMap) -> Once<'_> {
    cookie_value(headers, COOKIE)
}

/// The value of a cookie.
pub fn cookie_value<'r>(headers: &'r HeaderMap, name: &str) -> Once<'r> {
    let texts = headers
        .get_all(COOKIES)
        .filter_map(|header| header.to_str().ok());
    let pairs = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    Once::of(
        pairs
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| Some(value)),
    )
}

impl FromRequest for Authenticated {
    type Error = Unauthenticated;
    type Future = LocalBoxFuture<'static, Result<Self, Unauthenticated>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let authentication = of_node(&request)?;
            Ok(Self {
                identity: authentication.identify(&request).await?,
                authenticator: authentication.authenticator.clone(),
            })
        })
    }
}

impl FromRequest for Scraper {
    type Error = Unauthenticated;
    type Future = LocalBoxFuture<'static, Result<Self, Unauthenticated>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            of_node(&request)?.admit_scraper(&request).await?;
            Ok(Self)
        })
    }
}

/// The authentication of the node. A node without authentication refuses all requests.
fn of_node(request: &HttpRequest) -> Result<&Authentication, Unauthenticated> {
    let of_node = request.app_data::<web::Data<Authentication>>();
    of_node
        .map(|authentication| &***authentication)
        .ok_or(Unauthenticated {
            reason: AuthenticationError::Missing,
            is_cookie_dead: false,
        })
}

impl Unauthenticated {
    /// Whether the request has no credential at all.
    pub fn is_without_credential(&self) -> bool {
        matches!(self.reason, AuthenticationError::Missing)
    }
}

impl fmt::Display for Unauthenticated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(formatter)
    }
}

impl ResponseError for Unauthenticated {
    fn status_code(&self) -> StatusCode {
        match self.reason {
            AuthenticationError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            AuthenticationError::Missing
            | AuthenticationError::Wrong
            | AuthenticationError::Expired { .. }
            | AuthenticationError::Disabled => StatusCode::UNAUTHORIZED,
            AuthenticationError::NoClusterRole => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let message = self.to_string();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return HttpResponse::build(status).json(answer::errors(&message, "UNAVAILABLE"));
        }
        if status == StatusCode::FORBIDDEN {
            return HttpResponse::build(status).json(answer::errors(&message, "FORBIDDEN"));
        }
        let mut response = HttpResponse::build(status);
        response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        if self.is_cookie_dead {
            // Or a browser would send it for ever, also to an open cluster of the same host.
            response.insert_header((SET_COOKIE, cookie::cleared()));
        }
        response.json(answer::errors(&message, "UNAUTHENTICATED"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_header_has_an_api_token_or_none() {
        for (header, token) in [
            ("Bearer hrl_a", Some("hrl_a")),
            ("bearer  hrl_a ", Some("hrl_a")),
            ("Bearer eyJhbGciOi", None),
            ("Basic hrl_a", None),
            ("hrl_a", None),
            ("Bearer", None),
        ] {
            assert_eq!(bearer_token(header), token, "{header}");
        }
    }

    #[test]
    fn one_cookie_is_a_session_and_two_are_none() {
        let assert_session = |values: &[&'static str], expected: Once<'_>| {
            let values: Vec<_> = values.iter().map(|value| (COOKIES, *value)).collect();
            assert_eq!(session_id(&headers(&values)), expected);
        };
        assert_session(&["a=b; c"], Once::Absent);
        assert_session(&["a=b; horolog_session=x; c=d"], Once::Text("x"));
        assert_session(&["a=b", "horolog_session=x"], Once::Text("x"));
        assert_session(&["horolog_session="], Once::Unreadable);
        let twice = ["horolog_session=x; horolog_session=y"];
        assert_session(&twice, Once::Unreadable);
        assert_session(
            &["horolog_session=x", "horolog_session=x"],
            Once::Unreadable,
        );
    }

    #[test]
    fn a_header_that_stands_twice_or_is_empty_has_no_value() {
        let user = HeaderName::from_static("x-user");
        for (values, expected) in [
            (&[][..], Once::Absent),
            (&["ada"], Once::Text("ada")),
            (&["ada", "ada"], Once::Unreadable),
            (&[""], Once::Unreadable),
        ] {
            let values: Vec<_> = values.iter().map(|value| (user.clone(), *value)).collect();
            assert_eq!(only(&headers(&values), &user), expected);
        }
    }
}
