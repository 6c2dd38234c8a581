//! References to secrets: `${secret:name}` in the headers, the body or the payload of a job.
//!
//! Definitions, versions and logs hold the reference. The value replaces the reference in the sent
//! request.

use super::InvalidInput;
use super::job::JobDefinition;
use super::payload::Payload;
use super::target::Target;

/// Begins a reference.
const OPEN: &str = "${secret:";
/// Longest name of a secret.
const NAME_BYTES_MAX: usize = 100;
/// Most references of a job. The values together bound the size of a request.
const REFERENCES_MAX: usize = 50;
/// Most signatures of a request: two secrets are active during a change of the secret.
const SIGNING_SECRETS_MAX: usize = 2;

/// A part of a text with references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that is sent unchanged.
    Text(&'a str),
    /// Name of the secret: the value is sent in place of the reference.
    Secret(&'a str),
}

/// A text with an unfinished reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`${{secret:` begins a reference to a secret, and must continue with a name (letters, digits, \
     `.`, `_` and `-`) and `}}`"
)]
pub struct MalformedReference;

/// The use of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// The value is sent in place of a reference.
    Sent,
    /// The secret signs requests.
    Signs,
}

/// The use of a secret by a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretReference<'a> {
    /// Name of the secret.
    pub name: &'a str,
    /// Sent or signs.
    pub is: SecretUse,
    /// The field of the job with the reference.
    pub field: &'static str,
}

/// Refuses a name impossible in a reference.
pub fn validate_secret_name(field: &'static str, name: &str) -> Result<(), InvalidInput> {
    if is_secret_name(name) {
        return Ok(());
    }
    Err(InvalidInput::new(
        field,
        "must be 1 to 100 letters of the English alphabet, digits, `.`, `_` and `-`",
    ))
}

fn is_secret_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Whether a text may have a reference.
pub fn has_references(text: &str) -> bool {
    text.contains(OPEN)
}

/// The parts of a text, in order.
pub fn parts(text: &str) -> Result<Vec<Part<'_>>, MalformedReference> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        // An unfinished reference is refused, not sent as text: a typing mistake must not reach a
        // target.
        let (name, after) = after.split_once('}').ok_or(MalformedReference)?;
        if !is_secret_name(name) {
            return Err(MalformedReference);
        }
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Secret(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// All uses of secrets by a target and a payload.
pub fn references<'a>(
    target: &'a Target,
    payload: Option<&'a Payload>,
) -> Result<Vec<SecretReference<'a>>, InvalidInput> {
    let mut found = Vec::new();
    if let Target::Http(http) = target {
        for value in http.headers.values() {
            collect("target.http.headers", value, &mut found)?;
        }
        if let Some(body) = &http.body {
            collect("target.http.body", body, &mut found)?;
        }
        found.extend(http.signing_secrets.iter().map(|name| SecretReference {
            name,
            is: SecretUse::Signs,
            field: "target.http.signingSecrets",
        }));
    }
    if let Some(payload) = payload {
        collect("payload", payload.as_str(), &mut found)?;
    }
    Ok(found)
}

fn collect<'a>(
    field: &'static str,
    text: &'a str,
    found: &mut Vec<SecretReference<'a>>,
) -> Result<(), InvalidInput> {
    if !has_references(text) {
        return Ok(());
    }
    let parts = parts(text).map_err(|error| InvalidInput::new(field, error.to_string()))?;
    found.extend(parts.into_iter().filter_map(|part| match part {
        Part::Secret(name) => Some(SecretReference {
            name,
            is: SecretUse::Sent,
            field,
        }),
        Part::Text(_) => None,
    }));
    Ok(())
}

/// Refuses references that can never be sent. Whether the secrets exist is known to the database.
pub(super) fn validate_references(
    target: &Target,
    payload: Option<&Payload>,
) -> Result<(), InvalidInput> {
    if let Target::Http(http) = target {
        validate_signing_secrets(&http.signing_secrets)?;
        let url = http.url.as_str();
        // The parser of addresses writes braces of a path in its own way.
        if url.contains(OPEN) || url.contains("$%7Bsecret:") {
            return Err(InvalidInput::new(
                "target.http.url",
                "must not refer to a secret, because the log has the address: send a header",
            ));
        }
    }
    let found = references(target, payload)?;
    if found.len() > REFERENCES_MAX {
        return Err(InvalidInput::new(
            found[0].field,
            format!("must be at most {REFERENCES_MAX} references to secrets"),
        ));
    }
    match (found.first(), target) {
        (Some(first), Target::Log | Target::Noop(_) | Target::Handler(_)) => {
            Err(InvalidInput::new(
                first.field,
                "refers to a secret, which is sent by an http target only",
            ))
        }
        _ => Ok(()),
    }
}

