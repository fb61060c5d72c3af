//! What a host may put before and after what happens in rooms.
//!
//! ```text
//! a call ─► before: the host's word, within a deadline ─► the rules, under the room's lock ─► durable
//!                                                                                             │
//!          after_commit: at least once, in order, from a cursor in the store ◄─ its own task ◄┘
//! ```
//!
//! Both are registered with the [builder](crate::chat::ChatBuilder). A [`Before`] may change what is
//! asked or refuse it; it runs before anything is locked, and holds up nobody but who asks. An
//! [`AfterCommit`] is told of what is durable, also after a crash; it holds up nobody at all.

mod after;
mod before;
mod judge;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use after::{AfterCommit, Committed, HookFault, NotBefore};
pub use before::{Asked, Asking, Before, BeforeOptions, OnFailure, Refusal};

pub(crate) use after::Runner;
pub(crate) use judge::Judge;
