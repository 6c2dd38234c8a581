//! Payloads: the JSON of a job for the target, stored as text.
//!
//! No JSON reader stores every number unchanged: `f64` rounds; `jsonb` loses the sign of zero and
//! expands 1e400. Therefore the text is passed on, and no code parses the values.

use super::InvalidInput;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Largest payload, in bytes of JSON text without white space between tokens.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of lists and objects. JSON readers stop at 100 levels or more, and the documents
/// around a payload add some levels.
pub const PAYLOAD_DEPTH_MAX: usize = 64;

/// JSON text. A clone is cheap: clones share the text.
#[derive(Debug, Clone)]
pub struct Payload(Arc<RawValue>);

impl Payload {
    /// A payload of a JSON text.
    pub fn of_json(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(Self::from)
    }

    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON text as a value, written unchanged by serde.
    pub fn json(&self) -> &RawValue {
        &self.0
    }

    /// Whether the payload is `null`: then there is nothing to send.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Refuses a text that could not be returned unchanged.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        let bytes = self.as_str().len();
        if bytes > PAYLOAD_BYTES_MAX {
            let message =
                format!("must be at most 262144 bytes (256 KB) of compact JSON, and has {bytes}");
            return Err(InvalidInput::new("payload", message));
        }
        let Shape { depth, holds_nul } = Shape::of(self.as_str());
        if depth > PAYLOAD_DEPTH_MAX {
            return Err(InvalidInput::new(
                "payload",
                format!("must be nested at most {PAYLOAD_DEPTH_MAX} levels deep"),
            ));
        }
        if holds_nul {
            return Err(InvalidInput::new(
                "payload",
                "must not hold the character U+0000, which PostgreSQL cannot store",
            ));
        }
        Ok(())
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(json: Box<RawValue>) -> Self {
        Self(json.into())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Findings in a JSON text.
#[derive(Default)]
struct Shape {
    depth: usize,
    holds_nul: bool,
}

impl Shape {
    /// A loop over the text, not a recursion over values: any depth is safe.
    fn of(json: &str) -> Self {
        let (mut shape, mut open, mut in_string) = (Self::default(), 0_usize, false);
        let mut bytes = json.as_bytes();
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = rest;
            match byte {
                b'"' => in_string = !in_string,
                b'\\' => {
                    shape.holds_nul |= rest.starts_with(b"u0000");
                    // The escaped character, which may be a quote.
                    bytes = rest.get(1..).unwrap_or_default();
                }
                b'[' | b'{' if !in_string => {
                    open += 1;
                    shape.depth = shape.depth.max(open);
                }
                b']' | b'}' if !in_string => open = open.saturating_sub(1),
                _ => {}
            }
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(json: &impl ToString) -> Payload {
        Payload::of_json(json.to_string()).expect("JSON")
    }

    fn refusal(text: &str) -> Option<String> {
        payload(&text)
            .validate()
            .err()
            .map(|invalid| invalid.to_string())
    }

    #[test]
    fn the_bounds_are_exact() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(refusal(&nested(PAYLOAD_DEPTH_MAX)), None);
        assert!(
            refusal(&nested(PAYLOAD_DEPTH_MAX + 1)).is_some_and(|why| why.contains("64 levels"))
        );
        assert!(refusal(&nested(100_000)).is_some());
        assert_eq!(refusal(&text(PAYLOAD_BYTES_MAX)), None);
        assert!(
            refusal(&text(PAYLOAD_BYTES_MAX + 1)).is_some_and(|why| why.contains("262144 bytes"))
        );
    }

    #[test]
    fn brackets_and_backslashes_in_texts_are_texts() {
        for text in [
            "[".repeat(500),
            "\\\"[{".repeat(100),
            "\\u0000".to_owned(),
            "\\".to_owned(),
        ] {
            let odd = payload(&json!({ text.as_str(): [text] }));
            assert_eq!(odd.validate(), Ok(()), "{odd:?}");
        }
        for json in [json!("\0"), json!({"a\0": 1}), json!(["\\\0"])] {
            assert!(payload(&json).validate().is_err());
        }
    }
}
