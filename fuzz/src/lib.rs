//! The targets' bodies, which the ordinary tests replay: see there.

#[path = "../../tests/harness/fuzz/mod.rs"]
mod targets;

/// Runs the target of this name on an input.
///
/// # Panics
/// If it finds something.
pub fn run(target: &str, data: &[u8]) {
    targets::run(target, data);
}
