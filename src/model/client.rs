//! Clients, for bounds: a bound of an address alone would be shared by all people behind a proxy,
//! and multiplied by a user with many addresses.

use super::access::{Caller, client_of};
use std::net::{IpAddr, Ipv6Addr};
use uuid::Uuid;

/// A user or a token; otherwise an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// A caller unknown, or unknown so far: the address, or the network of an IPv6 address.
    Address(IpAddr),
    /// A user or a token, by id, from any address.
    Caller(Uuid),
}

impl Client {
    /// The client at an address.
    pub fn at(address: Option<IpAddr>) -> Self {
        let unknown = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Self::Address(client_of(address.unwrap_or(unknown)))
    }

    /// The client behind a caller.
    pub fn of(caller: &Caller) -> Self {
        caller.id.map_or(Self::at(caller.address), Self::Caller)
    }
}
