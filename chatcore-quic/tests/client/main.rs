//! The client against real chats: over memory with cuts, and over QUIC.

mod conversation;
mod cuts;
mod memory;
mod quic;
