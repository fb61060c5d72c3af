//! Telling clients of a server that has restarted that it knows nothing of their connections.
//!
//! A server that was killed could say nothing. Its clients send on to it until they give up; to answer
//! them with a reset that they believe takes the key under which the process before it named connections and
//! resets (RFC 9000, section 10.3).

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use quinn_proto::crypto::{CryptoError, HmacKey};
use sha2::Sha256;

/// A key for resets, kept across restarts of one server.
#[derive(Clone)]
pub(super) struct ResetKey([u8; 32]);

/// Nothing of the key.
impl fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey(…)")
    }
}

impl ResetKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// An endpoint that resets, and names connections, by this key.
    pub(super) fn endpoint(&self) -> EndpointConfig {
        let mut config = EndpointConfig::new(Arc::new(self.clone()));
        let mut name = [0; 8];
        name.copy_from_slice(&self.of(b"connections")[..8]);
        let name = u64::from_be_bytes(name);
        // Names that were not given under it are not answered at all.
        config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(name)));
        config
    }

    fn of(&self, data: &[u8]) -> [u8; 32] {
        self.mac(data).finalize().into_bytes().into()
    }

    fn mac(&self, data: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(data);
        mac
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.of(data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.mac(data).verify_slice(signature).map_err(|_| CryptoError)
    }
}
