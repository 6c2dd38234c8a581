//! Addresses that webhooks may reach: the guard against server-side request forgery.
//!
//! The author of a job chooses the address of the webhook. Without a guard, Horolog would send
//! requests into its own network: cloud metadata, the database, its nodes. An address is checked
//! when the connection is made, not when the job is saved: the name may resolve to another address
//! by then.
//!
//! There are two checks, because hyper does not pass IP literals to the resolver: [`Egress::check`]
//! before the request and [`GuardedResolver`] for names. The resolver looks a name up once and
//! returns the addresses that it checked, so no second look-up can be rebound. It never returns a
//! part of an answer: a name with public and private addresses is an attack.
//!
//! A refusal has the same text for a host that does not exist and for one that is private,
//! link-local or the database: errors must not reveal the internal network to the author of a job.
//! The log of the node has the reason.

use super::ports;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use url::{Host, Url};

/// The addresses that webhooks may reach in addition to public ones, and those that they never
/// reach.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Allowed networks that are not public (`--http-allow`).
    pub networks: Vec<IpNet>,
    /// The only allowed ports (`--http-allow-port`). Empty: all but those of other protocols.
    pub ports: Vec<u16>,
    /// Services that no allowed network opens: the API of the node, its database.
    pub own: Vec<OwnService>,
}

/// The node itself, or a service that it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnService {
    /// A name or an address; `0.0.0.0` and `::` are all addresses of the machine.
    pub host: String,
    pub port: u16,
}

/// Ranges that are not public, and their purposes (IANA's special-purpose registries, RFC 6890, and
/// the metadata service of one cloud on a public address).
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
    (
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        "a loopback address",
    ),
    (v6(0xfc00, 0, 7), "a private address"),
    (v6(0xfe80, 0, 10), "a link-local address"),
    (v6(0xff00, 0, 8), "a multicast address"),
    (v6(0x2001, 0, 23), "a reserved address"), // Teredo, ORCHID, benchmarks
    (v6(0x2001, 0xdb8, 32), "a documentation address"),
    (v6(0x2002, 0, 16), "a 6to4 address"), // wraps any IPv4 address
    (v6(0x3fff, 0, 20), "a documentation address"),
];

/// The public part of IPv6. All other ranges are refused: IPv4-mapped `::ffff:0:0/96`,
/// IPv4-compatible `::/96`, local NAT64 `64:ff9b:1::/48`, and so on.
const GLOBAL_UNICAST: IpNet = v6(0x2000, 0, 3);

/// Public NAT64 (RFC 6052): the IPv4 internet for a node without IPv4.
const NAT64: IpNet = v6(0x64, 0xff9b, 96);

const fn v4(octets: [u8; 4], bits: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

/// A network by the first two segments; all entries fit.
const fn v6(first: u16, second: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0),
        bits,
    ))
}

/// Why a webhook is not sent. The texts have no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One of the addresses is not public, or the name has none.
    #[error(
        "there is no such host, or webhooks may not reach it (--http-allow); the node's log \
         says which"
    )]
    Unreachable,
    /// The port belongs to another protocol, or the operator did not list it.
    #[error("webhooks may not go to port {0} (--http-allow-port)")]
    Port(u16),
}

/// Logs the reason: only the operator may read it.
fn refuse(host: &str, reason: &str) -> Refusal {
    tracing::warn!(host, reason, "webhook refused");
    Refusal::Unreachable
}

impl OwnService {
    /// Whether an address and a port are the service.
    async fn is_at(&self, ip: IpAddr, port: u16) -> bool {
        port == self.port && self.is_on(ip).await
    }

    /// Whether the service is on the machine of an address, with any port.
    async fn is_on(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let addresses: Vec<IpAddr> = match self.host.parse() {
            Ok(address) => vec![address],
            // Resolved as the driver does it: a failover may have moved the service.
            Err(_) => match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
                Ok(found) => found.map(|address| address.ip()).collect(),
                Err(_) => Vec::new(),
            },
        };
        addresses.iter().map(IpAddr::to_canonical).any(|own| {
            own == ip
                || own.is_unspecified() && is_local(ip)
                // The system treats it as loopback.
                || ip.is_unspecified() && (own.is_loopback() || own.is_unspecified())
        })
    }
}

/// Whether an address belongs to the machine: only such an address can be bound.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

