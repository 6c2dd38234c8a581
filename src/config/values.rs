//! The forms of the values of settings.

use ipnet::IpNet;
use std::num::NonZeroU32;
use std::time::Duration;

/// Smallest budget of a caller: the largest cost of one request.
const CALLER_BUDGET_MIN: u32 = 100_000;

/// Longest retention that is no `forever`: a hundred years.
const RETENTION_MAX: Duration = Duration::from_hours(36_500 * 24);
/// Longest interval or time-out: a longer one leads to instants that the clocks of the system
/// cannot represent.
const DURATION_MAX: Duration = Duration::from_hours(365 * 24);

/// An address or a network.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "expected a network such as 10.0.0.0/8 or an address".to_owned())
}

/// A budget that suffices for any one request.
pub(super) fn caller_budget(text: &str) -> Result<NonZeroU32, String> {
    text.parse::<NonZeroU32>()
        .ok()
        .filter(|budget| budget.get() >= CALLER_BUDGET_MIN)
        .ok_or_else(|| {
            format!(
                "expected a number from {CALLER_BUDGET_MIN}, the most that one request may cost"
            )
        })
}

/// A duration within [`DURATION_MAX`].
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > DURATION_MAX {
        Err("expected at most 365days".to_owned())
    } else {
        Ok(duration)
    }
}

/// A duration, or `forever`.
pub(super) fn retention(text: &str) -> Result<Duration, String> {
    if text == "forever" {
        return Ok(Duration::MAX);
    }
    let retention =
        humantime::parse_duration(text).map_err(|error| format!("{error}; or `forever`"))?;
    if retention > RETENTION_MAX {
        Err("expected at most 36500days, or `forever`".to_owned())
    } else {
        Ok(retention)
    }
}

/// A word of a name. `none` is no word.
pub(super) fn mask(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        // `Masks` leaves an empty word out.
        return Ok(if text == "none" {
            String::new()
        } else {
            text.to_ascii_lowercase()
        });
    }
    Err("expected words of letters and digits such as token, or none".to_owned())
}

/// A path without a slash at its end. Default: an empty path.
pub fn base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty()
        || path
            .strip_prefix('/')
            .is_some_and(|names| names.split('/').all(is_path_name))
    {
        return Ok(path.to_owned());
    }
    Err(
        "expected a path such as /horolog: names of letters, digits and -_.~ between slashes"
            .to_owned(),
    )
}

/// A part of a path between slashes.
fn is_path_name(name: &str) -> bool {
    !name.is_empty()
        // Browsers resolve these two before they send an address.
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

/// The name of a header, in lower case.
pub(super) fn header_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let name = text.to_ascii_lowercase();
    // Clients send these headers themselves: no proxy vouches for the values.
    if is_name && !matches!(&*name, "authorization" | "cookie" | "host") {
        return Ok(name);
    }
    Err("expected a header of its own such as X-Forwarded-User".to_owned())
}

/// The name of a `Host` header, without its port.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    if is_host_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected the name of a host such as jobs.example.com, without scheme and port".to_owned())
}

/// Whether a text is `host:port`, without characters that have a meaning in a configuration file.
pub fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    // The colons of an IPv6 address are inside of brackets.
    let host_ok = host.starts_with('[')
        && host.ends_with(']')
        && host[1..host.len() - 1]
            .parse::<std::net::Ipv6Addr>()
            .is_ok()
        || is_host_name(host);
    host_ok && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}
