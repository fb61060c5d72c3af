//! Programs that a test needs and a machine may lack.

use std::path::PathBuf;

/// The program of one of these names, in one of `folders` or on the path, or `None`, having said that
/// the test is skipped.
///
/// # Panics
/// If it is missing and `CHATCORE_REQUIRE_SERVICES=1`: where everything was installed, nothing may be
/// skipped in silence.
pub fn require(names: &[&str], folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = folders
        .iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .flat_map(|dir| names.iter().map(move |name| dir.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        lacking(&format!("{} is not installed", names.join(" or ")));
    }
    found
}

/// Says that the test is skipped, and why.
///
/// # Panics
/// If `CHATCORE_REQUIRE_SERVICES=1`.
pub fn lacking(what: &str) {
    let required = std::env::var_os("CHATCORE_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "{what}, and CHATCORE_REQUIRE_SERVICES=1");
    eprintln!("skipped: {what}");
}
