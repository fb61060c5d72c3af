//! How schemas grow: a step after another, each known by its name.

use crate::store::StoreError;

/// A step from one version of the schema to the next.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Migration {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) sql: &'static str,
}

/// The files of a folder of `migrations/` as [`Migration`]s.
macro_rules! migrations {
    ($folder:literal, [$($name:literal),* $(,)?]) => {
        &[$($crate::store::sql::schema::Migration {
            name: $name,
            sql: include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        }),*]
    };
}
pub(in crate::store) use migrations;

/// Of `known`, those that are still to be taken after `done`.
///
/// # Errors
/// [`StoreError::Unusable`] if `done` are the steps of a newer build, or of another line of builds.
pub(in crate::store) fn to_do<'a>(
    known: &'a [Migration],
    done: &[String],
) -> Result<&'a [Migration], StoreError> {
    let differs = done.iter().zip(known).find(|(name, step)| *name != step.name);
    if let Some((name, _)) = differs {
        return Err(StoreError::Unusable(format!(
            "the database's schema has a step `{name}` that this build of chatcore does not know"
        )));
    }
    known.get(done.len()..).ok_or_else(|| {
        StoreError::Unusable(format!(
            "the database was written by a newer chatcore (its schema has {} steps, this build \
             knows {}); run that version, or restore a backup from before it",
            done.len(),
            known.len()
        ))
    })
}
