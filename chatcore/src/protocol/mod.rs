//! The native protocol, `chatcore/1`.
