//! WebSockets by scenario: over a pipe, and over a server.

mod server;
mod socket;
