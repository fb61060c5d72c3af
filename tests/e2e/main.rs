//! Scenarios over a running server.

mod harness;
