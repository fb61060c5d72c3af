//! Logins: one session for each device, listed and revoked one by one.

use std::net::IpAddr;

use crate::account::Account;
use crate::account::secret_code::SecretHash;
use crate::clock::Timestamp;
use crate::id::{DeviceId, SessionId, UserId};

/// What a login is made from.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    /// What the client calls its device; a random name is given to one that has none.
    pub device: Option<DeviceId>,
    /// What the client says it is, for the list of sessions; cut at 256 bytes.
    pub user_agent: Option<String>,
    /// Where the request came from. Without it no limit per address applies.
    pub addr: Option<IpAddr>,
}

impl NewSession {
    /// On a device that the client has a name for.
    pub fn on(device: DeviceId) -> Self {
        Self { device: Some(device), ..Self::default() }
    }
}

/// One login on one device. It lives until it expires, is logged out or revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id; no secret.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The device it was made on.
    pub device: DeviceId,
    /// What the client said it was.
    pub user_agent: Option<String>,
    /// Where the login came from.
    pub addr: Option<IpAddr>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last renewed: at login, by a refresh token or by a ticket.
    pub renewed_at: Timestamp,
    /// From when on it is dead; each refresh moves it.
    pub expires_at: Timestamp,
}

/// A session as stores keep it: with the hashes of its refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// What may be shown.
    pub session: Session,
    /// The hash of the part that all refresh tokens of the session share: it tells an old token of
    /// ours from an invented one.
    pub family: SecretHash,
    /// The hash of the part that only the newest refresh token has.
    pub refresh: SecretHash,
}

/// A resume credential: single use, one device, short-lived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The hash by which it is found.
    pub hash: SecretHash,
    /// The session that it resumes; it dies with it.
    pub session: SessionId,
    /// From when on it is void.
    pub expires_at: Timestamp,
}

/// The credentials of a session. Handed out once; only hashes are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For `Authorization: Bearer` and `hello`: short-lived.
    pub access: String,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// Buys one new set of tokens. Its second use revokes the session.
    pub refresh: String,
    /// When the refresh token ends.
    pub refresh_expires_at: Timestamp,
    /// As good as an access token, and as long-lived as the session: for cookies, and for clients
    /// that know no refresh.
    pub session_token: String,
    /// When the session token ends.
    pub session_expires_at: Timestamp,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("access_expires_at", &self.access_expires_at)
            .field("refresh_expires_at", &self.refresh_expires_at)
            .field("session_expires_at", &self.session_expires_at)
            .finish_non_exhaustive()
    }
}

/// A login that worked: who, where, and with what to prove it from now on.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub account: Account,
    /// The session that was made or renewed.
    pub session: Session,
    /// Its credentials.
    pub tokens: Tokens,
}

/// A refresh token taken apart: `session.family.secret`.
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) family: String,
    pub(crate) secret: String,
}

impl RefreshToken {
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.len() > 256 {
            return None;
        }
        let mut parts = token.split('.');
        let (session, family, secret) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let session = SessionId::parse(session).ok()?;
        Some(Self { session, family: family.into(), secret: secret.into() })
    }

    pub(crate) fn to_token(&self) -> String {
        format!("{}.{}.{}", self.session, self.family, self.secret)
    }
}
