//! What webhooks are signed with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::Invalid;
use crate::hook::HookFault;

/// The fewest and the most bytes of a secret, as Standard Webhooks has it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that a webhook's receiver shares: `whsec_` and 24 to 64 bytes in Base64.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Understands a secret such as `openssl rand -base64 32` makes, with or without `whsec_` before it.
    ///
    /// # Errors
    /// [`Invalid`] unless it is Base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
        match bytes {
            Ok(bytes) if BYTES.contains(&bytes.len()) => Ok(Self(bytes)),
            _ => Err(Invalid::new(
                "webhook_secret",
                "a webhook's secret is Base64 of 24 to 64 bytes, as `openssl rand -base64 32` makes it",
            )),
        }
    }

    /// `v1,` and the signature.
    pub(super) fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> Result<String, HookFault> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)?;
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn signature_is_the_one_of_standard_webhooks() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("sound");
        let signed =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.expect("signed"), expected);
    }

    #[test]
    fn secrets_that_are_too_short_or_no_base64_are_refused_and_never_shown() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "hunter2 hunter2 hunter2 hunter2"] {
            let said = WebhookSecret::parse(text).expect_err("refused").to_string();
            assert!(said.contains("24 to 64") && !said.contains("hunter2"), "{said}");
        }
        let sound = WebhookSecret::parse(" MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("sound");
        assert_eq!(format!("{sound:?}"), "WebhookSecret");
    }
}
