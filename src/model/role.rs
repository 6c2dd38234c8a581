//! The roles.

use super::text_enum;

text_enum! {
    /// Role of a user or an API token. Each role includes the rights of the roles before.
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
    /// Whether the role has the rights of `needed`.
    pub fn includes(self, needed: Role) -> bool {
        self >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
