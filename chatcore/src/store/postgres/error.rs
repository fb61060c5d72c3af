//! PostgreSQL's faults in the words of the store.

use sqlx::Error;

use crate::store::StoreError;
pub(super) use crate::store::sql::corrupt;

/// What `error` means to a caller of the store.
pub(super) fn failed(error: Error) -> StoreError {
    match &error {
        Error::Database(e) => match e.code().as_deref().unwrap_or_default() {
            // disk_full
            "53100" => StoreError::Full(error.into()),
            // invalid_sql_statement_name, duplicate_prepared_statement
            "26000" | "42P05" => StoreError::Unusable(
                "something between chatcore and PostgreSQL hands its connections around (a pooler \
                 in transaction mode): add `pgbouncer=true` to the URL"
                    .into(),
            ),
            code if is_passing(code) => StoreError::Unavailable(error.into()),
            // Above all data_corrupted and index_corrupted; but also a broken constraint or a
            // missing column, which only rows and tables made by something else can cause.
            _ => StoreError::Corrupt(error.into()),
        },
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => StoreError::Unavailable(error.into()),
        _ => StoreError::Corrupt(error.into()),
    }
}

/// Whether what has this code may not come again.
fn is_passing(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    match class {
        // connection_exception, transaction_rollback, insufficient_resources, operator_intervention (a
        // shutdown, a crash of another connection, a timeout), system_error
        "08" | "40" | "53" | "57" | "58" => true,
        // read_only_sql_transaction (a standby took over), idle_in_transaction_session_timeout,
        // in_failed_sql_transaction; lock_not_available
        _ => matches!(code, "25006" | "25P02" | "25P03" | "25P04" | "55P03"),
    }
}

/// Whether the database itself asks for another try: serialization_failure, deadlock_detected.
pub(super) fn asks_again(error: &Error) -> bool {
    has_code(error, &["40001", "40P01"])
}

/// Whether a row of that key is there already.
pub(super) fn is_taken(error: &Error) -> bool {
    has_code(error, &["23505"])
}

/// Whether it is one of these faults.
pub(super) fn has_code(error: &Error, codes: &[&str]) -> bool {
    matches!(error, Error::Database(e) if e.code().is_some_and(|code| codes.contains(&&*code)))
}

/// Whether the connection is of no more use.
pub(super) fn is_broken(error: &Error) -> bool {
    match error {
        // admin_shutdown, crash_shutdown, idle_session_timeout: it is closed after these.
        Error::Database(e) => {
            e.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("25P0"))
        }
        Error::RowNotFound | Error::ColumnDecode { .. } | Error::ColumnNotFound(_) => false,
        _ => true,
    }
}

/// A wait that took too long.
pub(super) fn too_slow() -> StoreError {
    StoreError::Unavailable("PostgreSQL did not answer in time".into())
}
