//! Masks: values with the name of a secret are stored and sent to targets, but not shown.
//!
//! A mask in an edit stands for the stored value at the same place, provided that the value is sent
//! to the same host as before. A mask itself is never stored. A reference to a secret is shown.

use super::errors;
use super::json::Json;
use crate::model::InvalidInput;
use crate::model::job::Job;
use crate::model::payload::Payload;
use crate::model::secret_reference::{Part, parts};
use crate::model::target::Target;
use async_graphql::{Context, Result, Value};
use std::borrow::Cow;

/// Shown in place of a secret.
pub const MASK: &str = "********";

/// Words, in lower case, of names whose values are masked.
#[derive(Debug, Clone, Default)]
pub struct Masks(Vec<String>);

/// The part of an input in which masks are replaced.
#[derive(Default)]
pub struct Stored {
    payload: Option<Value>,
    headers: Option<Value>,
    target: Option<Target>,
}

impl Stored {
    /// The stored values of a job.
    pub fn of(job: &Job) -> Result<Self> {
        let definition = &job.definition;
        let payload = definition
            .payload
            .as_ref()
            .map(|payload| Json::read(payload.as_str()))
            .transpose();
        let headers = match &definition.target {
            Target::Http(http) => Json::of(&http.headers).map(Some),
            Target::Log | Target::Noop(_) | Target::Handler(_) => Ok(None),
        };
        Ok(Self {
            payload: payload.map_err(errors::unshowable)?.map(Json::into_value),
            headers: headers.map_err(errors::unshowable)?.map(Json::into_value),
            target: Some(definition.target.clone()),
        })
    }
}

impl Masks {
    /// Masks of these words.
    pub fn new(words: &[String]) -> Self {
        Self(
            words
                .iter()
                // An empty word, from a comma too many in `--mask`, would match between two
                // separators of a name.
                .filter(|word| !word.is_empty())
                .map(|word| word.to_ascii_lowercase())
                .collect(),
        )
    }

    /// The masks of the node.
    pub fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self> {
        ctx.data::<Self>()
    }

    /// The JSON with masks in place of secrets.
    pub fn hide(&self, json: Json) -> Json {
        let mut value = json.into_value();
        self.hide_in(&mut value);
        Json::of_value(value)
    }

    /// A payload with masks.
    pub async fn shown<'a>(ctx: &Context<'_>, payload: &'a Payload) -> Result<Cow<'a, str>> {
        let hidden = Self::of(ctx)?
            .hide_text(payload.as_str())
            .map_err(errors::unshowable)?;
        let Some(hidden) = hidden else {
            return Ok(payload.as_str().into());
        };
        // The payload was parsed: some milliseconds of a large one.
        tokio::task::yield_now().await;
        Ok(hidden.into())
    }

