//! Where a webhook may go: the guard against server-side request forgery.
//!
//! Whoever may write a job names its address, so without a guard Horolog would
//! carry requests into the network it stands in: cloud metadata, the database,
//! its own nodes. Addresses are therefore judged when a connection is made, not
//! when the job is saved: a name may resolve to something else by then.
//!
//! Two doors, because hyper does not ask the resolver about IP literals:
//! [`check_literal`] before sending and [`GuardedResolver`] for names. The
//! resolver looks a name up once and hands over the very addresses it judged,
//! so that there is no second look-up to rebind. It must never hand over part
//! of an answer: a name that mixes public and private addresses is an attack.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// Ranges that are not public, and what each is for (IANA's special-purpose
/// registries, RFC 6890, and one cloud's metadata service on a public address).
const FORBIDDEN: [(IpNet, &str); 24] = [
    (v4([0, 0, 0, 0], 8), "an unspecified address"),
    (v4([10, 0, 0, 0], 8), "a private address"),
    (v4([100, 64, 0, 0], 10), "a carrier's private address"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([168, 63, 129, 16], 32), "a cloud metadata address"), // Azure's wire server
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([172, 16, 0, 0], 12), "a private address"),
    (v4([192, 0, 0, 0], 24), "a reserved address"),
    (v4([192, 0, 2, 0], 24), "a documentation address"),
    (v4([192, 88, 99, 0], 24), "a reserved address"), // 6to4 relays
    (v4([192, 168, 0, 0], 16), "a private address"),
    (v4([198, 18, 0, 0], 15), "a benchmarking address"),
    (v4([198, 51, 100, 0], 24), "a documentation address"),
    (v4([203, 0, 113, 0], 24), "a documentation address"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([240, 0, 0, 0], 4), "a reserved address"), // and 255.255.255.255
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)), "a loopback address"),
    (v6(0xfc00, 0, 7), "a private address"),
    (v6(0xfe80, 0, 10), "a link-local address"),
    (v6(0xff00, 0, 8), "a multicast address"),
    (v6(0x2001, 0, 23), "a reserved address"), // Teredo, ORCHID, benchmarks
    (v6(0x2001, 0xdb8, 32), "a documentation address"),
    (v6(0x2002, 0, 16), "a 6to4 address"), // wraps any IPv4 address
    (v6(0x3fff, 0, 20), "a documentation address"),
];

/// All that IPv6 routes publicly; what lies outside is refused unseen, e.g.
/// IPv4-mapped `::ffff:0:0/96`, IPv4-compatible `::/96`, local NAT64 `64:ff9b:1::/48`.
const GLOBAL_UNICAST: IpNet = v6(0x2000, 0, 3);

/// Public NAT64 (RFC 6052): what a node without IPv4 sees of the IPv4 internet.
const NAT64: IpNet = v6(0x64, 0xff9b, 96);

const fn v4(octets: [u8; 4], bits: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

/// A network by its first two segments; no entry needs more.
const fn v6(first: u16, second: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), bits))
}

/// A webhook's address that `--http-allow` does not hold. The text names no
/// address: a job's author must not read the internal network out of errors.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The address, or one of the addresses of the name, is not public.
    #[error("it is {0}, refused unless --http-allow holds it")]
    Forbidden(&'static str),
    /// The name exists without any address.
    #[error("the name has no address")]
    NoAddress,
}

/// Why an address may not be connected to, or `None` when it may.
pub(super) fn forbidden(ip: IpAddr, allow: &[IpNet]) -> Option<&'static str> {
    if allow.iter().any(|net| net.contains(&ip)) {
        return None;
    }
    if let IpAddr::V6(ip) = ip
        && NAT64.contains(&IpAddr::V6(ip))
    {
        let [.., a, b, c, d] = ip.octets(); // the IPv4 address that the gateway would connect to
        return forbidden(Ipv4Addr::new(a, b, c, d).into(), allow);
    }
    let named = FORBIDDEN.iter().find(|(net, _)| net.contains(&ip)).map(|(_, reason)| *reason);
    named.or((ip.is_ipv6() && !GLOBAL_UNICAST.contains(&ip)).then_some("not a public address"))
}

