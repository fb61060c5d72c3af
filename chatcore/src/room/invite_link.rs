//! Links by which people come into a room.

use std::fmt;
use std::time::Duration;

use crate::clock::{Random, Timestamp};
use crate::error::{Error, Invalid};
use crate::id::{InviteLinkId, UserId, hash_parts, random_string};
use crate::limits::Limits;

/// A link by which whoever has its code comes into a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteLink {
    /// Its name, which opens nothing.
    pub id: InviteLinkId,
    /// By which its code is known again.
    pub hash: InviteHash,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
    /// How many may come by it; without a number, as many as the room holds.
    pub uses: Option<u32>,
    /// How many have come by it.
    pub used: u32,
}

impl InviteLink {
    /// Whether it lets someone in at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.uses.is_none_or(|uses| self.used < uses)
    }
}

/// How long a link is to be good, and for how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewInviteLink {
    /// Until when; without one, a day.
    pub expires_at: Option<Timestamp>,
    /// For how many; without a number, as many as the room holds.
    pub uses: Option<u32>,
}

/// A link without an end of its own is good for so long.
const LIFE: Duration = Duration::from_secs(86_400);

impl NewInviteLink {
    /// Until when it is good, if it is made at `now`.
    ///
    /// # Errors
    /// [`Invalid`] for an end or a number out of bounds.
    pub(crate) fn check(&self, now: Timestamp, limits: &Limits) -> Result<Timestamp, Error> {
        let most = limits.invite_link_uses;
        if self.uses.is_some_and(|uses| !(1..=most).contains(&uses)) {
            return Err(Invalid::new("uses", format!("uses must be from 1 to {most}")).into());
        }
        let latest = now.after(limits.invite_link_life);
        match self.expires_at {
            Some(at) if at <= now => {
                Err(Invalid::new("expires_at", "expires_at must be in the future").into())
            }
            Some(at) if at > latest => {
                let days = limits.invite_link_life.as_secs() / 86_400;
                let problem = format!("expires_at must be at most {days} days away");
                Err(Invalid::new("expires_at", problem).into())
            }
            Some(at) => Ok(at),
            None => Ok(now.after(LIFE).min(latest)),
        }
    }
}

/// The code of a link: whoever has it may come in. Its text is told once, to who makes it, and kept
/// nowhere.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct InviteCode(String);

impl InviteCode {
    /// Takes what someone says is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A fresh one, of 128 random bits.
    pub(crate) fn random(random: &dyn Random) -> Self {
        Self(random_string::<16>(random))
    }

    /// The text, for whoever is to have it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it. As it cannot be guessed, it needs no secret beside it.
    pub fn hash(&self) -> InviteHash {
        InviteHash(hash_parts(&[b"invite", self.0.as_bytes()]))
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

/// What is kept of a code. A link is looked up by it, so that how long that takes tells of the hash, and
/// nothing of the code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteHash([u8; 32]);

impl InviteHash {
    /// Takes what a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for InviteHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteHash(…)")
    }
}
