//! What becomes of a chat on a bad network: QUIC beside TCP, TLS 1.3 and WebSocket, on the same line.
//!
//! Each scenario has a line of its own and prints what it measured. `CHATCORE_LAB_LONG=1` runs them
//! longer, for figures; [`chatcore_tests::lab`] says what it takes.

#![cfg(target_os = "linux")]

mod asleep;
mod files;
mod flow;
mod line;
mod moving;
mod narrow;
mod resume;
mod site;