    /// JSON text with masks; none for a text without secrets.
    pub fn hide_text(&self, text: &str) -> serde_json::Result<Option<String>> {
        // Most texts contain none of the words, and need no parser. An escape may hide a letter of
        // a name.
        let small = text.to_ascii_lowercase();
        let may_have_secrets =
            text.contains('\\') || self.0.iter().any(|word| small.contains(word.as_str()));
        if !may_have_secrets {
            return Ok(None);
        }
        let mut value = Json::read(text)?.into_value();
        if self.hide_in(&mut value) {
            serde_json::to_string(&value).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether an input has a mask.
    pub fn are_in(&self, json: Option<&Json>) -> bool {
        json.is_some_and(|json| self.is_in(json.value()))
    }

    /// Replaces the masks of a payload for `target` by stored values.
    pub fn restore_payload(
        &self,
        payload: &mut Json,
        stored: &Stored,
        target: &Target,
    ) -> Result<(), InvalidInput> {
        let known = stored.payload.as_ref().filter(|_| stored.goes_to(target));
        self.restore(payload.value_mut(), known)
            .map_err(|name| InvalidInput::new("payload", refusal(&name)))
    }

    /// Replaces the masks of the headers for `target` by stored values.
    pub fn restore_headers(
        &self,
        headers: &mut Json,
        stored: &Stored,
        target: &Target,
    ) -> Result<(), InvalidInput> {
        let known = stored.headers.as_ref().filter(|_| stored.goes_to(target));
        self.restore(headers.value_mut(), known)
            .map_err(|name| InvalidInput::new("target.http.headers", refusal(&name)))
    }

    /// Masks the secrets inside a value; whether there was one.
    fn hide_in(&self, value: &mut Value) -> bool {
        let mut hidden = false;
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if self.is_secret(name) && says_something(value) {
                        *value = Value::String(MASK.to_owned());
                        hidden = true;
                    } else {
                        hidden |= self.hide_in(value);
                    }
                }
            }
            Value::List(items) => items
                .iter_mut()
                .for_each(|item| hidden |= self.hide_in(item)),
            _ => {}
        }
        hidden
    }

    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| self.is_in(value) || self.is_secret(name) && is_mask(value)),
            Value::List(items) => items.iter().any(|item| self.is_in(item)),
            _ => false,
        }
    }

    /// The error is the name of a mask without a stored value.
    fn restore(&self, given: &mut Value, stored: Option<&Value>) -> Result<(), String> {
        if let Value::Object(fields) = given {
            for (name, value) in fields {
                let stored = match stored {
                    Some(Value::Object(stored)) => stored.get(name),
                    _ => None,
                };
                // Under any other name the eight stars are data, and stay.
                if self.is_secret(name) && is_mask(value) {
                    // A mask never stands for a value that is shown in clear.
                    let hidden = stored.filter(|stored| says_something(stored));
                    *value = hidden.cloned().ok_or_else(|| name.to_string())?;
                } else {
                    self.restore(value, stored)?;
                }
            }
        } else if self.is_in(given) {
            // Members of a list have no names: a mask inside stands for a stored value only if the
            // whole list is unchanged.
            let is_shown_so = |stored: &&Value| {
                let mut shown = (*stored).clone();
                self.hide_in(&mut shown);
                shown == *given
            };
            *given = stored
                .filter(is_shown_so)
                .cloned()
                .ok_or_else(|| "a value in a list that was changed".to_owned())?;
        }
        Ok(())
    }

    /// Whether a word of a name is one of the words: `X-Api-Key`, `apiKey` and `api_key` consist of
    /// `api` and `key`.
    fn is_secret(&self, name: &str) -> bool {
        let (mut word, mut was_small) = (String::new(), false);
        for letter in name.chars().chain(std::iter::once(' ')) {
            let ends = !letter.is_alphanumeric() || was_small && letter.is_uppercase();
            if ends && self.0.contains(&word) {
                return true;
            }
            if ends {
                word.clear();
            }
            if letter.is_alphanumeric() {
                word.push(letter.to_ascii_lowercase());
            }
            was_small = letter.is_lowercase() || letter.is_numeric();
        }
        false
    }
}

impl Stored {
    /// Whether `target` has the host of the stored target. Otherwise a user who may edit a job
    /// could have its secrets sent to a host of his own.
    fn goes_to(&self, target: &Target) -> bool {
        match (&self.target, target) {
            (Some(Target::Http(stored)), Target::Http(given)) => {
                // The origin includes scheme and port: another port may belong to another program.
                stored.url.origin() == given.url.origin()
            }
            (Some(Target::Log), Target::Log) | (Some(Target::Noop(_)), Target::Noop(_)) => true,
            (Some(Target::Handler(stored)), Target::Handler(given)) => stored == given,
            _ => false,
        }
    }
}

fn is_mask(value: &Value) -> bool {
    matches!(value, Value::String(text) if text == MASK)
}

/// Null, booleans, empty texts and references to secrets are no secrets.
fn says_something(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Boolean(_))
        && !matches!(value, Value::String(text) if text.is_empty() || is_reference(text))
}

