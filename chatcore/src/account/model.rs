//! An account, and what one is made from.

use std::net::IpAddr;

use crate::account::{
    DisplayName, Email, ExternalId, Handle, NameKey, Password, PasswordHash, PasswordRules,
};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, UserId};

/// Someone with a name and a password. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who they are, for ever.
    pub id: UserId,
    /// The name they log in by and are mentioned by.
    pub handle: Option<Handle>,
    /// Their address; always confirmed.
    pub email: Option<Email>,
    /// What others see.
    pub display_name: DisplayName,
    /// What another system calls them.
    pub external_id: Option<ExternalId>,
    /// Their picture.
    pub avatar: Option<AttachmentId>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Whether it is switched off: nobody can log in to it.
    pub disabled: bool,
}

impl Account {
    /// Every name that no other account may hold.
    pub fn keys(&self) -> Vec<NameKey> {
        let mut keys = Vec::with_capacity(4);
        keys.extend(self.handle.iter().flat_map(Handle::keys));
        keys.extend(self.email.iter().map(Email::key));
        keys.extend(self.external_id.iter().map(ExternalId::key));
        keys
    }

    /// What stays of its handle once it is erased: see [`NameKey::retired`]. No account can be made
    /// under a handle of which these are held.
    pub fn retired_keys(&self) -> Vec<NameKey> {
        let keys = self.handle.iter().flat_map(Handle::keys);
        keys.map(|key| key.retired()).collect()
    }

    /// Whether `name` is a name of this account: its id, handle, e-mail address or external id.
    pub fn is_called(&self, name: &str) -> bool {
        self.id.as_str() == name
            || self.external_id.as_ref().is_some_and(|id| id.as_str() == name)
            || self
                .handle
                .as_ref()
                .is_some_and(|handle| Handle::parse(name).is_ok_and(|asked| handle.same_as(&asked)))
            || self.email.as_ref().is_some_and(|email| {
                Email::parse(name).is_ok_and(|asked| email.key() == asked.key())
            })
    }
}

/// An account as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// What may be shown.
    pub account: Account,
    /// The hash of its password.
    pub password: PasswordHash,
    /// Grows with each change that must end what was granted before: a new password, switching off.
    pub generation: u64,
}

/// How much an answer may give away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// Unknown and known names are answered alike, in the same time.
    #[default]
    Hide,
    /// Says which it is. For contracts whose clients expect it; only the rate limits bound what it
    /// gives away.
    Tell,
}

/// How an address is to be confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmBy {
    /// A code of six digits is mailed.
    #[default]
    Code,
    /// A link is mailed.
    Link,
}

/// What someone registers with: a handle, an e-mail address or both, and a password.
///
/// With a handle the account is usable at once; an address beside it is added once it is confirmed.
/// With an address alone the account comes to be when it is confirmed.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The id that an account with a handle shall have: for a caller who has made a fresh one, because
    /// something of the account's has to be stored before the account itself. Without it one is made.
    pub id: Option<UserId>,
    /// The handle, as typed.
    pub handle: Option<String>,
    /// The e-mail address, as typed.
    pub email: Option<String>,
    /// The password.
    pub password: Password,
    /// What others shall see; without one the handle, or the address's local part.
    pub display_name: Option<String>,
    /// What another system calls them.
    pub external_id: Option<String>,
    /// Which passwords may be chosen.
    pub password_rules: PasswordRules,
    /// How the address is confirmed.
    pub confirm_by: ConfirmBy,
    /// Whether it is told that the address is already someone's. Handles are always told: they are
    /// no secret.
    pub disclosure: Disclosure,
    /// Where the request came from. Without it no limit per address applies.
    pub addr: Option<IpAddr>,
}

impl NewAccount {
    /// An account with a handle.
    pub fn handle(handle: impl Into<String>, password: impl Into<Password>) -> Self {
        Self { handle: Some(handle.into()), ..Self::with_password(password.into()) }
    }

    /// An account with an e-mail address, to be confirmed.
    pub fn email(email: impl Into<String>, password: impl Into<Password>) -> Self {
        Self { email: Some(email.into()), ..Self::with_password(password.into()) }
    }

    /// Nothing but a password yet; give a handle or an address before it is registered.
    pub fn with_password(password: Password) -> Self {
        Self {
            id: None,
            handle: None,
            email: None,
            password,
            display_name: None,
            external_id: None,
            password_rules: PasswordRules::default(),
            confirm_by: ConfirmBy::default(),
            disclosure: Disclosure::default(),
            addr: None,
        }
    }

    /// With the name that others shall see.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// With the id that another system knows them by.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }
}

/// What registering led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The account is there.
    Ready {
        /// The account.
        account: Account,
        /// The address that a mail went to, if one is to be confirmed.
        confirm: Option<Email>,
    },
    /// A mail went out; the account comes to be when the address is confirmed.
    Pending {
        /// Where the mail went.
        email: Email,
    },
}

impl Registered {
    /// The account, if it is already there.
    pub fn account(self) -> Option<Account> {
        match self {
            Self::Ready { account, .. } => Some(account),
            Self::Pending { .. } => None,
        }
    }
}

/// A code that someone typed.
#[derive(Clone)]
pub struct CodeAttempt {
    /// The address that it was mailed to.
    pub email: String,
    /// The code.
    pub code: String,
    /// Whether it is told that the address is already confirmed.
    pub disclosure: Disclosure,
    /// Where the request came from. Without it no limit per address applies.
    pub addr: Option<IpAddr>,
}

impl std::fmt::Debug for CodeAttempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeAttempt").field("email", &self.email).finish_non_exhaustive()
    }
}

impl CodeAttempt {
    /// The code that was mailed to `email`.
    pub fn new(email: impl Into<String>, code: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            code: code.into(),
            disclosure: Disclosure::default(),
            addr: None,
        }
    }
}

/// What of a profile is to change; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// What others see.
    pub display_name: Option<DisplayName>,
    /// The picture; `Some(None)` takes it away.
    pub avatar: Option<Option<AttachmentId>>,
}
