//! Whose certificate is the server's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// Which certificates are accepted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those that one of these has signed, for the server's name.
    Roots(RootCertStore),
    /// The one whose SHA-256 is this, whatever name it has and until when it is good. Parsed from 64
    /// hexadecimal digits, with or without colons: what a server prints for its own.
    Pinned([u8; 32]),
}

/// Not a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits, with or without colons between them")]
pub struct InvalidFingerprint;

impl FromStr for Trust {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16));
        let digits = digits.collect::<Option<Vec<_>>>().ok_or(InvalidFingerprint)?;
        let bytes = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).map_err(|_| InvalidFingerprint),
            _ => Err(InvalidFingerprint),
        });
        let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
        bytes.try_into().map(Self::Pinned).map_err(|_| InvalidFingerprint)
    }
}

impl Trust {
    /// TLS 1.3 under this trust, for what else is to be had from the same server under the same
    /// certificate, such as its REST API. No ALPN is set.
    ///
    /// # Errors
    /// If the cryptography that is compiled in does not serve for TLS 1.3.
    pub fn client_config(self) -> Result<ClientConfig, Error> {
        // Named, so that neither what else is compiled in nor what the process installed decides.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        Ok(match self {
            Self::Roots(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
            Self::Pinned(sha256) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pin { sha256, provider }))
                .with_no_client_auth(),
        })
    }
}

/// Accepts one certificate. That the server has its key is checked as always.
struct Pin {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Sha256::digest(certificate).as_slice() == self.sha256 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = "0f".repeat(32);
        let colons = vec!["0F"; 32].join(":");
        for text in [plain, colons] {
            assert!(matches!(text.parse(), Ok(Trust::Pinned(bytes)) if bytes == [15; 32]));
        }
        for text in ["", "0f", &"0g".repeat(32), &"0".repeat(63), &"00".repeat(33)] {
            assert!(text.parse::<Trust>().is_err(), "{text}");
        }
    }
}
