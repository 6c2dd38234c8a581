//! The secrets of an attempt: the values go into the request, and stay out of the result.

use super::signing::SigningKey;
use crate::model::secret::Secret;
use crate::model::secret_host::{SecretHost, host_and_port};
use crate::model::secret_reference::{Part, has_references, parts};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use url::Url;
use url::form_urlencoded::byte_serialize;

/// Stands for a value in the result of an attempt.
const MASK: &str = "********";
/// Shortest beginning of a value that is masked at the end of an answer that broke off.
const BEGINNING_BYTES_MIN: usize = 4;

/// A secret whose value is known to this node.
#[derive(Debug, Clone)]
pub struct KnownSecret {
    /// Name of the secret.
    pub name: String,
    /// Hosts that it is sent to.
    pub hosts: Vec<SecretHost>,
    /// Its value.
    pub value: Secret,
}

/// The secrets of an attempt, all for the host of the target. Clones share the values; the drop of
/// the last clone erases the values.
#[derive(Debug, Clone, Default)]
pub struct AttemptSecrets(Arc<Vec<Arc<KnownSecret>>>);

impl AttemptSecrets {
    /// Secrets for a request to this address. The error says which may not be sent there.
    pub fn for_address(url: &Url, secrets: Vec<Arc<KnownSecret>>) -> Result<Self, String> {
        let elsewhere = secrets
            .iter()
            .find(|secret| !secret.hosts.iter().any(|host| host.is_of(url)));
        match elsewhere {
            Some(secret) => Err(format!(
                "the secret `{}` is not for the host {}",
                secret.name,
                host_and_port(url)
            )),
            None => Ok(Self(Arc::new(secrets))),
        }
    }

    /// A text with values in place of references.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        self.fill_by(text, |value| Cow::Borrowed(value))
    }

    /// A JSON text with values in place of references, which stand inside of strings.
    pub fn fill_json(&self, json: &str) -> Result<String, String> {
        self.fill_by(json, |value| Cow::Owned(json_escaped(value)))
    }

    fn fill_by(&self, text: &str, spell: impl Fn(&str) -> Cow<'_, str>) -> Result<String, String> {
        if !has_references(text) {
            return Ok(text.to_owned());
        }
        let mut filled = String::new();
        for part in parts(text).map_err(|error| error.to_string())? {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Secret(name) => filled.push_str(&spell(self.value(name)?.expose())),
            }
        }
        Ok(filled)
    }

    /// The signatures of a request by each of these secrets, with spaces between them.
    pub fn sign(
        &self,
        names: &[String],
        id: &str,
        seconds: i64,
        body: &[u8],
    ) -> Result<String, String> {
        let mut signatures = String::new();
        for name in names {
            let key = SigningKey::of(self.value(name)?)
                .ok_or_else(|| format!("the secret `{name}` is no signing secret (whsec_…)"))?;
            let space = if signatures.is_empty() { "" } else { " " };
            let signature = key.sign(id, seconds, body);
            write!(signatures, "{space}{signature}").expect("a string takes all text");
        }
        Ok(signatures)
    }

    fn value(&self, name: &str) -> Result<&Secret, String> {
        let known = self.0.iter().find(|secret| secret.name == name);
        known
            .map(|secret| &secret.value)
            .ok_or_else(|| format!("the secret `{name}` was not read"))
    }

    /// A text without the values, in the spellings in which targets send them back: as they are, in
    /// JSON, and in forms. The beginning of a value at the end of a text that `broke_off` is
    /// masked, too. The text never gets longer: a mask is as short as the shortest value.
    pub fn mask(&self, text: &str, broke_off: bool) -> String {
        let mut text = text.to_owned();
        for secret in self.0.iter() {
            for spelling in spellings(secret.value.expose()) {
                // Nearly all texts have no secret: then there is no copy.
                if text.contains(&spelling) {
                    text = text.replace(&spelling, MASK);
                }
                if broke_off {
                    mask_beginning(&mut text, &spelling);
                }
            }
        }
        text
    }
}

