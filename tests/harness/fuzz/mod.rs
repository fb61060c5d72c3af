//! What the fuzz targets do with an input: each is a function that panics when a promise is broken.
//!
//! They live here, and not beside libFuzzer, so that ordinary tests can replay what was found; the
//! fuzz crate includes this very file. They know nothing of the rest of the harness.

mod body;
mod cursor;
mod early;
mod frame;
mod operations;

/// What a target does with an input.
type Target = fn(&[u8]);

/// The targets, by the names that cargo-fuzz and the folders of seeds use.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("frame_json", frame::json),
    ("frame_msgpack", frame::msgpack),
    ("body_fields", body::fields),
    ("multipart", body::multipart),
    ("cursor", cursor::run),
    ("operations", operations::run),
    ("early", early::run),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or if it finds something.
pub(crate) fn run(target: &str, data: &[u8]) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a known target");
    run(data);
}

/// Drives a future that waits for nothing outside of itself.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing").block_on(future)
}