impl Egress {
    /// Checks a URL before the request: the port, and the host if it is an address. The resolver
    /// checks names. The `url` crate has already read `2130706433`, `0x7f.1` and other such forms
    /// as IPv4.
    pub async fn check(&self, url: &Url) -> Result<(), Refusal> {
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.may_go_to(port) {
            return Err(Refusal::Port(port));
        }
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            // The resolver checks the addresses of a name when the connection is made.
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if let Some(reason) = forbidden(ip, &self.networks) {
            return Err(refuse(&ip.to_string(), reason));
        }
        for own in &self.own {
            if own.is_at(ip, port).await {
                return Err(refuse(&ip.to_string(), "the node's own API or database"));
            }
        }
        Ok(())
    }

    fn may_go_to(&self, port: u16) -> bool {
        if self.ports.is_empty() {
            !ports::is_of_another_protocol(port)
        } else {
            self.ports.contains(&port)
        }
    }

    /// Whether one of the own services has the port: then a resolver that knows them must look up
    /// the name.
    pub(super) fn is_own_port(&self, url: &Url) -> bool {
        self.own
            .iter()
            .any(|own| url.port_or_known_default() == Some(own.port))
    }

    /// Whether one of the addresses belongs to a machine of the own services.
    async fn holds_own_machine(&self, addresses: &[SocketAddr]) -> bool {
        for own in &self.own {
            for address in addresses {
                if own.is_on(address.ip()).await {
                    return true;
                }
            }
        }
        false
    }

    /// Logs a warning about allowed networks that include public addresses.
    pub fn warn(&self) {
        for network in wider_than_private(&self.networks) {
            tracing::warn!(
                %network,
                "WEBHOOKS MAY GO ANYWHERE in this network (--http-allow): whoever can write a job \
                 reaches every private, loopback and cloud metadata address of it that this node \
                 reaches; name smaller networks instead"
            );
        }
    }
}

/// Networks that are wider than any private one, also as the union of several: `0.0.0.0/1` and
/// `128.0.0.0/1` are all of IPv4. The widest private networks are 10.0.0.0/8 and fc00::/7.
fn wider_than_private(networks: &Vec<IpNet>) -> Vec<IpNet> {
    // Two halves of the internet are each narrow enough: only their union shows the mistake.
    let mut joined = IpNet::aggregate(networks);
    joined.retain(|network| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 7 });
    joined
}

/// Why a connection to an address is refused. `None`: it is allowed.
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
    let named = FORBIDDEN
        .iter()
        .find(|(net, _)| net.contains(&ip))
        .map(|(_, reason)| *reason);
    named.or((ip.is_ipv6() && !GLOBAL_UNICAST.contains(&ip)).then_some("not a public address"))
}

/// All addresses of a name, or none.
fn check_all(
    host: &str,
    addresses: Vec<SocketAddr>,
    allow: &[IpNet],
) -> Result<Vec<SocketAddr>, Refusal> {
    if addresses.is_empty() {
        return Err(refuse(host, "the name has no address"));
    }
    for address in &addresses {
        if let Some(reason) = forbidden(address.ip(), allow) {
            return Err(refuse(host, &format!("{} is {reason}", address.ip())));
        }
    }
    Ok(addresses)
}

