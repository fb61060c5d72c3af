//! What the server shows to prove who it is.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

/// A certificate and its key, which can be replaced while a server runs.
///
/// Clones share it: replace it through one, and all servers that were given another show the new one
/// from the next handshake on. Connections that stand are not touched; TLS sessions that clients could
/// have taken up again are ended, so that all see the new certificate.
#[derive(Clone)]
pub struct Certificate(Arc<RwLock<Arc<CertifiedKey>>>);

/// Why a certificate cannot be served under.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain is not PEM, or holds no certificate.
    #[error("the certificate chain holds no certificate in PEM form")]
    Chain(#[source] Option<pem::Error>),
    /// The key is not PEM, or of a kind that is not known.
    #[error("the key file holds no private key in PEM form")]
    Key(#[source] pem::Error),
    /// They do not go together, or the key is of a kind that is not supported.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// None could be made.
    #[error("no certificate could be made")]
    Make(#[source] rcgen::Error),
}

/// A certificate that nobody vouches for, and its key, both in PEM form.
///
/// Clients have to be told its [fingerprint](Certificate::fingerprint).
#[derive(Clone)]
pub struct SelfSigned {
    /// The certificate.
    pub chain: String,
    /// Its key; for the owner's eyes only.
    pub key: String,
}

impl SelfSigned {
    /// Makes one for this machine, by the names by which a program on it calls it.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn make() -> Result<Self, CertificateError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names).map_err(CertificateError::Make)?;
        Ok(Self { chain: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }
}

impl Certificate {
    /// Reads a certificate chain, the server's own certificate first, and its key, both in PEM form.
    ///
    /// # Errors
    /// Says which of both is at fault.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(read(chain, key)?)))))
    }

    /// One for development, made here and now: see [`SelfSigned`].
    ///
    /// # Errors
    /// If no key can be made.
    pub fn self_signed() -> Result<Self, CertificateError> {
        let made = SelfSigned::make()?;
        Self::from_pem(made.chain.as_bytes(), made.key.as_bytes())
    }

    /// Shows another certificate from now on.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem); then nothing has changed.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let new = Arc::new(read(chain, key)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The SHA-256 of the certificate itself (its DER form), in lower-case hexadecimal: what a client
    /// pins to whom nobody else vouches for it.
    pub fn fingerprint(&self) -> String {
        let current = self.current();
        // There is one: an empty chain is refused when it is read.
        let own = current.cert.first().map(AsRef::as_ref).unwrap_or_default();
        Sha256::digest(own).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| CertificateError::Chain(Some(error)))?;
    if chain.is_empty() {
        return Err(CertificateError::Chain(None));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(CertificateError::Unusable)
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint()).finish()
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned").field("chain", &self.chain).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_apart_and_changes_nothing() {
        let (one, other) = (SelfSigned::make().expect("made"), SelfSigned::make().expect("made"));
        let (chain, key) = (one.chain.as_bytes(), one.key.as_bytes());
        let certificate = Certificate::from_pem(chain, key).expect("usable");
        let before = certificate.fingerprint();
        assert_eq!(before.len(), 64);
        let replace = |chain, key| certificate.replace(chain, key).expect_err("refused");
        assert!(matches!(replace(b"", key), CertificateError::Chain(None)));
        assert!(matches!(replace(chain, b""), CertificateError::Key(_)));
        let unusable = replace(chain, other.key.as_bytes());
        assert!(matches!(unusable, CertificateError::Unusable(_)), "{unusable}");
        assert_eq!(certificate.fingerprint(), before);
        certificate.replace(other.chain.as_bytes(), other.key.as_bytes()).expect("usable");
        assert_ne!(certificate.clone().fingerprint(), before);
    }

    #[test]
    fn a_key_is_not_printed() {
        let made = SelfSigned::make().expect("made");
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }
}
