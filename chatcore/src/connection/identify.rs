//! Who a connection is from.

use super::work::Client;
use crate::account::{AccountError, Identity};
use crate::chat::Chat;
use crate::error::Error;
use crate::id::{DeviceId, SessionId};
use crate::protocol::frame::{Failure, Token};
use crate::protocol::session::{Authenticated, Credential};

/// What a client comes in with the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A ticket that it is given.
    Ticket,
    /// What it has: it knows no tickets.
    Token,
}

impl Next {
    pub(super) fn of(wants_ticket: bool) -> Self {
        if wants_ticket { Self::Ticket } else { Self::Token }
    }
}

/// Finds out who shows `credential`, and begins to listen for what concerns them.
pub(super) async fn identify(
    chat: Chat,
    credential: Credential,
    device: DeviceId,
    next: Next,
) -> Result<(Authenticated, Client), Failure> {
    let (identity, client, ticket) = match &credential {
        Credential::Token(token) => {
            let client = listen(&chat, &chat.authenticate(token.expose()).await?);
            // Register first, check second: a session that ends in between is found by one or the
            // other.
            let identity = chat.authenticate(token.expose()).await?;
            let ticket = match (&identity.session, next) {
                (Some(session), Next::Ticket) => issue_ticket(&chat, session).await,
                _ => None,
            };
            (identity, client, ticket)
        }
        Credential::Ticket(ticket) => {
            let redeemed = chat.accounts().redeem_ticket(ticket.expose(), &device).await;
            let identity = redeemed.map_err(Error::from)?;
            let client = listen(&chat, &identity);
            let ticket = another(&chat, &identity).await?;
            (identity, client, Some(ticket))
        }
        Credential::Unspent(ticket) => {
            let check = async || {
                let checked = chat.accounts().check_ticket(ticket.expose(), &device).await;
                checked.map_err(Error::from)
            };
            let client = listen(&chat, &check().await?);
            (check().await?, client, None)
        }
        Credential::Ambient => return Err(unauthenticated().into()),
    };
    Ok((authenticated(identity, ticket.filter(|_| next == Next::Ticket)), client))
}

/// Spends a ticket by which a client has come in already.
pub(super) async fn spend(
    chat: Chat,
    ticket: Token,
    device: DeviceId,
    next: Next,
) -> Result<Authenticated, Failure> {
    let redeemed = chat.accounts().redeem_ticket(ticket.expose(), &device).await;
    let identity = redeemed.map_err(Error::from)?;
    let ticket = another(&chat, &identity).await?;
    Ok(authenticated(identity, Some(ticket).filter(|_| next == Next::Ticket)))
}

/// The next ticket, for one that was spent. A ticket is good once, so this is the second look at
/// whether the session lives: an ended one has none.
async fn another(chat: &Chat, identity: &Identity) -> Result<Token, Error> {
    let session = identity.session.as_ref().ok_or_else(unauthenticated)?;
    Ok(Token::new(chat.accounts().issue_ticket(session).await.map_err(Error::from)?))
}

fn authenticated(identity: Identity, ticket: Option<Token>) -> Authenticated {
    let Identity { user, session, expires_at } = identity;
    Authenticated { user, session, expires_at, ticket }
}

/// A ticket for the next connection. One that does without comes in with its token.
pub(super) async fn issue_ticket(chat: &Chat, session: &SessionId) -> Option<Token> {
    chat.accounts().issue_ticket(session).await.ok().map(Token::new)
}

fn listen(chat: &Chat, identity: &Identity) -> Client {
    let listener = chat.hub().connect(identity.user.clone(), identity.session.clone());
    Client { caller: chat.as_user(&identity.user), listener }
}

fn unauthenticated() -> Error {
    Error::Account(AccountError::Unauthenticated)
}
