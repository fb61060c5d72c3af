//! What is mailed to prove that an address is someone's: short codes to type, long links to follow.
//! Only keyed hashes of either are stored, so that a stolen database opens nothing.

use std::fmt;

use crate::account::token::{Secret, keyed_hash, same_hash};
use crate::clock::Random;
use crate::id::random_string;

/// A keyed hash of a code, link, ticket or refresh token. Worth nothing without the secret, but kept
/// from logs all the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Takes what a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        same_hash(&self.0, &other.0)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// Makes codes and opaque tokens, and the hashes by which they are known again.
pub(crate) struct SecretCodes {
    key: [u8; 32],
}

/// Digits of a code that confirms an address.
pub(crate) const CONFIRM_DIGITS: u32 = 6;
/// Digits of a code that resets a password: it opens an account that has something in it.
pub(crate) const RESET_DIGITS: u32 = 8;
/// Random bytes of an opaque token: 192 bits.
const TOKEN_BYTES: usize = 24;

impl SecretCodes {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { key: secret.key_for("chatcore code") }
    }

    /// A code of so many decimal digits, each value as likely as any other.
    pub(crate) fn code(random: &dyn Random, digits: u32) -> String {
        let bound = 10_u64.pow(digits);
        // Values above the last full multiple would favour the small codes: draw again.
        let fair = u64::MAX - u64::MAX % bound;
        let value = loop {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            let value = u64::from_le_bytes(bytes);
            if value < fair {
                break value % bound;
            }
        };
        format!("{value:0width$}", width = digits as usize)
    }

    /// An opaque token that cannot be guessed.
    pub(crate) fn token(random: &dyn Random) -> String {
        random_string::<TOKEN_BYTES>(random)
    }

    /// The hash of `secret`, good for one `purpose` and one `owner` only.
    pub(crate) fn hash(&self, purpose: &str, owner: &str, secret: &str) -> SecretHash {
        let parts = [purpose.as_bytes(), owner.as_bytes(), secret.as_bytes()];
        SecretHash(keyed_hash(&self.key, &parts))
    }
}

impl fmt::Debug for SecretCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCodes(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    #[test]
    fn codes_have_their_digits_and_differ() {
        let random = SeededRandom::new(3);
        let codes: Vec<_> =
            (0..1_000).map(|_| SecretCodes::code(&random, CONFIRM_DIGITS)).collect();
        assert!(codes.iter().all(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_digit())));
        assert!(codes.iter().any(|c| c.starts_with('0')), "short values are padded");
        let distinct: std::collections::HashSet<_> = codes.iter().collect();
        assert!(distinct.len() > 990);
    }

    #[test]
    fn a_hash_is_bound_to_purpose_owner_and_key() {
        let codes = |byte| SecretCodes::new(&Secret::new([byte; 32]).unwrap());
        let hash = codes(1).hash("confirm", "a", "123456");
        assert!(hash.matches(&codes(1).hash("confirm", "a", "123456")));
        for other in [
            codes(1).hash("reset", "a", "123456"),
            codes(1).hash("confirm", "b", "123456"),
            codes(1).hash("confirm", "a", "123457"),
            codes(1).hash("confirm", "a1", "23456"),
            codes(2).hash("confirm", "a", "123456"),
        ] {
            assert!(!hash.matches(&other));
        }
    }

    #[test]
    fn a_token_has_more_than_128_bits() {
        assert_eq!(SecretCodes::token(&SeededRandom::new(1)).len(), 32);
    }
}
