//! The routes of sessions: sign in, sign out, and the set-up of the first admin.
//!
//! They need no caller, but the same protection from pages of other sites as commands: a foreign
//! page must not sign a user in or out.

use super::authentication::{Authentication, Once, session_id};
use super::graphql::{is_json, refuse, refuse_foreign};
use super::tls::Encrypted;
use super::{answer, cookie, origins};
use crate::access::{NewSession, Password, SetUpError, SignInError};
use crate::model::InvalidInput;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, RETRY_AFTER, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest body in bytes: a name, a password of 256 characters, a token.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// Header of a proxy with the scheme of the client.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct SetUp {
    token: String,
    name: String,
    password: String,
}

/// `POST /session`: signs a user in.
pub async fn sign_in(
    request: HttpRequest,
    authentication: web::Data<Authentication>,
    payload: web::Payload,
) -> HttpResponse {
    let SignIn { name, password } = match read(&request, payload).await {
        Ok(sign_in) => sign_in,
        Err(refusal) => return refusal,
    };
    let address = authentication.client_address(&request);
    let signed_in = authentication
        .authenticator
        .sign_in(&name, Password::given(password), address)
        .await;
    match signed_in {
        Ok(session) => begin(&request, &session),
        Err(error) => {
            let message = error.to_string();
            match error {
                SignInError::Throttled { retry_after } => {
                    let mut refusal = refuse(StatusCode::TOO_MANY_REQUESTS, &message);
                    // `Retry-After: 0` would invite the next try at once.
                    let seconds = retry_after.as_secs().max(1).into();
                    refusal.headers_mut().insert(RETRY_AFTER, seconds);
                    refusal
                }
                SignInError::Wrong => {
                    HttpResponse::Unauthorized().json(answer::errors(&message, "UNAUTHENTICATED"))
                }
                SignInError::Unavailable(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, &message),
            }
        }
    }
}

/// `DELETE /session`: ends the session of the cookie. Without a session there is nothing to end.
pub async fn sign_out(
    request: HttpRequest,
    authentication: web::Data<Authentication>,
) -> HttpResponse {
    if origins::is_foreign_page(&request) {
        return refuse_foreign();
    }
    if let Once::Text(session) = session_id(request.headers())
        && let Err(error) = authentication.authenticator.sign_out(session).await
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a session was not ended"
        );
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer at the moment: try again",
        );
    }
    HttpResponse::NoContent()
        // Also without a session: a dead cookie goes away.
        .insert_header((SET_COOKIE, cookie::cleared()))
        .finish()
}

/// `POST /session/set-up`: creates the first admin with the token of the link, and signs it in.
pub async fn set_up(
    request: HttpRequest,
    authentication: web::Data<Authentication>,
    payload: web::Payload,
) -> HttpResponse {
    let SetUp {
        token,
        name,
        password,
    } = match read(&request, payload).await {
        Ok(set_up) => set_up,
        Err(refusal) => return refusal,
    };
    let address = authentication.client_address(&request);
    let set_up = authentication
        .authenticator
        .set_up(&token, &name, password, address)
        .await;
    match set_up {
        Ok(session) => begin(&request, &session),
        Err(SetUpError::Invalid(invalid)) => refuse_input(&invalid),
        Err(error @ SetUpError::Wrong) => {
            HttpResponse::Unauthorized().json(answer::errors(&error.to_string(), "UNAUTHENTICATED"))
        }
        Err(error @ SetUpError::Unavailable(_)) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
    }
}

/// Reads the body of a page of this node.
async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, HttpResponse> {
    if origins::is_foreign_page(request) {
        return Err(refuse_foreign());
    }
    if !is_json(request) {
        return Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the request as application/json",
        ));
    }
    let bytes = match payload.to_bytes_limited(BODY_BYTES_MAX).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "the body of the request broke off",
            ));
        }
        Err(_) => {
            return Err(refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the request must be at most {BODY_BYTES_MAX} bytes"),
            ));
        }
    };
    // The error of the parser may quote a part of the body: a password.
    serde_json::from_slice(&bytes).map_err(|_| {
        refuse(
            StatusCode::BAD_REQUEST,
            "the body is not an object with the texts `name`, `password`, and `token` for the \
             set-up",
        )
    })
}

fn refuse_input(invalid: &InvalidInput) -> HttpResponse {
    let mut errors = answer::errors(&invalid.to_string(), "BAD_USER_INPUT");
    errors["errors"][0]["extensions"]["field"] = invalid.field.clone().into();
    HttpResponse::BadRequest().json(errors)
}

/// The answer that begins a session in a browser.
fn begin(request: &HttpRequest, session: &NewSession) -> HttpResponse {
    let cookie = cookie::of_session(session.id.expose(), is_https(request));
    HttpResponse::NoContent()
        .insert_header((SET_COOKIE, cookie))
        .finish()
}

/// Whether the client uses TLS, with this node or, by the header, with a proxy. A client with a
/// false header gets a cookie that is never sent back.
fn is_https(request: &HttpRequest) -> bool {
    request.conn_data::<Encrypted>().is_some() || is_forwarded_https(request.headers())
}

fn is_forwarded_https(headers: &HeaderMap) -> bool {
    headers
        .get(FORWARDED_PROTO)
        .and_then(|proto| proto.to_str().ok()?.split(',').next())
        .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}
