//! The keys that encrypt secrets.

use crate::model::secret::Secret;
use crate::model::secret_host::SecretHost;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Length of a key, in bytes.
const KEY_BYTES: usize = 32;
/// Bytes of a key's hash in its id.
const ID_BYTES: usize = 8;
/// Begins what the ciphertext is bound to.
const PURPOSE: &str = "horolog secret 1";

/// The keys of a node; none without a key file. Clones share them.
#[derive(Clone, Default)]
pub struct Keys(Arc<Vec<Key>>);

struct Key {
    id: String,
    key: LessSafeKey,
}

/// What a ciphertext belongs to. With another name, version or other hosts it cannot be decrypted:
/// to write to the database is not enough to have a secret sent elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// Namespace of the secret.
    pub namespace: &'a str,
    /// Name of the secret.
    pub name: &'a str,
    /// Version of the secret.
    pub version: i32,
    /// Hosts that it is sent to.
    pub hosts: &'a [SecretHost],
}

/// An encrypted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Id of the key.
    pub key_id: String,
    /// Random, and used once.
    pub nonce: Vec<u8>,
    /// The value with its authentication tag.
    pub ciphertext: Vec<u8>,
}

/// The node has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node has no key for secrets (--secrets-key-file)")]
pub struct NoKey;

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// Without a key file.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// With the key of another file.
    #[error("it is encrypted with the key {0}, which is not in the key file of this node")]
    UnknownKey(String),
    /// The row is not what a node wrote.
    #[error("the stored value was changed, or belongs to another secret")]
    Changed,
}

impl Keys {
    /// Keys of 32 bytes in base64. The first one encrypts, all decrypt.
    pub(super) fn of(texts: &[&str]) -> Option<Self> {
        let keys: Option<Vec<Key>> = texts.iter().map(|text| Key::read(text)).collect();
        keys.map(|keys| Self(Arc::new(keys)))
    }

    /// A new key, as a line of a key file.
    pub fn generate() -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill_random(&mut *bytes);
        Zeroizing::new(BASE64_STANDARD.encode(*bytes))
    }

    /// Id of the key that encrypts.
    pub fn current(&self) -> Result<&str, NoKey> {
        self.0.first().map(|key| key.id.as_str()).ok_or(NoKey)
    }

    /// Whether a key is known.
    pub fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Encrypts a value.
    pub fn seal(&self, of: Binding<'_>, value: &Secret) -> Result<Sealed, NoKey> {
        let Key { id, key } = self.0.first().ok_or(NoKey)?;
        let mut nonce = [0; NONCE_LEN];
        // 96 random bits: a key stays far below 2³² values (NIST SP 800-38D, 8.3).
        fill_random(&mut nonce);
        let mut bytes = value.expose().as_bytes().to_vec();
        let bound = Aad::from(of.bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut bytes)
            .expect("a secret is shorter than 64 GB");
        Ok(Sealed {
            key_id: id.clone(),
            nonce: nonce.to_vec(),
            ciphertext: bytes,
        })
    }

    /// Decrypts a value.
    pub fn open(&self, of: Binding<'_>, sealed: &Sealed) -> Result<Secret, CannotOpen> {
        // Without a key file, the error names the setting and not the key.
        self.current()?;
        let key = self.0.iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| CannotOpen::UnknownKey(sealed.key_id.clone()))?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce);
        let nonce = nonce.map_err(|_| CannotOpen::Changed)?;
        // The value is decrypted into this buffer, which is erased at the end.
        let mut bytes = Zeroizing::new(sealed.ciphertext.clone());
        let opened = key
            .key
            .open_in_place(nonce, Aad::from(of.bytes()), &mut bytes)
            .map_err(|_| CannotOpen::Changed)?;
        let text = std::str::from_utf8(opened).map_err(|_| CannotOpen::Changed)?;
        Ok(Secret::new(text.to_owned()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
        // The hash of 256 random bits tells nothing about the key.
        let hash = Sha256::digest(&*bytes);
        let mut id = String::new();
        for byte in &hash[..ID_BYTES] {
            write!(id, "{byte:02x}").expect("a string takes all text");
        }
        Some(Self {
            id,
            key: LessSafeKey::new(key),
        })
    }
}

