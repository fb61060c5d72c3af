//! Reading the fields of a body, as the dialects share it.

use std::fmt;

use chatcore::Invalid;
use chatcore::account::{AccountError, Password};

use crate::body::Fields;

/// What is wrong with the fields of a body: all of it, in the order in which it was found.
///
/// One problem for each field at most: the first that was found.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Invalid>);

impl Faults {
    /// Notes that `field` is not as it should be.
    pub(super) fn add(&mut self, invalid: Invalid) {
        if !self.0.iter().any(|known| known.field == invalid.field) {
            self.0.push(invalid);
        }
    }

    /// Reads a string that has to be there and must not be empty; an empty one stands in for it when
    /// it is not, and the fault is noted.
    pub(super) fn required<'a>(&mut self, fields: &'a Fields, name: &'static str) -> &'a str {
        match fields.string(name) {
            Ok("") => self.add(Invalid::new(name, format!("{name} is missing"))),
            Ok(text) => return text,
            Err(invalid) => self.add(invalid),
        }
        ""
    }

    /// Notes each field that is none of `known`: an account is not given a role or an id by whoever
    /// makes it.
    pub(super) fn refuse_others(&mut self, fields: &Fields, known: &[&str]) {
        let names = fields.names().chain(fields.files().iter().map(|file| file.field.as_str()));
        for name in names.filter(|name| !known.contains(name)) {
            let shown: String = name.chars().take(64).collect();
            let problem = format!("{shown} is not a field of this request");
            self.add(Invalid::new(shown, problem));
        }
    }

    /// `Ok` if nothing was found.
    pub(super) fn none(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Invalid> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, invalid) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "; " })?;
            // Some problems are whole sentences, others begin after the field.
            if !invalid.problem.starts_with(&*invalid.field) {
                write!(f, "{} ", invalid.field)?;
            }
            f.write_str(&invalid.problem)?;
        }
        Ok(())
    }
}

/// The faults that the engine finds in names and passwords, under the names that `rename` gives its
/// fields; the error again, if it is another.
pub(super) fn faults_of(
    error: AccountError,
    rename: fn(&str) -> &'static str,
) -> Result<Faults, AccountError> {
    let AccountError::Invalid(problems) = error else { return Err(error) };
    let mut faults = Faults::default();
    for Invalid { field, problem } in problems {
        faults.add(Invalid::new(rename(&field), problem));
    }
    Ok(faults)
}

/// A password in a field: never empty.
pub(super) fn password(faults: &mut Faults, fields: &Fields, name: &'static str) -> Password {
    faults.required(fields, name).into()
}
