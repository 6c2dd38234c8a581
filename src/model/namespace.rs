//! Namespaces: groups of jobs, with limited access.
//!
//! A calendar belongs to the namespace in the name: `team/holidays` to `team`, `holidays` to
//! `default`. So two namespaces may have a calendar of the same name, and neither learns of the
//! calendars of the other.

use super::InvalidInput;
use super::role::Role;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Namespace of jobs without another namespace.
pub const DEFAULT: &str = "default";
/// Most namespaces: the list has no pages.
pub const NAMESPACES_MAX: i64 = 1_000;
/// Most namespaces in which a user or a token has a role.
pub const ROLES_MAX: usize = 100;
/// Longest name, as of a DNS label.
const NAME_CHARS_MAX: usize = 63;
/// Most roles in a message.
const SHOWN_MAX: usize = 5;

/// Refuses an invalid name of a namespace.
pub fn validate_name(field: impl Into<Cow<'static, str>>, name: &str) -> Result<(), InvalidInput> {
    let is_bounded = (1..=NAME_CHARS_MAX).contains(&name.len());
    if is_bounded
        && name
            .chars()
            .all(|c: char| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        // As in a DNS label, like the length.
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        return Ok(());
    }
    let message = "must be from 1 to 63 lower case letters, digits and hyphens, without a hyphen \
                   at either end";
    Err(InvalidInput::new(field, message))
}

/// The namespace of a calendar of the name.
pub fn of_calendar(name: &str) -> &str {
    name.split_once('/').map_or(DEFAULT, |(before, _)| before)
}

/// The roles of a caller in namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceRoles(Arc<BTreeMap<String, Role>>);

impl NamespaceRoles {
    /// Checks roles from outside: each namespace once, and no role without a meaning in a
    /// namespace.
    pub fn validate(roles: Vec<(String, Role)>) -> Result<Self, InvalidInput> {
        const FIELD: &str = "namespaceRoles";
        if roles.len() > ROLES_MAX {
            let message = format!("must be at most {ROLES_MAX} namespaces");
            return Err(InvalidInput::new(FIELD, message));
        }
        let mut of_each = BTreeMap::new();
        for (index, (namespace, role)) in roles.into_iter().enumerate() {
            let place = format!("{FIELD}.{index}.namespace");
            validate_name(place.clone(), &namespace)?;
            if role == Role::Monitor {
                let message = "must not be MONITOR, which has no rights in a namespace";
                return Err(InvalidInput::new(format!("{FIELD}.{index}.role"), message));
            }
            if of_each.insert(namespace, role).is_some() {
                return Err(InvalidInput::new(place, "is named twice"));
            }
        }
        Ok(Self(Arc::new(of_each)))
    }

    /// The roles as the database stores them.
    pub fn stored(roles: impl IntoIterator<Item = (String, Role)>) -> Self {
        Self(Arc::new(roles.into_iter().collect()))
    }

    /// The namespaces with the roles, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(namespace, role)| (&**namespace, *role))
    }

    /// The role in a namespace.
    pub fn get(&self, namespace: &str) -> Option<Role> {
        self.0.get(namespace).copied()
    }

    /// Whether there is no role.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest of the roles.
    pub fn highest(&self) -> Option<Role> {
        self.0.values().copied().max()
    }

    /// The namespaces with at least the role.
    pub fn with(&self, needed: Role) -> Reach {
        let sufficient = self.0.iter().filter(|(_, role)| role.includes(needed));
        Reach::Namespaces(sufficient.map(|(namespace, _)| namespace.clone()).collect())
    }
}

/// `VIEWER in a, EDITOR in b`.
impl fmt::Display for NamespaceRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (namespace, role)) in self.iter().enumerate() {
            if index == SHOWN_MAX {
                return write!(f, " and others");
            }
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{role} in {namespace}")?;
        }
        Ok(())
    }
}

/// The namespaces visible to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All of the cluster.
    All,
    /// The listed namespaces, in order.
    Namespaces(Arc<[String]>),
}

impl Reach {
    /// Whether a namespace is within reach.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => names.iter().any(|name| name == namespace),
        }
    }

    /// Whether another reach is within the reach.
    pub fn covers(&self, other: &Self) -> bool {
        match other {
            Self::All => *self == Self::All,
            Self::Namespaces(names) => names.iter().all(|name| self.includes(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for name in ["a", "team-1", "0", &"a".repeat(63)] {
            assert!(validate_name("name", name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "ä",
            "a b",
            &"a".repeat(64),
        ] {
            assert!(validate_name("name", name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_calendar_has_its_namespace_in_its_name() {
        let all = [
            ("holidays", DEFAULT),
            ("team/holidays", "team"),
            ("a/b/c", "a"),
            ("/x", ""),
        ];
        for (name, namespace) in all {
            assert_eq!(of_calendar(name), namespace, "{name}");
        }
    }

    #[test]
    fn odd_roles_from_outside_are_refused() {
        let refused = |roles: &[(&str, Role)]| {
            let roles = roles.iter().map(|(name, role)| ((*name).to_owned(), *role));
            NamespaceRoles::validate(roles.collect()).is_err()
        };
        assert!(!refused(&[("a", Role::Viewer), ("b", Role::Admin)]));
        assert!(refused(&[("a", Role::Viewer), ("a", Role::Admin)]));
        assert!(refused(&[("a", Role::Monitor)]));
        assert!(refused(&[("A", Role::Viewer)]));
    }

    fn role() -> impl Strategy<Value = Role> {
        prop_oneof![
            Just(Role::Monitor),
            Just(Role::Viewer),
            Just(Role::Operator),
            Just(Role::Editor),
            Just(Role::Admin),
        ]
    }

    proptest! {
        /// A namespace is within the reach of a right exactly if its role includes the right.
        #[test]
        fn the_reach_has_the_namespaces_whose_role_suffices(
            roles in prop::collection::btree_map("[a-d]", role(), 0..4),
            needed in role(),
        ) {
            let reach = NamespaceRoles::stored(roles.clone()).with(needed);
            for namespace in ["a", "b", "c", "d", ""] {
                let suffices = roles.get(namespace).is_some_and(|role| *role >= needed);
                prop_assert_eq!(reach.includes(namespace), suffices);
            }
            prop_assert!(Reach::All.covers(&reach) && !reach.covers(&Reach::All));
            prop_assert!(reach.covers(&NamespaceRoles::stored(roles).with(Role::Admin))
                || needed > Role::Admin);
        }
    }
}
