//! The cookie of a session.

use std::time::Duration;

/// Name of the cookie with the id of the session.
pub const COOKIE: &str = "horolog_session";
/// Time for which a browser keeps the cookie: no session lives longer.
const COOKIE_AGE: Duration = Duration::from_hours(12);

/// The cookie that begins a session. A browser sends a secure one only over TLS.
pub fn of_session(id: &str, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!(
        "{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        COOKIE_AGE.as_secs()
    )
}

/// The cookie that removes the one of a session.
pub fn cleared() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}
