//! Requests: one JSON object, by POST or over a socket, or the query string of an address, by GET.

use super::json;
use async_graphql::{Request, Value, Variables};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use url::form_urlencoded;

/// A request as it was sent; numbers in its variables keep all digits.
pub struct GraphqlRequest(pub Request);

impl GraphqlRequest {
    /// Reads the body of a request.
    pub fn read(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body)
    }

    /// Reads the query string of an address. Its `variables` and `extensions` are JSON.
    pub fn of_address(parameters: &str) -> serde_json::Result<Self> {
        let mut fields = Vec::new();
        for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
            let value = match &*name {
                "query" | "operationName" => serde_json::to_string(&value)?,
                // A complete JSON value cannot end the object around it.
                "variables" | "extensions" => {
                    RawValue::from_string(value.into_owned())?.get().to_owned()
                }
                // As the fields of a body that are unknown (`Field::Other`).
                _ => continue,
            };
            fields.push(format!("\"{name}\":{value}"));
        }
        Self::read(format!("{{{}}}", fields.join(",")).as_bytes())
    }
}

impl<'de> Deserialize<'de> for GraphqlRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `deserialize_struct` would accept a list of the fields, too.
        deserializer.deserialize_map(RequestVisitor).map(Self)
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Query,
    OperationName,
    Variables,
    Extensions,
    #[serde(other)]
    Other,
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object such as {\"query\": …}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Request, A::Error> {
        let mut request = Request::new("");
        let mut seen = Vec::new();
        while let Some(field) = fields.next_key()? {
            if field != Field::Other {
                // Readers of JSON differ in which of two values they take: a proxy may have checked
                // the other value.
                if seen.contains(&field) {
                    return Err(A::Error::custom(
                        "a request holds `query`, `variables` and their like once",
                    ));
                }
                seen.push(field);
            }
            match field {
                Field::Query => request.query = fields.next_value()?,
                Field::OperationName => request.operation_name = fields.next_value()?,
                Field::Variables => {
                    request.variables = Variables::from_value(fields.next_value_seed(ObjectSeed)?);
                }
                Field::Extensions => {
                    let extensions = Variables::from_value(fields.next_value_seed(ObjectSeed)?);
                    let named = extensions
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.clone()));
                    request.extensions.0.extend(named);
                }
                Field::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(request)
    }
}

/// An object or null.
struct ObjectSeed;

impl<'de> DeserializeSeed<'de> for ObjectSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match json::variables(deserializer)? {
            value @ (Value::Object(_) | Value::Null) => Ok(value),
            _ => Err(D::Error::custom(
                "`variables` and `extensions` must be objects that hold each name once",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_object_with_a_query() {
        let read = |body: &str| GraphqlRequest::read(body.as_bytes());
        let body = concat!(
            r#"{"query":"{ a }","operationName":"b","variables":{"n":1e400},"#,
            r#""extensions":null,"x":[[]]}"#
        );
        let GraphqlRequest(request) = read(body).expect("a request");
        assert_eq!(
            (request.query.as_str(), request.operation_name.as_deref()),
            ("{ a }", Some("b"))
        );
        assert_eq!(request.variables["n"].to_string(), "1e+400");
        assert!(read(r#"{"query":"{ a }","variables":null}"#).is_ok());
        for body in [
            r#"["{ a }"]"#,
            r#"[{"query":"{ a }"}]"#,
            "null",
            r#"{"query":null}"#,
            r#"{"query":"{ a }","variables":[]}"#,
            r#"{"query":"{ a }","variables":{"a":1,"a":2}}"#,
            r#"{"query":"{ a }"} {}"#,
            r#"{"query":"{ a }","query":"{ b }"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn an_address_holds_the_same_request() {
        let read = GraphqlRequest::of_address;
        let address = "query=%7B+a+%7D&operationName=b&variables=%7B%22n%22%3A1e400%7D\
                       &extensions=null&x=%7B&x=1";
        let GraphqlRequest(request) = read(address).expect("a request");
        assert_eq!(
            (request.query.as_str(), request.operation_name.as_deref()),
            ("{ a }", Some("b"))
        );
        assert_eq!(request.variables["n"].to_string(), "1e+400");
        assert!(
            read("").is_ok_and(|GraphqlRequest(request)| request.query.is_empty()),
            "refused later, by admission"
        );
        for address in [
            "query=%7Ba%7D&query=%7Bb%7D",
            "query=%7Ba%7D&variables=",
            "query=%7Ba%7D&variables=%5B%5D",
            "query=%7Ba%7D&variables=%7B%7D,%22query%22:%22x%22",
            "query=%7Ba%7D&extensions=%7B",
        ] {
            assert!(read(address).is_err(), "{address}");
        }
    }
}
