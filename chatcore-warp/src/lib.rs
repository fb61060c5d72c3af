//! In the making.

pub mod body;
pub mod serve;
