//! The setting of a node for introspection.

use super::text_enum;

text_enum! {
    /// Whether clients may read the schema, and get similar names for an unknown one.
    Introspection, "introspection" {
        /// Allowed; the playground at `/graphiql` needs it.
        On = "on",
        /// Refused, and there is no playground.
        Off = "off",
    }
}
