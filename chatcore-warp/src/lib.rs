//! In the making.

mod app;
pub mod auth;
pub mod body;
mod config;
pub mod cookie;
pub mod dialect;
mod exclusive;
mod files;
pub mod headers;
pub mod metrics;
pub mod origin;
pub mod page;
pub mod problem;
pub mod reply;
mod rest;
pub mod router;
mod routes;
pub mod serve;
#[cfg(test)]
mod testing;
mod ws;

pub use config::Config;
pub use routes::routes;
