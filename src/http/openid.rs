//! The routes of the sign-in by OpenID Connect.
//!
//! The provider sends the browser back by a navigation from its own site. The cookie of the sign-in
//! is therefore `SameSite=Lax`: such a navigation brings the cookie along, and nothing else of a
//! foreign page does. The cookie is good for ten minutes, for two routes, and for a single sign-in.
//! The cookie of the session stays `Strict`: the page behind the last redirect needs no cookie, and
//! sends requests to the own site only.

use super::authentication::{Authentication, Once, cookie_value};
use super::cookie::{self, OPENID_COOKIE};
use super::origins;
use crate::access::NewSession;
use crate::access::openid::{Callback, OpenId, OpenIdError};
use crate::config::CALLBACK_PATH;
use actix_web::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use std::sync::Arc;
use url::Url;
use url::form_urlencoded::parse;

/// Longest query of a callback, in bytes.
const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Page of the dashboard for a sign-in that failed.
const SIGN_IN_PAGE: &str = "/#/sign-in";

/// The provider of a node, if it has one.
#[derive(Clone, Default)]
pub struct Provider(pub Option<Arc<OpenId>>);

/// `GET /session/options`: the ways to sign in, for the sign-in page.
pub async fn options(provider: web::Data<Provider>) -> HttpResponse {
    let name = provider.0.as_ref().map(|openid| &openid.settings().name);
    let openid = name.map(|name| json!({ "name": name }));
    HttpResponse::Ok().json(json!({"password": true, "openId": openid}))
}

/// `GET /session/openid`: sends the browser to the provider.
pub async fn begin(request: HttpRequest, provider: web::Data<Provider>) -> HttpResponse {
    let Some(openid) = &provider.0 else {
        return HttpResponse::NotFound().finish();
    };
    // A page of another site must not sign a user in, not even as that user.
    if origins::is_foreign_page(&request) {
        return failed(openid, &OpenIdError::NotStarted);
    }
    match openid.begin().await {
        Ok((address, attempt)) => redirect(address.as_str())
            .insert_header((SET_COOKIE, of_attempt(openid, attempt.cookie())))
            .finish(),
        Err(error) => failed(openid, &error),
    }
}

/// `GET /session/openid/callback`: the browser is back.
pub async fn callback(
    request: HttpRequest,
    provider: web::Data<Provider>,
    authentication: web::Data<Authentication>,
) -> HttpResponse {
    let Some(openid) = &provider.0 else {
        return HttpResponse::NotFound().finish();
    };
    let cookie = match cookie_value(request.headers(), OPENID_COOKIE) {
        Once::Text(text) => Some(text),
        Once::Absent | Once::Unreadable => None,
    };
    let address = authentication.client_address(&request);
    let callback = read(request.query_string());
    let finished = openid.finish(callback, cookie, address).await;
    let mut answer = match finished {
        Ok(session) => signed_in(openid, &session),
        Err(error) => failed(openid, &error),
    };
    // The sign-in is over, however it ended.
    if let Ok(cleared) = cookie::cleared_attempt(&attempt_path(openid)).try_into() {
        // Appended: the answer may already have the cookie of the session.
        answer.headers_mut().append(SET_COOKIE, cleared);
    }
    answer
}

/// The answer that begins the session and leads to the dashboard.
fn signed_in(openid: &OpenId, session: &NewSession) -> HttpResponse {
    let cookie = cookie::of_session(session.id.expose(), openid.settings().is_https());
    redirect(&dashboard(openid, "/"))
        .insert_header((SET_COOKIE, cookie))
        .finish()
}

/// The sign-in page says what happened; a code, because others can write an address.
fn failed(openid: &OpenId, error: &OpenIdError) -> HttpResponse {
    let page = format!("{SIGN_IN_PAGE}?error={}", error.code());
    let mut answer = redirect(&dashboard(openid, &page));
    if matches!(error, OpenIdError::Busy) {
        answer.insert_header((RETRY_AFTER, "1"));
    }
    answer.finish()
}

fn redirect(address: &str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((LOCATION, address));
    answer
}

/// A page of the dashboard, under the address that the provider sends people back to. A relative
/// address would be below the path of a proxy that removes the path.
fn dashboard(openid: &OpenId, page: &str) -> String {
    let url = openid.settings().redirect_url();
    format!("{}{}{page}", origin(url), base(url))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The path of a proxy before the addresses of the node, as browsers see it.
fn base(url: &Url) -> &str {
    let path = url.path();
    path.strip_suffix(CALLBACK_PATH).unwrap_or(path)
}

/// The cookie of a sign-in on its way, for the routes of this file.
fn of_attempt(openid: &OpenId, text: &str) -> String {
    cookie::of_attempt(text, &attempt_path(openid), openid.settings().is_https())
}

fn attempt_path(openid: &OpenId) -> String {
    let path = openid.settings().redirect_url().path();
    path.strip_suffix("/callback").unwrap_or(path).to_owned()
}

/// The values of the query. A value that occurs twice does not count.
fn read(query: &str) -> Callback {
    let mut callback = Callback::default();
    // The sign-in then fails as one without a code.
    if query.len() > QUERY_BYTES_MAX {
        return callback;
    }
    callback.code = single_value(query, "code");
    callback.state = single_value(query, "state");
    callback.error = single_value(query, "error");
    callback.issuer = single_value(query, "iss");
    callback
}

fn single_value(query: &str, name: &str) -> Option<String> {
    let mut values = parse(query.as_bytes()).filter(|(found, _)| found == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    value.filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_callback_stands_once() {
        let callback = read("code=a%20b&state=s&iss=https%3A%2F%2Fx&code2=c");
        assert_eq!(callback.code.as_deref(), Some("a b"));
        assert_eq!(callback.issuer.as_deref(), Some("https://x"));
        assert_eq!(callback.error, None);
        let twice = read("state=a&state=b&code=c");
        assert_eq!((twice.state, twice.code.as_deref()), (None, Some("c")));
        let long = read(&format!("state=s&code={}", "a".repeat(QUERY_BYTES_MAX)));
        assert_eq!(long.state, None);
    }

    #[test]
    fn the_dashboard_is_where_the_callback_is() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let below = url("https://jobs.example.com:8443/a/b/session/openid/callback");
        assert_eq!(origin(&below), "https://jobs.example.com:8443");
        assert_eq!(base(&below), "/a/b");
        assert_eq!(base(&url("https://x/session/openid/callback")), "");
    }
}
