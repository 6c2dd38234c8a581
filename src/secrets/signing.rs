//! Signatures of webhooks by Standard Webhooks (standardwebhooks.com), version 1: HMAC-SHA256 over
//! the id, the time and the body of a request.

use crate::model::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use zeroize::Zeroizing;

/// Begins the text of a signing secret.
const PREFIX: &str = "whsec_";

/// The key of a signing secret: `whsec_` and 24 to 64 bytes in base64.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Whether a value is meant as a signing secret.
    pub fn is_meant(value: &Secret) -> bool {
        value.expose().starts_with(PREFIX)
    }

    /// The key of a value; none for another text.
    pub fn of(value: &Secret) -> Option<Self> {
        let text = value.expose().strip_prefix(PREFIX)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        (24..=64)
            .contains(&bytes.len())
            .then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A signature, as the header `webhook-signature` has it.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<SigningKey> {
        SigningKey::of(&Secret::new(text.to_owned()))
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let again = |id, seconds, body: &str| key.sign(id, seconds, body.as_bytes());
        let signed = again("a", 1, "b");
        for other in [again("b", 1, "b"), again("a", 2, "b"), again("a", 1, "c")] {
            assert_ne!(signed, other);
        }
    }

    #[test]
    fn a_signing_secret_has_24_to_64_bytes_in_base64() {
        let text = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            assert!(key(&text(bytes)).is_some(), "{bytes}");
        }
        for bad in [
            text(23),
            text(65),
            text(32).replace("whsec_", ""),
            text(32).replace("BwcH", "Bw!H"),
            "whsec_".to_owned(),
        ] {
            assert!(key(&bad).is_none(), "{bad}");
        }
    }
}
