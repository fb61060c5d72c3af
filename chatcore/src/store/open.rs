//! Stores by URL.

use std::sync::Arc;

use super::memory::MemoryStore;
use super::{Store, StoreError};

/// Opens the store that `url` names.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | memory; gone with the process | |
/// | `sqlite:PATH` | one SQLite file | `sqlite` |
/// | `postgres://…` | a schema of a PostgreSQL database | `postgres` |
///
/// # Errors
/// [`StoreError::Unusable`] with a sentence that says how to mend it, for a URL that is not of this
/// list or that this build cannot serve; and as the store's own opening.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("memory") if url == "memory:" => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        Some("sqlite") => Ok(Arc::new(super::sqlite::SqliteStore::open(url).await?)),
        #[cfg(not(feature = "sqlite"))]
        Some("sqlite") => Err(StoreError::Unusable(
            "this build has no SQLite: add the feature `sqlite` of chatcore, or use `memory:`"
                .into(),
        )),
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => {
            Ok(Arc::new(super::postgres::PostgresStore::open(url).await?))
        }
        #[cfg(not(feature = "postgres"))]
        Some("postgres" | "postgresql") => Err(StoreError::Unusable(
            "this build has no PostgreSQL: add the feature `postgres` of chatcore, or use \
             `sqlite:PATH`"
                .into(),
        )),
        _ => Err(StoreError::Unusable(format!(
            "there is no store for the URL `{}`: use `sqlite:PATH`, `postgres://…` or `memory:`",
            without_password(url)
        ))),
    }
}

/// The URL as it may be shown: what stands before an `@` may hold a password.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_not_served_is_refused_without_showing_its_password() {
        let error = open("mysql://root:hunter2@db/chat").await.map(|_| ()).expect_err("refused");
        let said = error.to_string();
        assert!(said.contains("mysql://…@db/chat") && said.contains("sqlite:PATH"), "{said}");
        assert!(!said.contains("hunter2"));
    }

    #[cfg(not(feature = "postgres"))]
    #[tokio::test]
    async fn a_build_without_postgresql_says_which_feature_to_add() {
        let url = "postgres://root:hunter2@db/chat";
        let said = open(url).await.map(|_| ()).expect_err("refused").to_string();
        assert!(said.contains("feature `postgres`") && !said.contains("hunter2"), "{said}");
    }
}
