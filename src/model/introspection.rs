//! The setting of a node for introspection.

use super::text_enum;

text_enum! {
    /// Whether clients may read the schema, and get suggestions for an unknown name.
    Introspection, "introspection" {
        /// Allowed; needed by the playground at `/graphiql`.
        On = "on",
        /// Refused, and there is no playground.
        Off = "off",
    }
}
