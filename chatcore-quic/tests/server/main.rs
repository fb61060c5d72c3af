//! The server over real sockets, against a client without mercy.

mod attacks;
mod conversation;
mod rooms;
mod support;
