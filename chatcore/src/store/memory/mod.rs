//! A store in memory: for tests, for programs that keep nothing, and as the plainest statement of
//! what the traits ask.

/// Keeps everything in memory; what is acked is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {}
