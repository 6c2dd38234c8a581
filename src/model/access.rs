//! Access: the caller of an operation, and the roles.
//!
//! `docs/security.md` has the table of the roles and their rights.

use super::{InvalidInput, text, text_enum};
use std::net::{IpAddr, Ipv6Addr};
use uuid::Uuid;

text_enum! {
    /// Role of a user or an API token. Each role includes the rights of those before it.
    #[derive(PartialOrd, Ord, async_graphql::Enum)]
    Role, "role" {
        /// Reads the metrics and the list of nodes.
        Monitor = "MONITOR",
        /// Reads everything but users, tokens and the audit log.
        Viewer = "VIEWER",
        /// Runs, pauses, resumes, cancels and reruns.
        Operator = "OPERATOR",
        /// Creates, changes and deletes jobs, calendars and blackouts.
        Editor = "EDITOR",
        /// Manages users, tokens, nodes and the cluster; reads the audit log.
        Admin = "ADMIN",
    }
}

impl Role {
    /// Whether this role has the rights of `needed`.
    pub fn includes(self, needed: Role) -> bool {
        self >= needed
    }
}

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
    /// Role of the caller.
    pub role: Role,
    /// Address of the client; none without a network.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The caller of a node without authentication. It may do everything.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self {
            kind: CallerKind::Anonymous,
            id: None,
            name: "anonymous".to_owned(),
            role: Role::Admin,
            address,
        }
    }

    /// A node of this name, for what it does by itself.
    pub fn node(name: &str) -> Self {
        Self::with_all_rights(CallerKind::Node, name)
    }

    /// The command line, used by this account of the operating system.
    pub fn command_line(account: &str) -> Self {
        Self::with_all_rights(CallerKind::Command, account)
    }

    fn with_all_rights(kind: CallerKind, name: &str) -> Self {
        Self {
            kind,
            id: None,
            name: name.to_owned(),
            role: Role::Admin,
            address: None,
        }
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

/// Refuses a name that no user may have. Without white space, a user is not mistaken for another
/// kind of caller (`token ci`); nor is one called `anonymous`.
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

/// Prefix of IPv6 that a customer of a provider has at least: its addresses are one client.
const IPV6_CLIENT_BITS: u32 = 64;

/// The client behind an address: the address, or the network of an IPv6 address.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & (u128::MAX << IPV6_CLIENT_BITS),
        )),
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
    fn a_role_includes_those_before_it() {
        let roles = [
            Role::Monitor,
            Role::Viewer,
            Role::Operator,
            Role::Editor,
            Role::Admin,
        ];
        for (index, role) in roles.into_iter().enumerate() {
            for (before, needed) in roles.into_iter().enumerate() {
                assert_eq!(role.includes(needed), index >= before, "{role} {needed}");
            }
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
