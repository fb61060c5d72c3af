//! What the stores in SQL databases have in common.

pub(super) mod cache;
pub(super) mod fields;
pub(super) mod filing;
pub(super) mod host;
pub(super) mod inbox;
pub(super) mod rows;
pub(super) mod runs;
pub(super) mod schema;
pub(super) mod steps;
pub(super) mod views;

use super::StoreError;

/// A row that does not hold what it should.
pub(super) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt(error.into())
}
