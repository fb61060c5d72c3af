//! axe-core, which looks for what keeps people from using a page. It is fetched for the tests, and
//! never part of what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use chatcore_servers::lacking;

use crate::services;

/// The wheel of PyPI that holds axe-core 4.12.1 whole; pip refuses one of other bytes.
const WHEEL: &str = "axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8\n";

/// The script, to be run in a page; `None`, having said so, if it cannot be had.
///
/// It is kept in the target directory, so that one download serves all later runs.
///
/// # Panics
/// If it cannot be had and `CHATCORE_REQUIRE_SERVICES=1`, like all of [`services`].
pub fn script() -> Option<String> {
    let python = services::python()?;
    let kept = kept();
    if !kept.is_file()
        && let Err(problem) = fetch(&python, &kept)
    {
        lacking(&format!("axe-core cannot be had ({problem})"));
        return None;
    }
    Some(std::fs::read_to_string(&kept).expect("it was written"))
}

/// `target/axe-core/4.12.1.js`
fn kept() -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    let target = this.ancestors().nth(3).expect("it lies below the target directory");
    target.join("axe-core").join("4.12.1.js")
}

fn fetch(python: &Path, to: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let wanted = folder.path().join("requirements.txt");
    std::fs::write(&wanted, WHEEL).map_err(|error| error.to_string())?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.arg("--require-hashes").arg("-r").arg(&wanted).arg("-d").arg(folder.path());
    run(&mut pip)?;
    let files = std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?;
    let mut files = files.flatten().map(|file| file.path());
    let wheel = files.find(|file| file.extension().is_some_and(|end| end == "whl"));
    let mut unpack = Command::new(python);
    unpack.args(["-m", "zipfile", "-e"]).arg(wheel.ok_or("no wheel came")?).arg(folder.path());
    run(&mut unpack)?;
    let script = folder.path().join("axe_playwright_python").join("axe.min.js");
    let parent = to.parent().expect("it lies in a folder");
    std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
    // Tests that run side by side must not read half of it.
    let half = parent.join(format!("{}.half", std::process::id()));
    std::fs::copy(script, &half).map_err(|error| error.to_string())?;
    std::fs::rename(&half, to).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| said.trim().to_owned())
}
