//! Budgets of callers: the cost of all requests of a caller in a minute.
//!
//! The unit is that of [`super::cost`]. The bounds of single requests and of their number at once
//! protect the node; a budget also leaves other callers their part of the API when a program sends
//! requests in a loop. Each API token, each user and each address of anonymous callers has a
//! budget.

use crate::model::access::{Caller, client_of};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// After this many requests, full budgets are forgotten.
const FORGET_EVERY: u64 = 1_000;

/// The budgets of the callers of a node.
#[derive(Default)]
pub struct CallerBudgets(Option<Budgets>);

struct Budgets {
    per_minute: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<Holder>,
    requests: AtomicU64,
}

/// The holder of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    /// A user or an API token.
    Caller(Uuid),
    /// An anonymous client.
    Client(Option<IpAddr>),
}

/// A request beyond the budget of its caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Overspent {
    /// The budget of a minute.
    pub per_minute: NonZeroU32,
    /// Time after which the budget suffices for the request.
    pub wait: Duration,
}

impl CallerBudgets {
    /// A budget in each minute, at least the largest cost of one request. `None`: no limit.
    pub fn new(per_minute: Option<NonZeroU32>) -> Self {
        Self(per_minute.map(|per_minute| Budgets {
            per_minute,
            limiter: RateLimiter::keyed(Quota::per_minute(per_minute)),
            requests: AtomicU64::new(0),
        }))
    }

    /// Takes the cost of a request from the budget of its caller.
    pub fn spend(&self, caller: &Caller, cost: usize) -> Result<(), Overspent> {
        let Some(budgets) = &self.0 else {
            return Ok(());
        };
        // A cost of 0 spends nothing. Costs above `COST_MAX` were refused before.
        let Some(cost) = u32::try_from(cost).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        if budgets.requests.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == 0 {
            // A full budget is that of a caller without requests: memory stays bounded.
            budgets.limiter.retain_recent();
        }
        let holder = match caller.id {
            Some(id) => Holder::Caller(id),
            // A client with IPv6 has a whole network of addresses: the network has one budget.
            None => Holder::Client(caller.address.map(client_of)),
        };
        let wait = match budgets.limiter.check_key_n(&holder, cost) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(not_yet)) => not_yet.wait_time_from(DefaultClock::default().now()),
            // The setting is at least the largest cost, so that no request is beyond the budget of
            // a whole minute.
            Err(_) => Duration::from_mins(1),
        };
        Err(Overspent {
            per_minute: budgets.per_minute,
            wait,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::CallerKind;

    fn budgets(per_minute: u32) -> CallerBudgets {
        CallerBudgets::new(NonZeroU32::new(per_minute))
    }

    fn client(last: u8) -> Caller {
        Caller::anonymous(Some(IpAddr::from([192, 0, 2, last])))
    }

    #[test]
    fn a_caller_spends_its_own_budget_only() {
        let budgets = budgets(100_000);
        let token = Caller {
            kind: CallerKind::Token,
            id: Some(Uuid::now_v7()),
            ..client(1)
        };
        assert_eq!(budgets.spend(&client(1), 60_000), Ok(()));
        let overspent = budgets.spend(&client(1), 60_000).expect_err("too much");
        assert!(
            overspent.wait > Duration::from_secs(1) && overspent.wait <= Duration::from_secs(12),
            "{overspent:?}"
        );
        assert_eq!(budgets.spend(&client(1), 40_000), Ok(()), "the rest");
        assert_eq!(budgets.spend(&client(2), 100_000), Ok(()));
        assert_eq!(budgets.spend(&token, 100_000), Ok(()), "same address");
        assert!(budgets.spend(&token, 1_000).is_err());
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_have_one_budget() {
        let budgets = budgets(1_000);
        let from = |address: &str| Caller::anonymous(Some(address.parse().expect("an address")));
        assert_eq!(budgets.spend(&from("2001:db8::1"), 1_000), Ok(()));
        assert!(budgets.spend(&from("2001:db8::2"), 1_000).is_err());
    }

    #[test]
    fn without_a_setting_there_is_no_limit() {
        let budgets = CallerBudgets::default();
        for _ in 0..10 {
            assert_eq!(budgets.spend(&client(1), usize::MAX), Ok(()));
        }
    }
}
