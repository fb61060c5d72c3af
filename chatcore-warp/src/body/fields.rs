//! What a body holds, by name.

use chatcore::Invalid;
use mime::Mime;
use serde_json::Value;

use super::{BodyError, BodyLimits, Spool, json};

/// The named values and files of a body.
///
/// Values keep the types that JSON gave them; those of forms are strings. A name occurs once among
/// the values; several files may share one.
#[derive(Debug, Default)]
pub struct Fields {
    values: Vec<(String, Value)>,
    files: Vec<File>,
}

/// A file of a multipart body.
#[derive(Debug)]
pub struct File {
    /// The field that it came in.
    pub field: String,
    /// What the sender calls it: to be cleaned before it is shown, and never a path.
    pub name: Option<String>,
    /// What the sender says that it is: a claim.
    pub content_type: Option<Mime>,
    /// Its bytes.
    pub content: Spool,
}

impl Fields {
    /// Whether there is a value or a file of this name, `null` included.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some() || self.files.iter().any(|file| file.field == name)
    }

    /// The value of this name, of whatever type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find_map(|(n, value)| (n == name).then_some(value))
    }

    /// The names of all values, in the order of the body.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_str())
    }

    /// The string of this name.
    ///
    /// # Errors
    /// If it is missing, `null`, or of another type: numbers and objects are not taken for strings.
    pub fn string(&self, name: &str) -> Result<&str, Invalid> {
        self.optional_string(name)?
            .ok_or_else(|| Invalid::new(name.to_owned(), format!("{name} is missing")))
    }

    /// The string of this name; none if it is missing or `null`.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn optional_string(&self, name: &str) -> Result<Option<&str>, Invalid> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(s)) => Ok(Some(s)),
            Some(_) => Err(Invalid::new(name.to_owned(), format!("{name} must be a string"))),
        }
    }

    /// All files, in the order of the body.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Takes the first file of this name out.
    pub fn take_file(&mut self, name: &str) -> Option<File> {
        let at = self.files.iter().position(|file| file.field == name)?;
        Some(self.files.remove(at))
    }

    /// Takes all files out.
    pub fn take_files(&mut self) -> Vec<File> {
        std::mem::take(&mut self.files)
    }

    pub(super) fn insert(
        &mut self,
        name: String,
        value: Value,
        limits: &BodyLimits,
    ) -> Result<(), BodyError> {
        if self.has(&name) {
            return Err(BodyError::Duplicate { field: name });
        }
        if self.values.len() >= limits.fields {
            return Err(BodyError::TooManyFields { limit: limits.fields });
        }
        self.values.push((name, value));
        Ok(())
    }

    pub(super) fn insert_file(&mut self, file: File, limits: &BodyLimits) -> Result<(), BodyError> {
        if self.get(&file.field).is_some() {
            return Err(BodyError::Duplicate { field: file.field });
        }
        if self.files.len() >= limits.files {
            return Err(BodyError::TooManyFiles { limit: limits.files });
        }
        self.files.push(file);
        Ok(())
    }
}

/// The members of a JSON object.
pub(super) fn of_json(bytes: &[u8], limits: &BodyLimits) -> Result<Fields, BodyError> {
    let Value::Object(members) = json::strict(bytes)? else {
        return Err(BodyError::Malformed("the body must be a JSON object"));
    };
    let mut fields = Fields::default();
    for (name, value) in members {
        fields.insert(name, value, limits)?;
    }
    Ok(fields)
}