/// The system's resolver behind the guard.
pub(super) struct GuardedResolver {
    /// The rules for addresses.
    pub(super) egress: Arc<Egress>,
    /// Whether to refuse the machines of the own services: a resolver does not know the port.
    pub(super) knows_own: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, knows_own) = (Arc::clone(&self.egress), self.knows_own);
        Box::pin(async move {
            // Port 0: the connector replaces it by the port of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|error| refuse(name.as_str(), &error.to_string()))?;
            let checked = check_all(name.as_str(), found.collect(), &egress.networks)?;
            if knows_own && egress.holds_own_machine(&checked).await {
                return Err(refuse(name.as_str(), "the node's own API or database").into());
            }
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
        texts
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect()
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
        let wrapped = ":: ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 \
             ::ffff:0:127.0.0.1 ::127.0.0.1 \
            64:ff9b::a9fe:a9fe 64:ff9b::127.0.0.1 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a9fe:a9fe::1 \
            2001:0:53aa:64c:0:fffe:80ff:fffe 2001:20::1 fec0::1 100::1 5f00::1 4000::1 \
            fd00:ec2::254 \
            100.100.100.200 192.0.0.192 255.255.255.255";
        for text in wrapped.split_whitespace() {
            assert!(forbidden(ip(text), &[]).is_some(), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass_up_to_the_edge_of_the_forbidden_ranges() {
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 \
             126.255.255.255 128.0.0.0 \
            169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 \
            192.169.0.0 \
            198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2001:200::1 2001:db9::1 \
            2003::1 \
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
        for text in [
            "10.0.0.1",
            "::1",
            "fd00:2::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
        ] {
            assert!(forbidden(ip(text), &allow).is_some(), "{text}");
        }
    }

    #[test]
    fn networks_that_hold_more_than_a_private_one_are_warned_of() {
        let wide = |texts: &[&str]| {
            wider_than_private(&nets(texts))
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        for network in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "8.0.0.0/7", "fc00::/6"] {
            assert_eq!(wide(&[network]), [network]);
        }
        assert_eq!(wide(&["0.0.0.0/1", "128.0.0.0/1"]), ["0.0.0.0/0"]);
        assert!(
            wide(&[
                "10.0.0.0/8",
                "172.16.0.0/12",
                "127.0.0.0/8",
                "fc00::/7",
                "::1/128"
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_name_that_mixes_public_and_private_addresses_is_refused_whole() {
        let public = SocketAddr::new(ip("1.1.1.1"), 0);
        let private = SocketAddr::new(ip("10.0.0.1"), 0);
        let refused = Err(Refusal::Unreachable);
        assert_eq!(
            check_all("mixed.example", vec![public, private], &[]),
            refused
        );
        assert_eq!(
            check_all("mixed.example", vec![private, public], &[]),
            refused
        );
        assert_eq!(
            check_all("public.example", vec![public], &[]),
            Ok(vec![public])
        );
        assert_eq!(
            check_all(
                "mixed.example",
                vec![public, private],
                &nets(&["10.0.0.0/8"])
            ),
            Ok(vec![public, private])
        );
        assert_eq!(
            check_all("empty.example", Vec::new(), &[]),
            Err(Refusal::Unreachable)
        );
    }

    fn own(host: &str, port: u16) -> Egress {
        let own = vec![OwnService {
            host: host.to_owned(),
            port,
        }];
        Egress {
            networks: nets(&["0.0.0.0/0", "::/0"]),
            own,
            ..Egress::default()
        }
    }

    async fn may_go(egress: &Egress, url: &str) -> bool {
        egress.check(&url.parse().expect("a URL")).await.is_ok()
    }

    #[tokio::test]
    async fn no_network_opens_the_nodes_own_services() {
        let node = own("127.0.0.1", 8081);
        for refused in [
            "http://127.0.0.1:8081/graphql",
            "http://[::ffff:127.0.0.1]:8081/",
            "http://0:8081/",
        ] {
            assert!(!may_go(&node, refused).await, "{refused}");
        }
        assert!(
            may_go(&node, "http://127.0.0.1:39757/").await,
            "the demo's endpoint"
        );
        assert!(
            may_go(&node, "http://10.1.2.3:8081/").await,
            "another machine's"
        );
        for everywhere in [own("0.0.0.0", 8081), own("::", 8081)] {
            assert!(
                !may_go(&everywhere, "http://127.0.0.1:8081/").await
                    && !may_go(&everywhere, "http://[::1]:8081/").await
            );
            assert!(
                may_go(&everywhere, "http://203.0.113.1:8081/").await,
                "no address of this machine"
            );
        }
        assert!(
            !may_go(&own("localhost", 15_432), "http://127.0.0.1:15432/").await,
            "a database by its name"
        );
    }

    #[tokio::test]
    async fn a_name_of_an_own_machine_is_refused_by_the_resolver_that_knows_them() {
        let egress = Arc::new(own("127.0.0.1", 8081));
        assert!(egress.is_own_port(&"http://localhost:8081/".parse().expect("a URL")));
        for knows_own in [false, true] {
            let resolver = GuardedResolver {
                egress: egress.clone(),
                knows_own,
            };
            let found = resolver.resolve("localhost".parse().expect("a name")).await;
            assert_eq!(found.is_err(), knows_own);
        }
    }

    #[tokio::test]
    async fn ports_of_other_protocols_are_refused_unless_they_are_listed() {
        let usual = Egress::default();
        for port in [22, 25, 5432, 6379, 11_211, 0] {
            assert!(
                !may_go(&usual, &format!("http://1.1.1.1:{port}/")).await,
                "{port}"
            );
        }
        for url in [
            "http://1.1.1.1/",
            "https://1.1.1.1/",
            "http://1.1.1.1:8080/",
            "http://1.1.1.1:39757/",
        ] {
            assert!(may_go(&usual, url).await, "{url}");
        }
        let listed = Egress {
            ports: vec![443, 6379],
            ..Egress::default()
        };
        assert!(
            may_go(&listed, "https://1.1.1.1/").await
                && may_go(&listed, "http://1.1.1.1:6379/").await
        );
        assert!(!may_go(&listed, "http://1.1.1.1/").await);
    }
}
