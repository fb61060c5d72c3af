//! In the making.

pub mod body;
pub mod cookie;
pub mod headers;
pub mod metrics;
pub mod origin;
pub mod problem;
pub mod reply;
pub mod router;
pub mod serve;
#[cfg(test)]
mod testing;
mod ws;
