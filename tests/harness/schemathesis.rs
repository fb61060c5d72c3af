//! schemathesis, which makes requests from an OpenAPI document and checks the answers against it.

use std::path::Path;
use std::process::{Command, Output};

use crate::{pip, services};

const WHEELS: &str = include_str!("schemathesis.txt");

/// Runs `schemathesis run` with these arguments in `folder`, which may hold its `schemathesis.toml`;
/// `None`, having said so, if it cannot be had.
///
/// # Panics
/// If it cannot be had and `CHATCORE_REQUIRE_SERVICES=1`, like all of [`services`].
pub fn run(folder: &Path, arguments: &[String]) -> Option<Output> {
    let wheels = pip::unpacked("schemathesis-4.32.5", WHEELS)?;
    let mut command = Command::new(services::python()?);
    command.env("PYTHONPATH", wheels).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1");
    command.args(["-m", "schemathesis.cli", "run"]).args(arguments).current_dir(folder);
    Some(command.output().expect("Python runs"))
}
