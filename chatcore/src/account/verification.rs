//! What waits for someone to prove that an e-mail address is theirs.

use crate::account::secret_code::SecretHash;
use crate::account::{DisplayName, Email, ExternalId, PasswordHash};
use crate::clock::Timestamp;
use crate::id::UserId;

/// What a proof is asked for. Codes of one purpose are no good for another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To use the address as a name.
    Confirm,
    /// To choose a new password.
    Reset,
}

impl Purpose {
    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
        }
    }
}

/// What is done once the address is proved.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Pending {
    /// An account is made, with what its owner gave when they registered.
    Register {
        /// The hash of the password that they chose.
        password: PasswordHash,
        /// The name that they want to be seen under.
        display_name: DisplayName,
        /// The id that another system knows them by.
        external_id: Option<ExternalId>,
    },
    /// The address is added to an account, instead of the one that it had.
    AddEmail {
        /// Whose.
        user: UserId,
    },
    /// A new password may be set.
    Reset {
        /// Whose; nobody's, if the address is unknown, so that asking looks alike for all.
        user: Option<UserId>,
        /// The credentials' generation that is to be replaced: after any change the code is void.
        generation: u64,
    },
}

impl Pending {
    /// What the proof is for.
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Register { .. } | Self::AddEmail { .. } => Purpose::Confirm,
            Self::Reset { .. } => Purpose::Reset,
        }
    }
}

/// A proof that was asked for by mail and has not come yet.
///
/// Several may wait for one address, each with a code of its own: whoever registers an address after
/// its owner did neither blocks the owner's code nor puts their own password behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Random, unique.
    pub id: String,
    /// The address to be proved.
    pub email: Email,
    /// What is done then.
    pub pending: Pending,
    /// The hash of the mailed code, if one was mailed.
    pub code: Option<SecretHash>,
    /// The hash of the mailed link's token, if one was mailed.
    pub link: Option<SecretHash>,
    /// How many codes were tried for it.
    pub tries: u32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From when on it is void.
    pub expires_at: Timestamp,
}

impl Verification {
    /// What it is for.
    pub const fn purpose(&self) -> Purpose {
        self.pending.purpose()
    }

    /// The form of the address under which it is found.
    pub fn subject(&self) -> String {
        self.email.key().key
    }
}