/// Judges a URL whose host is an IP address; names are the resolver's business.
/// The `url` crate has already read `2130706433`, `0x7f.1` and the like as IPv4.
pub(super) fn check_literal(url: &Url, allow: &[IpNet]) -> Result<(), Refusal> {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    forbidden(ip, allow).map_or(Ok(()), |reason| Err(Refusal::Forbidden(reason)))
}

/// Passes all addresses of a name, or none.
fn check_all(host: &str, addresses: Vec<SocketAddr>, allow: &[IpNet]) -> Result<Vec<SocketAddr>, Refusal> {
    if addresses.is_empty() {
        return Err(Refusal::NoAddress);
    }
    for address in &addresses {
        if let Some(reason) = forbidden(address.ip(), allow) {
            tracing::warn!(host, address = %address.ip(), reason, "webhook address refused");
            return Err(Refusal::Forbidden(reason));
        }
    }
    Ok(addresses)
}

/// The system's resolver behind the guard.
pub(super) struct GuardedResolver {
    /// Ranges that are fine although they are not public.
    pub(super) allow: Arc<[IpNet]>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = Arc::clone(&self.allow);
        Box::pin(async move {
            // Port 0: the connector puts the URL's port in its place.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let checked = check_all(name.as_str(), found.collect(), &allow)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    #[test]
    fn the_first_and_last_address_of_every_range_is_refused() {
        for (net, reason) in FORBIDDEN {
            assert_eq!(net, net.trunc(), "the table names networks, not hosts");
            assert_eq!(forbidden(net.network(), &[]), Some(reason), "{net}");
            assert!(forbidden(net.broadcast(), &[]).is_some(), "{net}");
        }
    }

    #[test]
    fn spellings_that_wrap_an_address_are_refused() {
        let wrapped = ":: ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::127.0.0.1 \
            64:ff9b::a9fe:a9fe 64:ff9b::127.0.0.1 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a9fe:a9fe::1 \
            2001:0:53aa:64c:0:fffe:80ff:fffe 2001:20::1 fec0::1 100::1 5f00::1 4000::1 fd00:ec2::254 \
            100.100.100.200 192.0.0.192 255.255.255.255";
        for text in wrapped.split_whitespace() {
            assert!(forbidden(ip(text), &[]).is_some(), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass_up_to_the_edge_of_the_forbidden_ranges() {
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
            169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 \
            198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2001:200::1 2001:db9::1 2003::1 \
            64:ff9b::8.8.8.8";
        for text in public.split_whitespace() {
            assert_eq!(forbidden(ip(text), &[]), None, "{text}");
        }
    }

    #[test]
    fn allowed_ranges_open_themselves_and_nothing_else() {
        let allow = nets(&["127.0.0.0/8", "fd00:1::/32"]);
        assert_eq!(forbidden(ip("127.1.2.3"), &allow), None);
        assert_eq!(forbidden(ip("fd00:1::9"), &allow), None);
        for text in ["10.0.0.1", "::1", "fd00:2::1", "::ffff:127.0.0.1", "169.254.169.254"] {
            assert!(forbidden(ip(text), &allow).is_some(), "{text}");
        }
    }

    #[test]
    fn a_name_that_mixes_public_and_private_addresses_is_refused_whole() {
        let public = SocketAddr::new(ip("1.1.1.1"), 0);
        let private = SocketAddr::new(ip("10.0.0.1"), 0);
        let refused = Err(Refusal::Forbidden("a private address"));
        assert_eq!(check_all("mixed.example", vec![public, private], &[]), refused);
        assert_eq!(check_all("mixed.example", vec![private, public], &[]), refused);
        assert_eq!(check_all("public.example", vec![public], &[]), Ok(vec![public]));
        assert_eq!(
            check_all("mixed.example", vec![public, private], &nets(&["10.0.0.0/8"])),
            Ok(vec![public, private])
        );
        assert_eq!(check_all("empty.example", Vec::new(), &[]), Err(Refusal::NoAddress));
    }
}
