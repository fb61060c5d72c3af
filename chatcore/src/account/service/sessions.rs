use async_trait::async_trait;

use super::{Accounts, settle};
use crate::account::secret_code::SecretCodes;
use crate::account::session::RefreshToken;
use crate::account::session_cache::Live;
use crate::account::token::TokenKind;
use crate::account::{
    AccountError, AccountRecord, Authenticator, Identity, NewSession, SecretHash, Session,
    SessionRecord, SignedIn, Ticket, Tokens,
};
use crate::clock::Timestamp;
use crate::id::{DeviceId, SessionId, UserId, random_string};

/// How many tickets of one session are good at once: one for each of its connections, within reason.
const TICKETS_PER_SESSION: usize = 16;
/// Longer than any ticket is.
const MAX_TICKET_BYTES: usize = 256;
const MAX_USER_AGENT_BYTES: usize = 256;

impl Accounts {
    /// Opens a session for someone who has just proved who they are: by registering, or by a code.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound); [`Disabled`](AccountError::Disabled).
    pub async fn start_session(
        &self,
        user: &UserId,
        session: NewSession,
    ) -> Result<SignedIn, AccountError> {
        let record = self.record(user).await?;
        if record.account.disabled {
            return Err(AccountError::Disabled);
        }
        let this = self.clone();
        settle(async move { this.open_session(record, session).await }).await
    }

    pub(super) async fn open_session(
        &self,
        record: AccountRecord,
        new: NewSession,
    ) -> Result<SignedIn, AccountError> {
        let AccountRecord { account, generation, .. } = record;
        let now = self.now();
        let device = match new.device {
            Some(device) => device,
            None => DeviceId::parse(&random_string::<9>(self.random()))?,
        };
        let session = Session {
            id: SessionId::random(self.random()),
            user: account.id.clone(),
            device,
            user_agent: new.user_agent.map(|agent| cut(agent, MAX_USER_AGENT_BYTES)),
            addr: new.addr,
            created_at: now,
            renewed_at: now,
            expires_at: now.after(self.inner.settings.session_ttl),
        };
        let refresh = self.refresh_token(&session.id, SecretCodes::token(self.random()));
        let tokens = self.tokens(&session, &refresh, now)?;
        let stored = SessionRecord {
            session: session.clone(),
            family: self.hash(&session.id, "family", &refresh.family),
            refresh: self.hash(&session.id, "refresh", &refresh.secret),
        };
        let sessions = &self.inner.parts.sessions;
        let keep = self.inner.settings.max_sessions.max(1);
        for pushed_out in sessions.create_session(&stored, keep).await? {
            self.ended(&account.id, &pushed_out);
        }
        // Whoever changed the password since it was checked has removed all sessions but this one.
        let still = self.inner.parts.accounts.account(&account.id).await?;
        if still.is_none_or(|now| now.generation != generation || now.account.disabled) {
            self.end(&account.id, &session.id).await?;
            return Err(AccountError::BadCredentials);
        }
        Ok(SignedIn { account, session, tokens })
    }

