//! The cookies: of a session, and of a sign-in by OpenID Connect on its way.

use crate::access::openid::MINUTES_MAX;
use std::time::Duration;

/// Name of the cookie with the id of the session.
pub const COOKIE: &str = "horolog_session";
/// Name of the cookie of a sign-in by OpenID Connect on its way.
pub const OPENID_COOKIE: &str = "horolog_openid";
/// Time for which a browser keeps the cookie: no session lives longer.
const COOKIE_AGE: Duration = Duration::from_hours(12);

/// The cookie that begins a session. A browser sends a secure one only over TLS.
pub fn of_session(id: &str, is_secure: bool) -> String {
    format!(
        "{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
        COOKIE_AGE.as_secs(),
        secure(is_secure)
    )
}

/// The cookie that removes the one of a session.
pub fn cleared() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// The cookie of a sign-in on its way. `Lax`: the cookie comes along when the provider sends the
/// browser back.
pub fn of_attempt(text: &str, path: &str, is_secure: bool) -> String {
    format!(
        "{OPENID_COOKIE}={text}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={}{}",
        MINUTES_MAX * 60,
        secure(is_secure)
    )
}

/// The cookie that removes the one of a sign-in.
pub fn cleared_attempt(path: &str) -> String {
    format!("{OPENID_COOKIE}=; Path={path}; HttpOnly; SameSite=Lax; Max-Age=0")
}

fn secure(is_secure: bool) -> &'static str {
    if is_secure { "; Secure" } else { "" }
}
