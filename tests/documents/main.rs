//! Each document's contract, call by call and answer by answer, over real sockets; and what they
//! promise together: one set of accounts, rooms and logs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accountname;
mod alone;
mod cross;
mod email;
mod fixture;
mod images;
mod logs;
mod messages;
mod nickname;
mod rooms;
mod session;
mod shared_paths;
mod uploads;
