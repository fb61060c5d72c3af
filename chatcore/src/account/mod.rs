//! Who people are: registering, logging in, sessions, passwords, and the proof of e-mail addresses.
//!
//! ```text
//! register ──► account                     login ──► session ──► tokens ──► authenticate ──► Identity
//!     └─ mail ──► code or link ──► confirm            ├─ refresh: new tokens, the old ones are spent
//!                                                     ├─ ticket: resumes a connection, once
//!                                                     └─ revoke: dead at once, everywhere
//! ```
//!
//! [`Accounts`] is all of it. A host that has users of its own leaves it alone and brings an
//! [`Authenticator`] and a [`Directory`].
//!
//! What is kept is worth little to a thief: passwords as scrypt hashes; codes, links, tickets and
//! refresh tokens as keyed hashes, whose key, the [`Secret`], is not in the store.

mod authenticator;
mod error;
mod model;
mod names;
mod password;
mod rates;
mod secret_code;
mod service;
mod session;
mod session_cache;
mod token;
mod verification;

pub use authenticator::{Authenticator, Directory, Identity, Profile};
pub use error::AccountError;
pub use model::{
    Account, AccountRecord, CodeAttempt, ConfirmBy, Disclosure, NewAccount, ProfileChange,
    Registered,
};
pub use names::{DisplayName, Email, ExternalId, Handle, LoginName, NameKey, NameKind};
pub use password::{Password, PasswordHash, PasswordParams, PasswordRules, PasswordSettings};
pub use rates::RateLimits;
pub(crate) use rates::check_addr;
pub use secret_code::SecretHash;
pub use service::{
    AccountParts, AccountSettings, Accounts, Login, PasswordReset, RevocationListener,
};
pub use session::{NewSession, Session, SessionRecord, SignedIn, Ticket, Tokens};
pub use token::Secret;
pub use verification::{Pending, Purpose, Verification};
