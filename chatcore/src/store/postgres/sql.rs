//! Statements as they are sent.

use std::error::Error as StdError;
use std::sync::Arc;

use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Postgres, SqlSafeStr as _, SqlStr, Type};

use super::error::corrupt;
use crate::store::StoreError;

/// Puts the schema where a statement says `$.`, so that nothing rests on a connection's search path.
pub(super) fn of_schema(text: &str, schema: &str) -> SqlStr {
    // Only constants make up the text, and the name of a schema is made of letters, digits and `_`.
    AssertSqlSafe(text.replace("$.", &format!("{schema}."))).into_sql_str()
}

/// Arguments as they gather; the first one that cannot be encoded is reported by
/// [`done`](Self::done).
#[derive(Clone, Default)]
pub(super) struct Args {
    arguments: PgArguments,
    number: usize,
    fault: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Args {
    pub(super) fn bind<'q, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.fault.get_or_insert(error.into());
        }
        self.number += 1;
        self
    }

    /// How many there are.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn done(&mut self) -> Result<PgArguments, StoreError> {
        match self.fault.take() {
            Some(fault) => Err(corrupt(fault)),
            None => Ok(std::mem::take(&mut self.arguments)),
        }
    }
}

/// A statement put together from constants, in a fixed order, so that the usual ones come again and again
/// and stay prepared; what varies is in the arguments. Each `?` takes the next argument.
#[derive(Default)]
pub(super) struct Script {
    text: String,
    marks: usize,
    pub(super) args: Args,
}

impl Script {
    /// Adds text. Whoever does binds as many arguments as it has marks.
    pub(super) fn text(&mut self, text: &str) -> &mut Args {
        for (index, piece) in text.split('?').enumerate() {
            if index > 0 {
                self.marks += 1;
                self.text.push_str(&format!("${}", self.marks));
            }
            self.text.push_str(piece);
        }
        &mut self.args
    }

    /// The statement and its arguments.
    pub(super) fn done(mut self, schema: &str) -> Result<(SqlStr, PgArguments), StoreError> {
        debug_assert_eq!(self.marks, self.args.number(), "{}", self.text);
        Ok((of_schema(&self.text, schema), self.args.done()?))
    }
}

/// Whether a text holds a zero, which PostgreSQL keeps in no text: what is looked for by such a name is
/// not there.
pub(super) fn holds_nul(text: &str) -> bool {
    text.contains('\0')
}
