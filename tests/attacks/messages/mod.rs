//! Messages: sent once, in one order, changed by whom they belong to.

mod content;
mod mentions;
mod once;
mod others;

pub(crate) use content::HOSTILE;
