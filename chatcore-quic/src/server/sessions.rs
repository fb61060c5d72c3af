//! TLS sessions that clients can take up again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::StoresServerSessions;
use rustls::sign::CertifiedKey;

use super::Certificate;

/// Secrets of TLS sessions, by the names under which clients know them: a bounded number, each good for
/// one handshake.
///
/// That it is good once is what makes early data safe to take: the second handshake that names a
/// session finds it gone, so that packets which somebody recorded are refused before anything in them
/// is looked at. A cipher that keeps the sessions with the clients could not tell; rustls takes no
/// early data under one.
///
/// Sessions live no longer than the certificate under which they began is shown.
pub(super) struct Sessions {
    certificate: Certificate,
    kept: Mutex<Kept>,
    /// As many in each of two halves.
    half: usize,
}

/// When the young half is full, it becomes the old one, and what was old is forgotten.
struct Kept {
    under: Arc<CertifiedKey>,
    young: HashMap<Vec<u8>, Vec<u8>>,
    old: HashMap<Vec<u8>, Vec<u8>>,
}

impl Sessions {
    /// Keeps at most `most` sessions.
    pub(super) fn new(certificate: Certificate, most: usize) -> Self {
        let under = certificate.current();
        let kept = Mutex::new(Kept { under, young: HashMap::new(), old: HashMap::new() });
        Self { certificate, kept, half: most / 2 }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let current = self.certificate.current();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&kept.under, &current) {
            *kept = Kept { under: current, young: HashMap::new(), old: HashMap::new() };
        }
        kept
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        if !self.can_cache() {
            return false;
        }
        let mut kept = self.kept();
        if kept.young.len() >= self.half {
            kept.old = std::mem::take(&mut kept.young);
        }
        kept.young.insert(key, value);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept();
        kept.young.get(key).or_else(|| kept.old.get(key)).cloned()
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        kept.young.remove(key).or_else(|| kept.old.remove(key))
    }

    fn can_cache(&self) -> bool {
        self.half > 0
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("half", &self.half).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SelfSigned;
    use super::*;

    fn sessions(most: usize) -> (Sessions, Certificate) {
        let certificate = Certificate::self_signed().expect("made");
        (Sessions::new(certificate.clone(), most), certificate)
    }

    fn key(n: u32) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    #[test]
    fn a_session_is_taken_once() {
        let (sessions, _) = sessions(8);
        assert!(sessions.put(key(1), vec![1]));
        assert_eq!(sessions.get(&key(1)), Some(vec![1]));
        assert_eq!(sessions.take(&key(1)), Some(vec![1]));
        assert_eq!((sessions.take(&key(1)), sessions.get(&key(1))), (None, None));
    }

    #[test]
    fn of_many_the_newest_are_kept_and_never_more_than_allowed() {
        let (sessions, _) = sessions(8);
        for n in 0..1_000 {
            sessions.put(key(n), vec![0]);
            assert!(sessions.get(&key(n)).is_some());
            let kept = sessions.kept();
            assert!(kept.young.len() + kept.old.len() <= 8);
        }
        assert!((996..1_000).all(|n| sessions.get(&key(n)).is_some()));
    }

    #[test]
    fn another_certificate_ends_them_all() {
        let (sessions, certificate) = sessions(8);
        sessions.put(key(1), vec![1]);
        let other = SelfSigned::make().expect("made");
        certificate.replace(other.chain.as_bytes(), other.key.as_bytes()).expect("usable");
        assert_eq!(sessions.take(&key(1)), None);
        sessions.put(key(2), vec![2]);
        assert_eq!(sessions.take(&key(2)), Some(vec![2]));
    }

    #[test]
    fn none_are_kept_where_none_are_wanted_and_none_are_printed() {
        let (none, _) = sessions(0);
        assert!(!none.can_cache() && !none.put(key(1), vec![1]));
        let (sessions, _) = sessions(8);
        sessions.put(b"name".to_vec(), b"secret".to_vec());
        assert!(!format!("{sessions:?}").contains("115"));
    }
}
