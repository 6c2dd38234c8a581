//! Grants: the roles of the members of groups of an OpenID provider.

use super::access::Role;
use std::str::FromStr;

/// The role of the members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupGrant {
    /// Name or id of the group, in the exact spelling of the provider.
    pub group: String,
    /// The role of the members.
    pub role: Role,
}

impl FromStr for GroupGrant {
    type Err = String;

    /// Reads `GROUP=ROLE`. The name of a group may have `=` (`cn=ops,dc=example`), a role may not.
    fn from_str(text: &str) -> Result<Self, String> {
        let (group, role) = text
            .rsplit_once('=')
            .filter(|(group, _)| !group.trim().is_empty())
            .ok_or("expected GROUP=ROLE such as ops=OPERATOR")?;
        let role = role.to_ascii_uppercase().parse().map_err(|_| {
            format!(
                "`{}` is no role: expected MONITOR, VIEWER, OPERATOR, EDITOR or ADMIN",
                role.escape_debug()
            )
        })?;
        Ok(Self {
            group: group.to_owned(),
            role,
        })
    }
}

/// The highest role of the groups. `None`: no grant names a group of the list.
pub fn role_of_groups(grants: &[GroupGrant], groups: &[String]) -> Option<Role> {
    grants
        .iter()
        .filter(|grant| groups.contains(&grant.group))
        .map(|grant| grant.role)
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_group_and_a_role() {
        let read = |text: &str| {
            let grant = text.parse::<GroupGrant>().ok()?;
            Some((grant.group, grant.role))
        };
        assert_eq!(read("ops=OPERATOR"), Some(("ops".into(), Role::Operator)));
        assert_eq!(read("/ops/db=admin"), Some(("/ops/db".into(), Role::Admin)));
        let dn = "cn=ops,dc=example=VIEWER";
        assert_eq!(read(dn), Some(("cn=ops,dc=example".into(), Role::Viewer)));
        for other in [
            "",
            "ops",
            "=ADMIN",
            " =ADMIN",
            "ops=",
            "ops=root",
            "ops=ADMIN ",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn groups_are_compared_exactly_and_the_highest_role_counts() {
        let grants = ["ops=OPERATOR", "staff=VIEWER", "root=ADMIN"]
            .map(|grant| grant.parse().expect("a grant"));
        let role = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
            role_of_groups(&grants, &groups)
        };
        assert_eq!(role(&["staff", "ops"]), Some(Role::Operator));
        assert_eq!(role(&["staff"]), Some(Role::Viewer));
        for groups in [&[][..], &["Ops"], &["op"], &["ops "], &["ops,root"], &[""]] {
            assert_eq!(role(groups), None, "{groups:?}");
        }
    }
}