fn validate_signing_secrets(names: &[String]) -> Result<(), InvalidInput> {
    const FIELD: &str = "target.http.signingSecrets";
    const FIELDS: [&str; SIGNING_SECRETS_MAX] = [
        "target.http.signingSecrets.0",
        "target.http.signingSecrets.1",
    ];
    if names.len() > SIGNING_SECRETS_MAX {
        return Err(InvalidInput::new(FIELD, "must be at most 2 secrets"));
    }
    for (name, field) in names.iter().zip(FIELDS) {
        validate_secret_name(field, name)?;
    }
    // The second signature is for the change of a secret: one secret twice is a mistake.
    if names.len() == SIGNING_SECRETS_MAX && names[0] == names[1] {
        return Err(InvalidInput::new(
            FIELD,
            "must not name one secret two times",
        ));
    }
    Ok(())
}

impl JobDefinition {
    /// All uses of secrets by the job.
    pub fn secret_references(&self) -> Result<Vec<SecretReference<'_>>, InvalidInput> {
        references(&self.target, self.payload.as_ref())
    }

    /// Refuses references of a payload for an execution to secrets that the job does not use: the
    /// right to run a job is not the right to choose what is sent.
    pub fn validate_own_payload(&self, payload: &Payload) -> Result<(), InvalidInput> {
        // The target `log` has no references, so only those of the payload are found.
        let own = references(&Target::Log, Some(payload))?;
        if own.len() > REFERENCES_MAX {
            let message = format!("must be at most {REFERENCES_MAX} references to secrets");
            return Err(InvalidInput::new("payload", message));
        }
        if own.is_empty() {
            return Ok(());
        }
        let used = self.secret_references()?;
        let unused = own.iter().find(|own| {
            !used
                .iter()
                .any(|used| used.is == SecretUse::Sent && used.name == own.name)
        });
        match unused {
            Some(own) => Err(InvalidInput::new(
                "payload",
                format!(
                    "refers to the secret `{}`, which the job does not use",
                    own.name
                ),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::target::{HttpMethod, HttpTarget};
    use std::collections::BTreeMap;

    fn http(url: &str, header: &str, signing: &[&str]) -> Target {
        Target::Http(HttpTarget {
            url: url.parse().expect("a URL"),
            method: HttpMethod::Post,
            headers: BTreeMap::from([("Authorization".to_owned(), header.to_owned())]),
            body: None,
            timeout_seconds: 30,
            signing_secrets: signing.iter().map(ToString::to_string).collect(),
        })
    }

    fn payload(json: &str) -> Payload {
        Payload::of_json(json.to_owned()).expect("JSON")
    }

    #[test]
    fn a_text_is_taken_apart_at_its_references() {
        assert_eq!(parts("plain $ {"), Ok(vec![Part::Text("plain $ {")]));
        assert_eq!(parts(""), Ok(vec![]));
        assert_eq!(
            parts("Bearer ${secret:a.b}${secret:C-1_}!"),
            Ok(vec![
                Part::Text("Bearer "),
                Part::Secret("a.b"),
                Part::Secret("C-1_"),
                Part::Text("!"),
            ])
        );
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["", " a", "a b", "ä", "a/b", "${secret:a}", &long] {
            let text = format!("${{secret:{name}}}");
            assert_eq!(parts(&text), Err(MalformedReference), "{text}");
        }
        assert_eq!(parts("${secret:a"), Err(MalformedReference));
        assert_eq!(parts(r#"${secret:a","b":"}"#), Err(MalformedReference));
    }

    #[test]
    fn references_are_found_in_each_field_and_refused_elsewhere() {
        let target = http("https://a.example/", "Bearer ${secret:token}", &["sign"]);
        let payload = payload(r#"{"key":"${secret:key}"}"#);
        let found = references(&target, Some(&payload)).expect("references");
        let found: Vec<_> = found.iter().map(|use_| (use_.name, use_.field)).collect();
        assert_eq!(
            found,
            [
                ("token", "target.http.headers"),
                ("sign", "target.http.signingSecrets"),
                ("key", "payload")
            ]
        );
        let refused = |target: &Target, payload: Option<&Payload>| {
            let refused = validate_references(target, payload);
            refused.err().map(|invalid| invalid.field.into_owned())
        };
        assert_eq!(refused(&target, Some(&payload)), None);
        assert_eq!(
            refused(&Target::Log, Some(&payload)),
            Some("payload".to_owned())
        );
        for url in [
            "https://a.example/${secret:x}",
            "https://a.example/?k=${secret:x}",
        ] {
            let target = http(url, "", &[]);
            assert_eq!(
                refused(&target, None),
                Some("target.http.url".to_owned()),
                "{url}"
            );
        }
        for (header, signing, field) in [
            ("${secret:", &[][..], "target.http.headers"),
            ("", &["a", "a"][..], "target.http.signingSecrets"),
            ("", &["a", "b", "c"][..], "target.http.signingSecrets"),
            ("", &["a b"][..], "target.http.signingSecrets.0"),
        ] {
            let target = http("https://a.example/", header, signing);
            assert_eq!(refused(&target, None), Some(field.to_owned()));
        }
        let many = http("https://a.example/", &"${secret:a}".repeat(51), &[]);
        assert_eq!(refused(&many, None), Some("target.http.headers".to_owned()));
    }
}
