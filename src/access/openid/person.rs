//! The person behind a verified ID token: the subject, the groups, and proposals for a name.

use crate::model::text;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreIdToken;
use serde_json::{Map, Value};

/// Longest subject in bytes (OpenID Connect Core, 2: 255 ASCII characters).
const SUBJECT_BYTES_MAX: usize = 255;
/// Longest proposal for a name, in characters; a number may follow.
const NAME_CHARS_MAX: usize = 90;
/// Name of a person without one.
const NAMELESS: &str = "openid-user";
/// Claim that people may change by themselves at many providers.
const EMAIL: &str = "email";

/// What the provider says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id of the person at the provider, which is never given to another one.
    pub subject: String,
    /// Names for a new user, the best one first; at least one.
    pub names: Vec<String>,
    /// The groups; none without the claim.
    pub groups: Option<Vec<String>>,
}

impl Person {
    /// The person of an ID token that was verified. None: it has no usable subject.
    pub fn of(id_token: &CoreIdToken, groups_claim: &str) -> Option<Self> {
        // All claims, of which the type of the library has the standard ones.
        let text = id_token.to_string();
        let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
        Self::of_claims(&serde_json::from_slice(&payload).ok()?, groups_claim)
    }

    fn of_claims(claims: &Map<String, Value>, groups_claim: &str) -> Option<Self> {
        let subject = text(claims, "sub")
            // A subject that is cut could be the subject of another person.
            .filter(|subject| !subject.is_empty() && subject.len() <= SUBJECT_BYTES_MAX)
            .filter(|subject| !subject.contains(char::is_control))?;
        let names = ["preferred_username", EMAIL, "name"];
        let mut names: Vec<String> = names
            .into_iter()
            .filter_map(|claim| text(claims, claim))
            .filter_map(name)
            .collect();
        if names.is_empty() {
            names.push(NAMELESS.to_owned());
        }
        // Who may write any address into a profile must not get the role of another one's.
        let is_proven = groups_claim != EMAIL
            || claims.get("email_verified").and_then(Value::as_bool) == Some(true);
        Some(Self {
            subject: subject.to_owned(),
            names,
            groups: claims
                .get(groups_claim)
                .filter(|_| is_proven)
                .and_then(texts),
        })
    }
}

/// The text of a claim; none for another type.
fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    claims.get(claim)?.as_str()
}

/// A text, or the texts of a list.
fn texts(claim: &Value) -> Option<Vec<String>> {
    match claim {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => Some(
            values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
        ),
        _ => None,
    }
}

/// A name that a user may have, out of a text of the provider.
fn name(text: &str) -> Option<String> {
    let allowed = text
        .trim()
        .chars()
        .map(|char| if char.is_whitespace() { '.' } else { char })
        .filter(|char| char.is_alphanumeric() || "._@+-".contains(*char));
    let name: String = allowed.take(NAME_CHARS_MAX).collect();
    // White space around what was left out.
    let name = name.trim_matches('.').to_owned();
    let is_allowed = !name.eq_ignore_ascii_case("anonymous")
        && name.contains(char::is_alphanumeric)
        && text::USER_NAME.check("name", &name).is_ok();
    is_allowed.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::validate_user_name;
    use serde_json::json;

    fn person(claims: &Value, groups_claim: &str) -> Option<Person> {
        Person::of_claims(claims.as_object().expect("an object"), groups_claim)
    }

    #[test]
    fn a_person_has_a_subject_and_names_that_a_user_may_have() {
        let claims = json!({"sub": "1", "preferred_username": "Ada Lovelace", "email": "ada@x.y",
            "name": "\u{202e}\0 anonymous"});
        let ada = person(&claims, "groups").expect("a person");
        assert_eq!(ada.names, ["Ada.Lovelace", "ada@x.y"]);
        let nameless = person(&json!({"sub": "1", "name": "?"}), "groups");
        assert_eq!(nameless.expect("a person").names, [NAMELESS]);
        let long = json!({"sub": "1", "name": "ä".repeat(500)});
        for name in person(&long, "groups").expect("a person").names {
            validate_user_name("name", &name).expect("allowed");
        }
        let too_long = "1".repeat(256);
        for subject in [
            json!(""),
            json!(1),
            json!("a\0b"),
            json!(null),
            json!(too_long),
        ] {
            assert_eq!(
                person(&json!({"sub": subject}), "groups"),
                None,
                "{subject}"
            );
        }
    }

    #[test]
    fn groups_are_texts_of_the_named_claim() {
        let groups = |claims: Value| person(&claims, "groups").expect("a person").groups;
        let some = |groups: &[&str]| Some(groups.iter().map(|&group| group.to_owned()).collect());
        assert_eq!(
            groups(json!({"sub": "1", "groups": ["a", 1, ["b"]]})),
            some(&["a"])
        );
        assert_eq!(groups(json!({"sub": "1", "groups": "a b"})), some(&["a b"]));
        assert_eq!(groups(json!({"sub": "1", "groups": {"a": 1}})), None);
        assert_eq!(groups(json!({"sub": "1", "Groups": ["a"]})), None);
    }

    #[test]
    fn an_address_without_a_proof_is_no_group() {
        let groups = |verified: Value| {
            let claims = json!({"sub": "1", "email": "ada@x.y", "email_verified": verified});
            person(&claims, "email").expect("a person").groups
        };
        assert_eq!(groups(json!(true)), Some(vec!["ada@x.y".to_owned()]));
        for verified in [json!(false), json!("true"), json!(null)] {
            assert_eq!(groups(verified), None);
        }
    }
}
