//! JSON in the API: every number keeps its digits.
//!
//! `serde_json` keeps the text of a number that does not fit 64 bits (feature
//! `arbitrary_precision`) and passes the text on under a private name. The values of
//! `async-graphql` do not know the name: this file reads such numbers.

use async_graphql::{InputValueResult, Name, Scalar, ScalarType, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Deepest nesting of the variables of a request. `serde_json` stops at 128.
pub const DEPTH_MAX: usize = 100;
/// Most values in the variables of a request: the two bytes of `1,` become a value of some hundred
/// bytes.
const VALUES_MAX: usize = 150_000;

/// JSON as a value of the API.
#[derive(Debug, Clone)]
pub struct Json(Value);

/// Any JSON value; its numbers keep all digits.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

impl Json {
    /// Parses JSON text; numbers keep their digits.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Seed {
            // No limits: the text was bounded at its arrival, or comes from this program.
            room: usize::MAX,
            left: &Cell::new(usize::MAX),
        }
        .deserialize(&mut json)?;
        json.end()?;
        Ok(Self(value))
    }

    /// Converts a value to JSON.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        // By way of text: numbers beyond 64 bits keep their digits.
        Self::read(&serde_json::to_string(value)?)
    }

    /// A scalar of this value.
    pub fn of_value(value: Value) -> Self {
        Self(value)
    }

    /// The value inside.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// The value inside, borrowed.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The value inside, to be changed.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// JSON text, or the reason why a part of it cannot be kept.
    pub fn into_text(self) -> Result<String, String> {
        match flaw(&self.0) {
            Some(flaw) => Err(flaw),
            None => serde_json::to_string(&self.0).map_err(|error| error.to_string()),
        }
    }

    /// An object with texts as its values.
    pub fn into_texts(self) -> Result<BTreeMap<String, String>, String> {
        let Value::Object(fields) = self.0 else {
            return Err(flaw(&self.0)
                .unwrap_or_else(|| "must be a JSON object of names and texts".to_owned()));
        };
        let mut texts = BTreeMap::new();
        for (name, value) in fields {
            let Value::String(text) = value else {
                return Err(format!("the value of `{}` must be a text", shown(&name)));
            };
            texts.insert(name.to_string(), text);
        }
        Ok(texts)
    }
}

/// The variables of a request. A value that cannot be kept becomes a flaw, reported as soon as the
/// field is known.
pub fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Seed {
        room: DEPTH_MAX,
        left: &Cell::new(VALUES_MAX),
    }
    .deserialize(deserializer)
}

/// No JSON becomes `Binary`: here it holds the reason why a value cannot be kept.
fn flawed(reason: String) -> Value {
    Value::Binary(reason.into_bytes().into())
}

fn flaw(value: &Value) -> Option<String> {
    match value {
        Value::Binary(reason) => Some(String::from_utf8_lossy(reason).into_owned()),
        Value::List(items) => items.iter().find_map(flaw),
        Value::Object(fields) => fields.values().find_map(flaw),
        _ => None,
    }
}

/// A name, shortened for a message.
fn shown(name: &str) -> String {
    name.chars()
        .take(40)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

/// Reads a value with limits: levels of nesting, and values left in the document.
#[derive(Clone, Copy)]
struct Seed<'a> {
    room: usize,
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| D::Error::custom(format!("more than {VALUES_MAX} values")))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(room) = self.room.checked_sub(1) else {
            // The parser must reach the end of the list; nothing of the rest is kept.
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(too_deep());
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self { room, ..self })? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let room = self.room.checked_sub(1);
        let (mut object, mut twice) = (async_graphql::indexmap::IndexMap::new(), None);
        while let Some(key) = fields.next_key::<Key>()? {
            match (key, room) {
                // A number arrives as an object with this single key.
                (Key::OfNumber, _) => return number(&fields.next_value::<String>()?),
                (Key::Name(_), None) => drop(fields.next_value::<IgnoredAny>()?),
                (Key::Name(name), Some(room)) => {
                    if object
                        .insert(
                            Name::new(&name),
                            fields.next_value_seed(Self { room, ..self })?,
                        )
                        .is_some()
                    {
                        twice = Some(name);
                    }
                }
            }
        }
        if room.is_none() {
            return Ok(too_deep());
        }
        // Readers of JSON differ in which of the two values they take.
        let flawed = twice.map(|name| {
            flawed(format!(
                "holds the key `{}` twice in one object",
                shown(&name)
            ))
        });
        Ok(flawed.unwrap_or(Value::Object(object)))
    }
}

