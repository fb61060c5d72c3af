//! Signed tokens: JSON Web Tokens (RFC 7519) with one algorithm, HS256, and every claim checked.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sha2::Sha256;

use crate::account::AccountError;
use crate::clock::{Random, Timestamp};
use crate::error::Invalid;
use crate::id::{SessionId, UserId, random_string};

type HmacSha256 = Hmac<Sha256>;

/// What everything that this installation signs is signed with. Never shown.
///
/// The same on all nodes and over restarts, or tokens and mailed codes end with the process.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The fewest bytes (RFC 7518, section 3.2).
    pub const MIN_BYTES: usize = 32;

    /// Takes a secret from wherever it is kept.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Invalid> {
        let bytes = bytes.into();
        if bytes.len() < Self::MIN_BYTES {
            return Err(Invalid::new("secret", "must be at least 32 bytes"));
        }
        Ok(Self(bytes))
    }

    /// A fresh one.
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = vec![0; Self::MIN_BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The bytes, to be kept where only the server can read them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A key for one purpose: what is signed for one is worth nothing for another.
    pub(crate) fn key_for(&self, purpose: &str) -> [u8; 32] {
        keyed_hash(&self.0, &[purpose.as_bytes()])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// HMAC-SHA-256 over length-prefixed parts.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether both are equal, in a time that does not depend on where they differ.
pub(crate) fn same_hash(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differing) == 0
}

/// HS256 for `jsonwebtoken`, over the hash functions that passwords need anyway.
struct Hs256(HmacSha256);

impl Hs256 {
    fn new(key: &[u8]) -> Self {
        Self(HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length"))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let mut mac = self.0.clone();
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.verify_slice(signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes()))),
        _ => Err(JwtError::from(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?))),
        _ => Err(JwtError::from(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// What a signed token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenKind {
    /// Short-lived, renewed with a refresh token.
    Access,
    /// As long-lived as the session: cookies, and clients that know no refresh.
    Session,
}

/// A claim of another type than these, or a missing one, makes the token worthless.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    typ: TokenKind,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: String,
}

/// What a sound token says. Whether the session still lives is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    pub(crate) expires_at: Timestamp,
}

const ISSUER: &str = "chatcore";
/// No token of ours comes near it; longer ones are refused unread.
const MAX_TOKEN_BYTES: usize = 4096;
/// How far the clocks of two nodes may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// Signs tokens and checks them.
pub(crate) struct Tokens {
    audience: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(secret: &Secret, audience: impl Into<String>) -> Self {
        // An application may have chosen a provider for the whole process; any of them does HS256.
        let _ = PROVIDER.install_default();
        let audience = audience.into();
        let key = secret.key_for("chatcore token");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[&audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Times are checked here, against the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            audience,
            signing: EncodingKey::from_secret(&key),
            verifying: DecodingKey::from_secret(&key),
            validation,
        }
    }

    pub(crate) fn sign(
        &self,
        kind: TokenKind,
        user: &UserId,
        session: &SessionId,
        now: Timestamp,
        expires_at: Timestamp,
        random: &dyn Random,
    ) -> Result<String, AccountError> {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: self.audience.clone(),
            sub: user.clone(),
            sid: session.clone(),
            typ: kind,
            iat: now.0.div_euclid(1000),
            exp: expires_at.0.div_euclid(1000),
            nbf: None,
            jti: random_string::<12>(random),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(
            |error| {
                tracing::error!(%error, "a token could not be signed");
                AccountError::Internal
            },
        )
    }

    /// `None` for anything but a token of ours that is good at `now`; why not, is nobody's business.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<Verified> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let decoded =
            jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation).ok()?;
        // Extensions that must be understood are not (RFC 7515, section 4.1.11).
        if decoded.header.crit.is_some() {
            return None;
        }
        let Claims {
            iss,
            aud,
            sub,
            sid,
            typ: TokenKind::Access | TokenKind::Session,
            exp,
            nbf,
            ..
        } = decoded.claims;
        let expires_at = Timestamp(exp.checked_mul(1000)?);
        let not_before = nbf.map(|nbf| nbf.checked_mul(1000).map(Timestamp));
        let begun = match not_before {
            None => true,
            Some(None) => false,
            Some(Some(from)) => now.after(LEEWAY) >= from,
        };
        let sound = iss == ISSUER && aud == self.audience && now < expires_at && begun;
        sound.then_some(Verified { user: sub, session: sid, expires_at })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("audience", &self.audience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