/// Whether a text is a reference, alone or after the name of a scheme: `Bearer ${secret:token}`.
/// Other texts around it may be secrets.
fn is_reference(text: &str) -> bool {
    let alone = match text.split_once(' ') {
        Some(("Bearer" | "Basic" | "Token" | "ApiKey", rest)) => rest,
        _ => text,
    };
    matches!(parts(alone).as_deref(), Ok([Part::Secret(_)]))
}

fn refusal(name: &str) -> String {
    let shown: String = name.chars().take(40).collect();
    format!(
        "`{}` is a mask ({MASK}), and there is no value that it could stand for: none \
         is stored there, or it would be sent to another host: send the value",
        shown.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Masks {
        Masks::new(&["Token", "key", "password", ""].map(str::to_owned))
    }

    fn value(text: &str) -> Value {
        Json::read(text).expect("JSON").into_value()
    }

    #[test]
    fn a_name_is_secret_by_one_of_its_words() {
        let masks = masks();
        for name in [
            "token",
            "X-Api-Key",
            "apiKey",
            "API_KEY",
            "key2Of.password",
            "accessToken",
            "KEY",
        ] {
            assert!(masks.is_secret(name), "{name}");
        }
        for name in ["", "monkey", "tokens", "keyboard", "apikey", "passwordless"] {
            assert!(!masks.is_secret(name), "{name}");
        }
        assert!(!Masks::new(&[]).is_secret("password"));
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_and_nothing_else_is_touched() {
        let masks = masks();
        let text = concat!(
            r#"{"b":1.50,"token":"t","a":[{"key":["x"],"n":1e+400}],"#,
            r#""password":"","key":null,"myKey":true,"pin":{"apiKey":7}}"#
        );
        let hidden = masks.hide_text(text).expect("JSON").expect("secrets");
        let expected = text
            .replace(r#""t""#, r#""********""#)
            .replace(r#"["x"]"#, r#""********""#)
            .replace(":7", r#":"********""#);
        assert_eq!(hidden, expected);
        for plain in [
            r#"{"a":"token"}"#,
            r#"["password"]"#,
            r#"{"key":""}"#,
            "7",
            r#"{"key":"${secret:a}"}"#,
            r#"{"key":"Bearer ${secret:a}"}"#,
        ] {
            assert_eq!(masks.hide_text(plain).expect("JSON"), None, "{plain}");
        }
        for half in ["hunter2${secret:a}", "hunter2 ${secret:a}", "${secret:"] {
            let json = format!(r#"{{"key":"{half}"}}"#);
            let hidden = masks.hide_text(&json).expect("JSON");
            assert_eq!(hidden.as_deref(), Some(r#"{"key":"********"}"#), "{half}");
        }
    }

    #[test]
    fn masks_that_come_back_are_what_is_stored_and_never_stored_themselves() {
        let masks = masks();
        let stored =
            value(r#"{"token":"t","in":{"key":5,"x":1},"list":[{"key":"a"},{"key":"b"}]}"#);
        let mut shown = stored.clone();
        assert!(masks.hide_in(&mut shown) && masks.is_in(&shown));
        let mut given = shown.clone();
        assert_eq!(masks.restore(&mut given, Some(&stored)), Ok(()));
        assert_eq!(given, stored);

        let restored = |text: &str| {
            let mut given = value(text);
            masks
                .restore(&mut given, Some(&stored))
                .map(|()| given.to_string())
        };
        assert!(
            restored(r#"{"in":{"x":2,"key":"********"},"token":"new"}"#)
                .is_ok_and(|kept| kept.contains("key: 5"))
        );
        for moved in [
            r#"{"password":"********"}"#,
            r#"{"in":{"token":"********"}}"#,
            r#"{"list":[{"key":"********"}]}"#,
            r#"{"list":[{"key":"********"},{"key":"********","x":1}]}"#,
            r#"[{"token":"********"}]"#,
        ] {
            assert!(restored(moved).is_err(), "{moved}");
        }
        assert!(
            restored(r#"{"note":"********"}"#).is_ok(),
            "no name of a secret"
        );
    }
}