/// Masks the longest beginning of a value at the end of a text.
fn mask_beginning(text: &mut String, value: &str) {
    let lengths = (BEGINNING_BYTES_MIN..value.len()).rev();
    let at = lengths
        .filter(|length| value.is_char_boundary(*length))
        .find(|length| text.ends_with(&value[..*length]));
    if let Some(length) = at {
        text.truncate(text.len() - length);
        text.push_str(&MASK[..length.min(MASK.len())]);
    }
}

fn spellings(value: &str) -> Vec<String> {
    let mut spellings = vec![value.to_owned()];
    let form: String = byte_serialize(value.as_bytes()).collect();
    // Most values have one spelling: the text is searched once.
    for other in [json_escaped(value), form] {
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

fn json_escaped(value: &str) -> String {
    let quoted = Value::String(value.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)]) -> AttemptSecrets {
        let url = "https://a.example/".parse().expect("a URL");
        let known = values.iter().map(|(name, value)| {
            Arc::new(KnownSecret {
                name: (*name).to_owned(),
                hosts: SecretHost::parse_all(&["a.example".to_owned()]).expect("a host"),
                value: Secret::new((*value).to_owned()),
            })
        });
        AttemptSecrets::for_address(&url, known.collect()).expect("for this host")
    }

    #[test]
    fn values_replace_references_and_json_stays_json() {
        let secrets = secrets(&[("a", "p\"w\\\n€${secret:b}"), ("b", "other")]);
        assert_eq!(
            secrets.fill("x ${secret:a} ${secret:b}${secret:b} y"),
            Ok("x p\"w\\\n€${secret:b} otherother y".to_owned()),
            "a value is not searched for references"
        );
        let json = secrets.fill_json(r#"{"k":"<${secret:a}>","n":1.10}"#);
        let json = json.expect("filled");
        assert!(json.ends_with(r#","n":1.10}"#), "{json}");
        let read: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["k"], "<p\"w\\\n€${secret:b}>");
        let unknown = secrets.fill("${secret:c}").expect_err("unknown");
        assert!(unknown.contains("`c`"), "{unknown}");
        assert!(secrets.fill("${secret:").is_err());
    }

    #[test]
    fn a_secret_of_another_host_is_refused_by_name_and_not_by_value() {
        let url = "https://evil.example:8443/".parse().expect("a URL");
        let known = Arc::clone(&secrets(&[("a", "open sesame")]).0[0]);
        let refused = AttemptSecrets::for_address(&url, vec![known]).expect_err("refused");
        assert_eq!(
            refused,
            "the secret `a` is not for the host evil.example:8443"
        );
    }

    #[test]
    fn results_have_no_value_in_any_spelling() {
        let secrets = secrets(&[("a", "p&ss \"word\""), ("b", "12345678")]);
        let json = r#"{"echo":"p&ss \"word\"","b":"12345678"}"#;
        let form = "a=p%26ss+%22word%22&b=12345678";
        let raw = "p&ss \"word\" 12345678 1234567";
        for (text, masked) in [
            (json, r#"{"echo":"********","b":"********"}"#),
            (form, "a=********&b=********"),
            (raw, "******** ******** 1234567"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.mask(text, false), masked);
        }
        assert_eq!(secrets.mask("x 1234567", true), "x *******");
        assert_eq!(secrets.mask("x 12", true), "x 12");
        assert_eq!(secrets.mask("p&ss \"wo", true), "********");
        assert_eq!(AttemptSecrets::default().mask("12345678", true), "12345678");
    }

    #[test]
    fn two_signing_secrets_give_two_signatures() {
        let one = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secrets = secrets(&[("one", one), ("two", &one.replace('M', "N")), ("no", "x")]);
        let sign = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            secrets.sign(&names, "id", 1, b"body")
        };
        let (first, second) = (sign(&["one"]).expect("signed"), sign(&["two"]));
        let second = second.expect("signed");
        assert_ne!(first, second);
        assert_eq!(sign(&["one", "two"]), Ok(format!("{first} {second}")));
        assert!(sign(&["no"]).is_err() && sign(&["unknown"]).is_err());
    }
}