fn too_deep() -> Value {
    flawed("is nested too deep".to_owned())
}

fn number<E: Error>(text: &str) -> Result<Value, E> {
    text.parse::<Number>().map(Value::Number).map_err(E::custom)
}

/// A key of an object, or the private name under which `serde_json` passes a number.
enum Key {
    Name(String),
    OfNumber,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A key of the request comes as bytes, as asked for; the private name of a number always
        // comes as text. An object with a key of that name thus stays an object.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Key, E> {
        let name = std::str::from_utf8(bytes)
            .map_err(|_| E::custom("a key holds half of a surrogate pair"))?;
        Ok(Key::Name(name.to_owned()))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Key, E> {
        Ok(Key::OfNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(text: &str) -> String {
        Json::read(text).expect("JSON").into_text().expect("kept")
    }

    fn of_variables(text: &str) -> Result<String, String> {
        let mut json = serde_json::Deserializer::from_str(text);
        Json(variables(&mut json).expect("JSON")).into_text()
    }

    #[test]
    fn every_digit_and_the_order_of_keys_are_kept() {
        for text in [
            "[2.27e-29,94.52706955539223,-98.48373126149461,1.7976931348623157e+308]",
            "[-0.0,-0,0,0.10]",
            "[18446744073709551615,18446744073709551616,-9223372036854775809]",
            "[123456789012345678901234567890]",
            "[1e+400,1e-400,0.1000000000000000055511151231257827]",
            r#"{"b":1,"a":{"":null},"$serde_json::private::Number":"7","ä\n":[true,false]}"#,
            r#"{"$serde_json::private::Number":"x"}"#,
        ] {
            assert_eq!(copy(text), text);
        }
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(of_variables(&nested(DEPTH_MAX)).is_ok());
        for depth in [DEPTH_MAX + 1, 127, 128, 129, 10_000] {
            assert_eq!(
                of_variables(&nested(depth)),
                Err("is nested too deep".to_owned()),
                "{depth}"
            );
        }
        let objects = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
        assert_eq!(of_variables(&objects), Err("is nested too deep".to_owned()));
        let twice = of_variables(r#"[{"a":1,"b":2,"a":1}]"#);
        assert_eq!(
            twice,
            Err("holds the key `a` twice in one object".to_owned())
        );
        let many = |count: usize| format!("[{}0]", "0,".repeat(count));
        assert!(of_variables(&many(VALUES_MAX - 2)).is_ok());
        let too_many = many(VALUES_MAX - 1);
        assert!(variables(&mut serde_json::Deserializer::from_str(&too_many)).is_err());
        assert!(Json::read(r#"{"\ud800":1}"#).is_err() && Json::read(r#""\ud800""#).is_err());
    }

    #[test]
    fn headers_are_texts() {
        let texts = |text: &str| Json::read(text).expect("JSON").into_texts();
        assert_eq!(
            texts(r#"{"X-Team":"ops"}"#),
            Ok(BTreeMap::from([("X-Team".to_owned(), "ops".to_owned())]))
        );
        assert_eq!(
            texts(r#"{"X-Team":5}"#),
            Err("the value of `X-Team` must be a text".to_owned())
        );
        assert_eq!(
            texts("[]"),
            Err("must be a JSON object of names and texts".to_owned())
        );
    }
}