impl Binding<'_> {
    /// The fields with U+0000 in between, a character that no field can have.
    fn bytes(&self) -> Vec<u8> {
        let Self {
            namespace,
            name,
            version,
            hosts,
        } = self;
        let mut text = format!("{PURPOSE}\0{namespace}\0{name}\0{version}");
        for host in *hosts {
            write!(text, "\0{host}").expect("a string takes all text");
        }
        text.into_bytes()
    }
}

fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random bytes, or nothing is secret");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding<'a>(name: &'a str, hosts: &'a [SecretHost]) -> Binding<'a> {
        Binding {
            namespace: "default",
            name,
            version: 3,
            hosts,
        }
    }

    fn hosts(text: &str) -> Vec<SecretHost> {
        vec![SecretHost::stored(text).expect("a host")]
    }

    #[test]
    fn a_value_opens_as_itself_and_nothing_else_opens_it() {
        let (old, new) = (Keys::generate(), Keys::generate());
        let keys = Keys::of(&[&old]).expect("keys");
        let (own, other) = (hosts("a.example"), hosts("evil.example"));
        let value = Secret::new("open sesame".to_owned());
        let sealed = keys.seal(binding("token", &own), &value).expect("sealed");
        let text = String::from_utf8_lossy(&sealed.ciphertext);
        assert!(!text.contains("sesame"), "{text}");
        let open = |keys: &Keys, of, sealed: &Sealed| {
            let opened = keys.open(of, sealed);
            opened.map(|secret| secret.expose().to_owned())
        };
        let own_binding = binding("token", &own);
        assert_eq!(open(&keys, own_binding, &sealed), Ok("open sesame".into()));

        let newer = Binding {
            version: 4,
            ..own_binding
        };
        let elsewhere = Binding {
            namespace: "other",
            ..own_binding
        };
        for of in [
            binding("other", &own),
            binding("token", &other),
            binding("token", &[]),
            newer,
            elsewhere,
        ] {
            assert_eq!(open(&keys, of, &sealed), Err(CannotOpen::Changed), "{of:?}");
        }
        for index in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[index] ^= 1;
            assert_eq!(open(&keys, own_binding, &changed), Err(CannotOpen::Changed));
        }
        let rotating = Keys::of(&[&new, &old]).expect("keys");
        assert!(open(&rotating, own_binding, &sealed).is_ok());
        assert_ne!(rotating.current(), keys.current());
        let replaced = Keys::of(&[&new]).expect("keys");
        assert_eq!(
            open(&replaced, own_binding, &sealed),
            Err(CannotOpen::UnknownKey(sealed.key_id.clone()))
        );
        let none = Keys::default();
        assert_eq!(
            open(&none, own_binding, &sealed),
            Err(CannotOpen::NoKey(NoKey))
        );
        assert_eq!(none.seal(own_binding, &value), Err(NoKey));
    }

    #[test]
    fn each_encryption_has_its_own_nonce_and_debug_shows_no_key() {
        let text = Keys::generate();
        let keys = Keys::of(&[&text]).expect("keys");
        let (own, value) = (hosts("a.example"), Secret::new("same value".to_owned()));
        let seal = || keys.seal(binding("a", &own), &value).expect("sealed");
        assert_ne!(seal().nonce, seal().nonce);
        assert_ne!(seal().ciphertext, seal().ciphertext);
        let shown = format!("{keys:?}");
        assert!(
            !shown.contains(text.as_str()) && shown.len() < 30,
            "{shown}"
        );
        for text in ["", "short", "AAAA", &format!("{}A", *text)] {
            assert!(Keys::of(&[text]).is_none(), "{text}");
        }
    }
}