    /// Who a token belongs to, and that its session lives. From memory for a session that was seen
    /// within [`session_recheck`](super::AccountSettings::session_recheck).
    ///
    /// # Errors
    /// [`Unauthenticated`](AccountError::Unauthenticated), [`Store`](AccountError::Store).
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        let now = self.now();
        let verified = self.inner.signer.verify(token, now).ok_or(AccountError::Unauthenticated)?;
        let live = match self.inner.live.find(&verified.session, now) {
            Ok(live) => live,
            Err(reading) => {
                let record = self.live_session(&verified.session, now).await?;
                let Session { user, expires_at, .. } = record.session;
                let live = Live { user, expires_at, seen_at: now };
                self.inner.live.learn(verified.session.clone(), live.clone(), &reading);
                live
            }
        };
        if live.user != verified.user {
            return Err(AccountError::Unauthenticated);
        }
        Ok(Identity {
            user: verified.user,
            session: Some(verified.session),
            expires_at: Some(verified.expires_at.min(live.expires_at)),
        })
    }

    /// Exchanges a refresh token for a new set. The old refresh token is spent: if it comes again,
    /// either it or its successor was stolen, and the session is revoked.
    ///
    /// # Errors
    /// [`Unauthenticated`](AccountError::Unauthenticated), [`Store`](AccountError::Store).
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        let token = RefreshToken::parse(token).ok_or(AccountError::Unauthenticated)?;
        let this = self.clone();
        settle(async move { this.refresh_parsed(token).await }).await
    }

    async fn refresh_parsed(&self, token: RefreshToken) -> Result<SignedIn, AccountError> {
        let now = self.now();
        let SessionRecord { mut session, family, refresh } =
            self.live_session(&token.session, now).await?;
        if !family.matches(&self.hash(&session.id, "family", &token.family)) {
            return Err(AccountError::Unauthenticated);
        }
        let account = self.record(&session.user).await?.account;
        let settings = &self.inner.settings;
        session.renewed_at = now;
        session.expires_at =
            now.after(settings.session_ttl).min(session.created_at.after(settings.session_max));
        let next = self.refresh_token(&session.id, token.family);
        let next_hash = self.hash(&session.id, "refresh", &next.secret);
        let newest = refresh.matches(&self.hash(&session.id, "refresh", &token.secret));
        let renewed = newest
            && self
                .inner
                .parts
                .sessions
                .renew_session(&session.id, now, session.expires_at, Some((&refresh, &next_hash)))
                .await?;
        if !renewed {
            tracing::warn!(user = %session.user, session = %session.id, "a spent refresh token came again");
            self.end(&session.user, &session.id).await?;
            return Err(AccountError::Unauthenticated);
        }
        let tokens = self.tokens(&session, &next, now)?;
        Ok(SignedIn { account, session, tokens })
    }

    /// The live sessions of an account, newest first.
    ///
    /// # Errors
    /// [`Store`](AccountError::Store).
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>, AccountError> {
        let now = self.now();
        let records = self.inner.parts.sessions.sessions_of(user).await?;
        let sessions = records.into_iter().map(|record| record.session);
        Ok(sessions.filter(|session| now < session.expires_at).collect())
    }

    /// Ends a session of that account: logs it out. Its tokens and connections are dead when this
    /// returns.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound) if the account has no such session.
    pub async fn revoke(&self, user: &UserId, session: &SessionId) -> Result<(), AccountError> {
        let (this, user, session) = (self.clone(), user.clone(), session.clone());
        let ended = settle(async move { this.end(&user, &session).await }).await?;
        if ended { Ok(()) } else { Err(AccountError::NotFound) }
    }

    /// Ends the sessions of an account, all but one if it is named; returns how many.
    ///
    /// # Errors
    /// [`Store`](AccountError::Store).
    pub async fn revoke_all(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<usize, AccountError> {
        let (this, user, except) = (self.clone(), user.clone(), except.cloned());
        settle(async move { this.end_all(&user, except.as_ref()).await }).await
    }

    /// A ticket that resumes the session on its device, once, within
    /// [`ticket_ttl`](super::AccountSettings::ticket_ttl).
    ///
    /// # Errors
    /// [`Unauthenticated`](AccountError::Unauthenticated) if the session is gone.
    pub async fn issue_ticket(&self, session: &SessionId) -> Result<String, AccountError> {
        let token = SecretCodes::token(self.random());
        let ticket = Ticket {
            hash: self.inner.codes.hash("ticket", "", &token),
            session: session.clone(),
            expires_at: self.now().after(self.inner.settings.ticket_ttl),
        };
        let put = self.inner.parts.sessions.put_ticket(&ticket, TICKETS_PER_SESSION).await?;
        if put { Ok(token) } else { Err(AccountError::Unauthenticated) }
    }

    /// Whom a ticket lets in, without spending it: for one who shows it in a way that can be repeated by
    /// whoever listened. The identity is that which [`redeem_ticket`](Self::redeem_ticket) will give.
    ///
    /// # Errors
    /// As for `redeem_ticket`.
    pub async fn check_ticket(
        &self,
        ticket: &str,
        device: &DeviceId,
    ) -> Result<Identity, AccountError> {
        let hash = self.ticket_hash(ticket)?;
        let found = self.inner.parts.sessions.ticket(&hash).await?;
        self.admit(found, device).await
    }

    /// Spends a ticket. The identity is good for as long as a fresh access token would be.
    ///
    /// # Errors
    /// [`Unauthenticated`](AccountError::Unauthenticated) if it is unknown, spent or expired, if its
    /// session is gone, or if it was issued to another device; the ticket is spent in each case.
    pub async fn redeem_ticket(
        &self,
        ticket: &str,
        device: &DeviceId,
    ) -> Result<Identity, AccountError> {
        let hash = self.ticket_hash(ticket)?;
        let taken = self.inner.parts.sessions.take_ticket(&hash).await?;
        self.admit(taken, device).await
    }

    fn ticket_hash(&self, ticket: &str) -> Result<SecretHash, AccountError> {
        if ticket.len() > MAX_TICKET_BYTES {
            return Err(AccountError::Unauthenticated);
        }
        Ok(self.inner.codes.hash("ticket", "", ticket))
    }

    /// Lets in who shows a ticket on the device that it was issued to.
    async fn admit(
        &self,
        ticket: Option<Ticket>,
        device: &DeviceId,
    ) -> Result<Identity, AccountError> {
        let now = self.now();
        let ticket =
            ticket.filter(|ticket| now < ticket.expires_at).ok_or(AccountError::Unauthenticated)?;
        let session = self.live_session(&ticket.session, now).await?.session;
        if session.device != *device {
            return Err(AccountError::Unauthenticated);
        }
        let expires_at = now.after(self.inner.settings.access_ttl).min(session.expires_at);
        Ok(Identity { user: session.user, session: Some(session.id), expires_at: Some(expires_at) })
    }

    async fn live_session(
        &self,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<SessionRecord, AccountError> {
        let found = self.inner.parts.sessions.session(id).await?;
        found.filter(|record| now < record.session.expires_at).ok_or(AccountError::Unauthenticated)
    }

    async fn end(&self, user: &UserId, session: &SessionId) -> Result<bool, AccountError> {
        let ended = self.inner.parts.sessions.remove_session(user, session).await?;
        if ended {
            self.ended(user, session);
        }
        Ok(ended)
    }

    pub(super) async fn end_all(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<usize, AccountError> {
        let ended = self.inner.parts.sessions.remove_sessions(user, except).await?;
        for session in &ended {
            self.ended(user, session);
        }
        Ok(ended.len())
    }

    fn refresh_token(&self, session: &SessionId, family: String) -> RefreshToken {
        let secret = SecretCodes::token(self.random());
        RefreshToken { session: session.clone(), family, secret }
    }

    fn hash(&self, session: &SessionId, part: &str, secret: &str) -> SecretHash {
        self.inner.codes.hash(part, session.as_str(), secret)
    }

    fn tokens(
        &self,
        session: &Session,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens, AccountError> {
        let sign = |kind, until| {
            let (signer, random) = (&self.inner.signer, self.random());
            signer.sign(kind, &session.user, &session.id, now, until, random)
        };
        let access_expires_at = now.after(self.inner.settings.access_ttl).min(session.expires_at);
        Ok(Tokens {
            access: sign(TokenKind::Access, access_expires_at)?,
            access_expires_at,
            refresh: refresh.to_token(),
            refresh_expires_at: session.expires_at,
            session_token: sign(TokenKind::Session, session.expires_at)?,
            session_expires_at: session.expires_at,
        })
    }
}

#[async_trait]
impl Authenticator for Accounts {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        Self::authenticate(self, token).await
    }
}

/// The first `max` bytes or a little less: never half a character, and none that controls a terminal or
/// that a database keeps in no text.
fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text.retain(|c| !c.is_control());
    text
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_a_client_says_of_itself_is_cut_and_cleared_of_controls() {
        assert_eq!(cut("a\0b\x1b[31mé".into(), 8), "ab[31m");
        assert_eq!(cut("short".into(), 300), "short");
    }
}
