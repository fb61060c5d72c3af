//! Tools that come as Python's wheels, fetched for the tests and never part of what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use chatcore_servers::lacking;

use crate::services;

/// Where the wheels of `requirements` are unpacked, `target/<name>`; `None`, having said so, if they
/// cannot be had. `name` holds the version: one download serves all later runs.
///
/// # Panics
/// If they cannot be had and `CHATCORE_REQUIRE_SERVICES=1`, like all of [`services`].
pub(crate) fn unpacked(name: &str, requirements: &str) -> Option<PathBuf> {
    let python = services::python()?;
    let kept = target().join(name);
    if !kept.is_dir()
        && let Err(problem) = fetch(&python, requirements, &kept)
    {
        lacking(&format!("{name} cannot be had ({problem})"));
        return None;
    }
    Some(kept)
}

fn target() -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    this.ancestors().nth(3).expect("it lies below the target directory").to_owned()
}

fn fetch(python: &Path, requirements: &str, to: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    // Beside its place, so that it comes there whole: tests that run side by side must not see half.
    let parent = to.parent().ok_or("there is no place to keep it")?;
    std::fs::create_dir_all(parent).map_err(said)?;
    let folder = tempfile::tempdir_in(parent).map_err(said)?;
    let wanted = folder.path().join("requirements.txt");
    let half = folder.path().join("half");
    std::fs::write(&wanted, requirements).map_err(said)?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.arg("--require-hashes").arg("-r").arg(&wanted).arg("--target").arg(&half);
    let output = pip.output().map_err(said)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    match std::fs::rename(&half, to) {
        Err(_) if to.is_dir() => Ok(()),
        renamed => renamed.map_err(said),
    }
}
