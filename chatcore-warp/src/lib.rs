//! In the making.

pub mod serve;
