//! axe-core, which looks for what keeps people from using a page.

use crate::pip;

/// The wheel of PyPI that holds axe-core 4.12.1 whole.
const WHEEL: &str = "axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8\n";

/// The script, to be run in a page; `None`, having said so, if it cannot be had.
///
/// # Panics
/// If it cannot be had and `CHATCORE_REQUIRE_SERVICES=1`, like all of [`services`](crate::services).
pub fn script() -> Option<String> {
    let wheel = pip::unpacked("axe-core-4.12.1", WHEEL)?;
    let script = wheel.join("axe_playwright_python").join("axe.min.js");
    Some(std::fs::read_to_string(script).expect("the wheel holds it"))
}
