//! The throttle of sign-ins: after ten failures of a name from an address, further tries of that
//! name from that address are refused until the window ends. The same name still works from
//! another address, so that no stranger can lock a user out.
//!
//! An address also has a bound over all names. The throttle belongs to one node and one process:
//! with N nodes an attacker has N times as many tries.

use crate::model::access::client_of;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Length of a window, from its first failure on.
const WINDOW: Duration = Duration::from_mins(5);
/// Failures of one name from one address in a window.
const FAILURES_OF_NAME: u32 = 10;
/// Failures of all names from one address in a window: a proxy may stand before many users.
const FAILURES_OF_ADDRESS: u32 = 100;
/// Most windows that are remembered.
const WINDOWS_MAX: usize = 10_000;
/// Longest part of a name that is remembered, in bytes. No user has a longer one.
const NAME_BYTES: usize = 400;

/// Counts failed sign-ins by name and address.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<Key, Window>>);

/// An address, and a name or all names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    name: Option<String>,
}

#[derive(Clone, Copy)]
struct Window {
    failures: u32,
    ends: Instant,
}

/// An admitted try, counted as a failure until the result is known: simultaneous tries count, too.
#[derive(Debug)]
pub struct Admitted([Key; 2]);

impl Throttle {
    /// Lets a try through, or says how long to wait.
    pub fn admit(
        &self,
        name: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Admitted, Duration> {
        let address = address.map(client_of);
        let name = name[..name.floor_char_boundary(NAME_BYTES)].to_owned();
        let keys = [Some(name), None].map(|name| Key { address, name });
        let mut windows = self.0.lock();
        // Both bounds come before the count: a refused try prolongs nothing.
        for (key, most) in keys.iter().zip([FAILURES_OF_NAME, FAILURES_OF_ADDRESS]) {
            if let Some(window) = windows.get(key)
                && window.failures >= most
                && window.ends > now
            {
                return Err(window.ends - now);
            }
        }
        for key in &keys {
            count(&mut windows, key, now);
        }
        Ok(Admitted(keys))
    }

    /// The password was right: the failures of the name from the address are forgotten. The
    /// failures of the address stay: an attacker with an account could reset the count.
    pub fn succeeded(&self, Admitted([of_name, of_address]): &Admitted) {
        let mut windows = self.0.lock();
        windows.remove(of_name);
        uncount(&mut windows, of_address);
    }

    /// The password could not be checked: the try does not count.
    pub fn undecided(&self, Admitted(keys): &Admitted) {
        let mut windows = self.0.lock();
        for key in keys {
            uncount(&mut windows, key);
        }
    }
}

fn count(windows: &mut HashMap<Key, Window>, key: &Key, now: Instant) {
    if windows.len() >= WINDOWS_MAX && !windows.contains_key(key) {
        make_room(windows, now);
    }
    let new = Window {
        failures: 0,
        ends: now + WINDOW,
    };
    let window = windows.entry(key.clone()).or_insert(new);
    // The failures of a window that is over do not count.
    if window.ends <= now {
        *window = new;
    }
    window.failures += 1;
}

fn uncount(windows: &mut HashMap<Key, Window>, key: &Key) {
    if let Some(window) = windows.get_mut(key) {
        window.failures = window.failures.saturating_sub(1);
    }
}

/// Forgets the windows that have ended. If there is none, the window with the earliest end: each
/// window costs an attacker the hash of a password, and only thousands would displace the window of
/// another party.
fn make_room(windows: &mut HashMap<Key, Window>, now: Instant) {
    windows.retain(|_, window| window.ends > now);
    if windows.len() >= WINDOWS_MAX {
        let first = windows.iter().min_by_key(|(_, window)| window.ends);
        if let Some(key) = first.map(|(key, _)| key.clone()) {
            windows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn fail(throttle: &Throttle, name: &str, address: Option<IpAddr>, now: Instant) -> bool {
        throttle.admit(name, address, now).is_ok()
    }

    #[test]
    fn the_eleventh_failure_waits_for_the_end_of_the_window_and_only_from_that_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..10 {
            assert!(fail(&throttle, "ada", HERE, now));
        }
        let later = now + Duration::from_mins(1);
        let retry_after = throttle.admit("ada", HERE, later).err();
        assert_eq!(retry_after, Some(Duration::from_mins(4)));
        assert!(fail(&throttle, "ada", THERE, later), "another address");
        assert!(fail(&throttle, "bob", HERE, later), "another name");
        assert!(
            fail(&throttle, "ada", HERE, now + WINDOW),
            "the next window"
        );
    }

    #[test]
    fn a_success_resets_the_failures_of_the_name() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..9 {
            assert!(fail(&throttle, "ada", HERE, now));
        }
        let admitted = throttle.admit("ada", HERE, now).expect("the tenth");
        throttle.succeeded(&admitted);
        assert!(fail(&throttle, "ada", HERE, now));
    }

    #[test]
    fn a_try_without_a_result_does_not_count() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..200 {
            let admitted = throttle.admit("ada", HERE, now).expect("let through");
            throttle.undecided(&admitted);
        }
    }

    #[test]
    fn many_names_from_one_address_are_bounded_too() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..100 {
            assert!(fail(&throttle, &format!("user {number}"), HERE, now));
        }
        assert!(!fail(&throttle, "ada", HERE, now));
        assert!(fail(&throttle, "ada", THERE, now));
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_count_together() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let address = |text: &str| Some(text.parse().expect("an address"));
        for host in 0..10 {
            let host = address(&format!("2001:db8:1:2::{host}"));
            assert!(fail(&throttle, "ada", host, now));
        }
        assert!(!fail(&throttle, "ada", address("2001:db8:1:2:ffff::"), now));
        assert!(fail(&throttle, "ada", address("2001:db8:1:3::"), now));
        for _ in 0..10 {
            assert!(fail(&throttle, "ada", address("::ffff:192.0.2.1"), now));
        }
        assert!(!fail(&throttle, "ada", HERE, now), "the same, mapped");
    }

    #[test]
    fn memory_is_bounded_and_ended_windows_go_first() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..WINDOWS_MAX / 2 + 50 {
            let address = IpAddr::V4(u32::try_from(number).expect("small").into());
            let now = start + Duration::from_millis(number as u64);
            assert!(fail(&throttle, &"n".repeat(1_000), Some(address), now));
        }
        let windows = throttle.0.lock();
        assert_eq!(windows.len(), WINDOWS_MAX);
        let longest = windows
            .keys()
            .filter_map(|key| Some(key.name.as_ref()?.len()));
        assert_eq!(longest.max(), Some(NAME_BYTES));
    }
}
