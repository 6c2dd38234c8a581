//! Whether a node shows its schema.

use super::text_enum;

text_enum! {
    /// Whether clients may ask for the schema, and are told similar names for one that it does not
    /// have.
    Introspection, "introspection" {
        /// They may; the playground at `/graphiql` needs it.
        On = "on",
        /// They may not, and there is no playground.
        Off = "off",
    }
}
