//! Who a connection is from.

use super::Client;
use crate::chat::Chat;
use crate::error::Error;
use crate::id::DeviceId;
use crate::protocol::frame::{Failure, Token};
use crate::protocol::session::{Authenticated, Credential};

/// Finds out who shows `credential`, and begins to listen for what concerns them.
pub(super) async fn identify(
    chat: Chat,
    credential: Credential,
    ambient: Option<Token>,
    _device: DeviceId,
) -> Result<(Authenticated, Client), Failure> {
    let token = match credential {
        Credential::Token(token) => token,
        Credential::Ticket(_) => return Err(Error::Unavailable.into()),
        Credential::Ambient => ambient.ok_or(Error::Unavailable)?,
    };
    let identity = chat.authenticate(token.expose()).await?;
    let listener = chat.hub().connect(identity.user.clone(), identity.session.clone());
    // Register first, check second: a session that ends in between is found by one or the other.
    let identity = chat.authenticate(token.expose()).await?;
    let caller = chat.as_user(&identity.user);
    let who = Authenticated {
        user: identity.user,
        session: identity.session,
        expires_at: identity.expires_at,
        ticket: None,
    };
    Ok((who, Client { caller, listener }))
}
