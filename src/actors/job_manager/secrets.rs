//! Commands about secrets, and the check of the references of jobs.

use super::{Command, CommandError, unknown_namespace};
use crate::model::job::JobDefinition;
use crate::model::namespace::validate_name;
use crate::model::secret::Secret;
use crate::model::secret_host::{SecretHost, host_and_port};
use crate::model::secret_reference::{SecretReference, SecretUse, validate_secret_name};
use crate::model::target::Target;
use crate::model::{InvalidInput, text};
use crate::secrets::{CannotOpen, Keys, SigningKey};
use crate::store::Store;
use crate::store::secrets::changes::{ChangeOutcome, NewSecret, SECRETS_MAX, SecretChange};
use crate::store::secrets::rows::SecretRecord;
use std::collections::BTreeSet;

/// Fewest characters of a value: a shorter value cannot be masked in an output without a trace.
const VALUE_CHARS_MIN: usize = 8;
/// Most bytes of a value.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// A secret in the input.
pub struct SecretRequest {
    /// Namespace of the secret.
    pub namespace: String,
    /// The name in references.
    pub name: String,
    /// The value; none keeps the old value.
    pub value: Option<Secret>,
    /// Hosts for the secret; none keeps the old hosts.
    pub hosts: Option<Vec<String>>,
    /// Display only; none keeps the old text, `Some(None)` removes the text.
    pub description: Option<Option<String>>,
}

/// Creates a secret.
pub struct CreateSecret(pub SecretRequest, pub Keys);

/// Changes a secret.
pub struct UpdateSecret(pub SecretRequest, pub Keys);

/// Deletes a secret without references.
pub struct DeleteSecret {
    /// Namespace of the secret.
    pub namespace: String,
    /// Name of the secret.
    pub name: String,
}

/// Encrypts all secrets with the first key of the key file. Returns the number.
pub struct RotateSecrets(pub Keys);

impl SecretRequest {
    fn validate(self) -> Result<SecretChange, InvalidInput> {
        validate_name("namespace", &self.namespace)?;
        validate_secret_name("name", &self.name)?;
        let description = self.description.as_ref();
        let description = description.and_then(Option::as_deref);
        text::DESCRIPTION.check_given("description", description)?;
        let value = match self.value {
            Some(value) => {
                let is_signing = validate_value(&value)?;
                Some((value, is_signing))
            }
            None => None,
        };
        let hosts = self.hosts.map(|hosts| SecretHost::parse_all(&hosts));
        Ok(SecretChange {
            namespace: self.namespace,
            name: self.name,
            value,
            hosts: hosts.transpose()?,
            description: self.description,
        })
    }
}

/// Whether the value signs requests.
fn validate_value(value: &Secret) -> Result<bool, InvalidInput> {
    let refused = |message: &str| Err(InvalidInput::new("value", message));
    let text = value.expose();
    // The value may stand in a header, and servers limit the size of a head.
    if text.len() > VALUE_BYTES_MAX {
        return refused("must be at most 16384 bytes long");
    }
    // `take` bounds the count: the value may be long.
    if text.chars().take(VALUE_CHARS_MIN).count() < VALUE_CHARS_MIN {
        return refused("must be at least 8 characters long, so that outputs can mask it");
    }
    // PostgreSQL stores no U+0000 in a text, and no header may have the character.
    if text.contains('\0') {
        return refused("must not hold the character U+0000");
    }
    if SigningKey::is_meant(value) && SigningKey::of(value).is_none() {
        return refused("begins with `whsec_`, and must continue with 24 to 64 bytes in base64");
    }
    Ok(SigningKey::is_meant(value))
}

impl Command for CreateSecret {
    type Output = SecretRecord;

    async fn carry_out(self, store: &Store) -> Result<SecretRecord, CommandError> {
        let CreateSecret(request, keys) = self;
        let SecretChange {
            namespace,
            name,
            value,
            hosts,
            description,
        } = request.validate()?;
        let missing = |field| InvalidInput::new(field, "is missing");
        let (value, is_signing) = value.ok_or_else(|| missing("value"))?;
        let new = NewSecret {
            namespace,
            name,
            description: description.flatten(),
            hosts: hosts.ok_or_else(|| missing("hosts"))?,
            is_signing,
            value,
        };
        let outcome = store.create_secret(&new, &keys).await?;
        if outcome == ChangeOutcome::UnknownNamespace {
            return Err(unknown_namespace(new.namespace));
        }
        changed(outcome, &new.name)?;
        stored(store, &new.namespace, &new.name).await
    }
}

impl Command for UpdateSecret {
    type Output = SecretRecord;

    async fn carry_out(self, store: &Store) -> Result<SecretRecord, CommandError> {
        let UpdateSecret(request, keys) = self;
        let change = request.validate()?;
        if change.value.is_none() && change.hosts.is_none() && change.description.is_none() {
            let message = "there is nothing to change: say value, hosts or description";
            return Err(InvalidInput::new("value", message).into());
        }
        changed(store.update_secret(&change, &keys).await?, &change.name)?;
        stored(store, &change.namespace, &change.name).await
    }
}

