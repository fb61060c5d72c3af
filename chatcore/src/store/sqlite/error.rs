//! SQLite's faults in the words of the store.

use sqlx::Error;

use crate::store::StoreError;
pub(in crate::store) use crate::store::sql::corrupt;

/// What `error` means to a caller of the store.
pub(in crate::store) fn failed(error: Error) -> StoreError {
    match &error {
        Error::Database(e) => match primary_code(e.as_ref()) {
            // SQLITE_FULL
            Some(13) => StoreError::Full(error.into()),
            // SQLITE_PERM, _BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _CANTOPEN, _PROTOCOL
            Some(3 | 5..=10 | 14 | 15) => StoreError::Unavailable(error.into()),
            // Above all SQLITE_CORRUPT and _NOTADB; but also a broken constraint or a missing
            // column, which only rows and tables made by something else can cause.
            _ => StoreError::Corrupt(error.into()),
        },
        Error::Io(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => StoreError::Unavailable(error.into()),
        _ => StoreError::Corrupt(error.into()),
    }
}

/// SQLite's primary result code: the low byte of the extended one.
pub(super) fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}
