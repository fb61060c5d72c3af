//! Programs that a test needs and a machine may lack.

use std::path::PathBuf;

use chatcore_servers::require;

/// Chromium, under any of its names; `None`, having said that the test is skipped, if it is missing.
///
/// # Panics
/// As [`require`].
pub fn chromium() -> Option<PathBuf> {
    require(&["chromium", "chromium-browser", "google-chrome"], &[])
}

/// The driver that goes with it.
///
/// # Panics
/// As [`require`].
pub fn chromedriver() -> Option<PathBuf> {
    require(&["chromedriver"], &[])
}

/// The program that keeps terminals.
///
/// # Panics
/// As [`require`].
pub fn tmux() -> Option<PathBuf> {
    require(&["tmux"], &[])
}

/// An interpreter of Python, and with it pip.
///
/// # Panics
/// As [`require`].
pub fn python() -> Option<PathBuf> {
    require(&["python3"], &[])
}