impl Command for DeleteSecret {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let DeleteSecret { namespace, name } = self;
        validate_name("namespace", &namespace)?;
        validate_secret_name("name", &name)?;
        changed(store.delete_secret(&namespace, &name).await?, &name)
    }
}

impl Command for RotateSecrets {
    type Output = usize;

    async fn carry_out(self, store: &Store) -> Result<usize, CommandError> {
        let RotateSecrets(keys) = self;
        match store.rotate_secrets(&keys).await? {
            Ok(rotated) => Ok(rotated),
            // The outcome of a failed rotation is never `Done`, so the count is never read.
            Err(outcome) => changed(outcome, "").map(|()| 0),
        }
    }
}

fn changed(outcome: ChangeOutcome, name: &str) -> Result<(), CommandError> {
    let message = match outcome {
        ChangeOutcome::Done => return Ok(()),
        ChangeOutcome::NotFound | ChangeOutcome::UnknownNamespace => return Err(not_found(name)),
        ChangeOutcome::NameTaken => format!("there is a secret `{name}` already"),
        ChangeOutcome::TooMany => {
            format!("there are {SECRETS_MAX} secrets, and there may not be more: delete one first")
        }
        ChangeOutcome::InUse(jobs) => {
            format!("{jobs} job(s) refer to the secret: edit or delete them first")
        }
        ChangeOutcome::OtherKind => {
            "a signing secret (whsec_…) stays one, and another secret does \
             not become one: create a secret with another name"
                .to_owned()
        }
        ChangeOutcome::Keys { secret, error } => match error {
            CannotOpen::NoKey(no_key) => no_key.to_string(),
            CannotOpen::UnknownKey(key) => format!(
                "secrets of the cluster are encrypted with the key {key}, which the key file does \
                 not have"
            ),
            CannotOpen::Changed => format!("the secret `{secret}` cannot be read: {error}"),
        },
    };
    Err(CommandError::Conflict(message))
}

fn not_found(name: &str) -> CommandError {
    CommandError::NotFound {
        what: "secret",
        id: name.to_owned(),
    }
}

async fn stored(store: &Store, namespace: &str, name: &str) -> Result<SecretRecord, CommandError> {
    let mut found = store.secrets_named(&[(namespace, name)]).await?;
    found.pop().ok_or_else(|| not_found(name))
}

/// Refuses jobs with a reference to a secret that is missing, not for the host of the target, or of
/// another kind. Jobs come with their namespaces; `place` names a job in the input. No query
/// without a reference.
pub(super) async fn refuse_references<'a>(
    store: &Store,
    jobs: impl Iterator<Item = (&'a str, &'a JobDefinition)>,
    place: impl Fn(usize, InvalidInput) -> InvalidInput,
) -> Result<(), CommandError> {
    let mut referring = Vec::new();
    for (index, (namespace, job)) in jobs.enumerate() {
        let references = job.secret_references();
        let references = references.map_err(|invalid| place(index, invalid))?;
        if let (false, Target::Http(http)) = (references.is_empty(), &job.target) {
            referring.push((index, namespace, &http.url, references));
        }
    }
    if referring.is_empty() {
        return Ok(());
    }
    // Only secrets of the same namespace: its editors have no right to the values of another one.
    let mut wanted = BTreeSet::new();
    for (_, namespace, _, references) in &referring {
        wanted.extend(references.iter().map(|one| (*namespace, one.name)));
    }
    let wanted: Vec<(&str, &str)> = wanted.into_iter().collect();
    let secrets = store.secrets_named(&wanted).await?;
    for (index, namespace, url, references) in referring {
        for reference in references {
            let secret = secrets
                .iter()
                .find(|secret| secret.namespace == namespace && secret.name == reference.name);
            if let Some(problem) = problem(&reference, url, secret) {
                return Err(place(index, InvalidInput::new(reference.field, problem)).into());
            }
        }
    }
    Ok(())
}

fn problem(
    reference: &SecretReference<'_>,
    url: &url::Url,
    secret: Option<&SecretRecord>,
) -> Option<String> {
    let name = reference.name;
    let Some(secret) = secret else {
        return Some(format!("there is no secret `{name}`"));
    };
    // The host of the target is the guard: an editor could otherwise send a secret anywhere.
    if !secret.hosts.iter().any(|host| host.is_of(url)) {
        let host = host_and_port(url);
        return Some(format!("the secret `{name}` is not for the host {host}"));
    }
    match (reference.is, secret.is_signing) {
        (SecretUse::Sent, true) => Some(format!(
            "the secret `{name}` signs requests, and is not sent: name it in signingSecrets"
        )),
        (SecretUse::Signs, false) => Some(format!(
            "the secret `{name}` is no signing secret: its value does not begin with `whsec_`"
        )),
        (SecretUse::Sent, false) | (SecretUse::Signs, true) => None,
    }
}
