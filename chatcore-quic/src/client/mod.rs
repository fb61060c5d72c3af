//! client
mod core;
mod error;
mod state;
