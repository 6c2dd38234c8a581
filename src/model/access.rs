//! Access: the caller of an operation, and the caller's rights.
//!
//! `docs/security.md` has the table of the roles and the rights.

pub use super::namespace::{NamespaceRoles, Reach};
pub use super::role::Role;
use super::{InvalidInput, text, text_enum};
use std::net::{IpAddr, Ipv6Addr};
use uuid::Uuid;

text_enum! {
    /// Kind of a caller.
    #[derive(async_graphql::Enum)]
    CallerKind, "kind of caller" {
        /// Any client of a node without authentication.
        Anonymous = "ANONYMOUS",
        /// A person with a session or behind a trusted proxy.
        User = "USER",
        /// A program with an API token.
        Token = "TOKEN",
        /// The command line with the URL of the database.
        Command = "COMMAND",
        /// A node, for the decisions of the cluster.
        Node = "NODE",
    }
}

/// The caller of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Kind of the caller.
    pub kind: CallerKind,
    /// Id of the user or the token; none for the other kinds.
    pub id: Option<Uuid>,
    /// Name of the user, the token, the account of the operating system, or the node.
    pub name: String,
    /// Role in the whole cluster.
    pub role: Option<Role>,
    /// The roles in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// Address of the client; none without a network.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The caller of a node without authentication, with all rights.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self {
            kind: CallerKind::Anonymous,
            id: None,
            name: "anonymous".to_owned(),
            role: Some(Role::Admin),
            namespace_roles: NamespaceRoles::default(),
            address,
        }
    }

    /// A node of the name, for actions without a request.
    pub fn node(name: &str) -> Self {
        Self::with_all_rights(CallerKind::Node, name)
    }

    /// The command line, used by the account of the operating system.
    pub fn command_line(account: &str) -> Self {
        Self::with_all_rights(CallerKind::Command, account)
    }

    fn with_all_rights(kind: CallerKind, name: &str) -> Self {
        Self {
            kind,
            id: None,
            name: name.to_owned(),
            role: Some(Role::Admin),
            namespace_roles: NamespaceRoles::default(),
            address: None,
        }
    }

    /// Whether the caller has a role with `needed` in the whole cluster.
    pub fn has_in_cluster(&self, needed: Role) -> bool {
        self.role.is_some_and(|role| role.includes(needed))
    }

    /// Whether the caller has a role with `needed` in the whole cluster, or in any namespace. Every
    /// caller has the rights of MONITOR outside of namespaces.
    pub fn has_somewhere(&self, needed: Role) -> bool {
        let highest = self.role.max(self.namespace_roles.highest());
        highest.unwrap_or(Role::Monitor).includes(needed)
    }

    /// The namespaces in which the caller has a role with `needed`.
    pub fn reach(&self, needed: Role) -> Reach {
        if self.has_in_cluster(needed) {
            Reach::All
        } else {
            self.namespace_roles.with(needed)
        }
    }

    /// The roles of the caller, for messages: `VIEWER`, `EDITOR in team`, `no role`.
    pub fn roles_in_words(&self) -> String {
        roles_in_words(self.role, &self.namespace_roles)
    }

    /// The caller in `changedBy` and in lists: `ada`, `token ci`, `node a`, `anonymous`.
    pub fn label(&self) -> String {
        match self.kind {
            CallerKind::User | CallerKind::Anonymous => self.name.clone(),
            CallerKind::Token => format!("token {}", self.name),
            CallerKind::Command => format!("command line of {}", self.name),
            CallerKind::Node => format!("node {}", self.name),
        }
    }
}

/// The roles of a user, a token or a caller, for messages.
pub fn roles_in_words(role: Option<Role>, namespace_roles: &NamespaceRoles) -> String {
    match (role, namespace_roles.is_empty()) {
        (Some(role), true) => role.to_string(),
        (Some(role), false) => format!("{role}, {namespace_roles}"),
        (None, false) => namespace_roles.to_string(),
        (None, true) => "no role".to_owned(),
    }
}

/// Refuses an invalid name of a user. Without white space, a user is not mistaken for another kind
/// of caller (`token ci`); nor for `anonymous`.
pub fn validate_user_name(field: &'static str, name: &str) -> Result<(), InvalidInput> {
    text::USER_NAME.check(field, name)?;
    if name.contains(char::is_whitespace) {
        return Err(InvalidInput::new(field, "must not have white space"));
    }
    if name.eq_ignore_ascii_case("anonymous") {
        return Err(InvalidInput::new(
            field,
            "is the name of callers without a user",
        ));
    }
    Ok(())
}

/// Smallest prefix of IPv6 for a customer of a provider: all addresses of the prefix count as a
/// single client.
const IPV6_CLIENT_BITS: u32 = 64;

/// The client behind an address: the address, or the network of an IPv6 address.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & (u128::MAX << IPV6_CLIENT_BITS),
        )),
        // An IPv4 address is often shared, but never chosen by the client.
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_that_is_no_label_of_another_caller() {
        let is_allowed = |name: &str| validate_user_name("name", name).is_ok();
        for name in ["ada", "ada@example.com", "Ada.Lovelace", "ädä"] {
            assert!(is_allowed(name), "{name}");
        }
        let long = "a".repeat(101);
        for name in [
            "",
            " ",
            "ada ",
            "token ci",
            "a\tb",
            "a\0b",
            "Anonymous",
            &long,
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_address_that_of_ipv4() {
        let client = |text: &str| client_of(text.parse().expect("an address"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
    }
}
