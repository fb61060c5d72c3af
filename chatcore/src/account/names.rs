//! What people are called: parsed once, compared by what the eye and the post office take for equal.

use std::fmt;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

use crate::error::Invalid;
use crate::room::reorders;

/// Which of the names of an account: what a conflict or a lookup is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// The handle.
    Handle,
    /// The e-mail address.
    Email,
    /// The id that another system gave.
    ExternalId,
}

impl NameKind {
    /// The field's name in requests and errors, and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::Email => "email",
            Self::ExternalId => "external_id",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that one account at most may hold, in the form that is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    /// What kind of name it is. Names of different kinds never clash.
    pub kind: NameKind,
    /// The compared form: for handles the skeleton, for addresses the lower-cased text.
    pub key: String,
}

impl NameKey {
    /// What is kept of the name of an account that was erased, so that nobody is called by it again: a
    /// hash, from which only those who guess the name can tell that it was.
    #[must_use]
    pub fn retired(&self) -> Self {
        let hash = Sha256::digest(self.key.as_bytes());
        let hex = hash.iter().fold(String::from("#"), |hex, byte| format!("{hex}{byte:02x}"));
        Self { kind: self.kind, key: hex }
    }
}

/// Characters that show nothing: zero-width ones, bidirectional controls, fillers
/// (`Default_Ignorable_Code_Point`). A skeleton is what is left without them.
fn is_hidden(c: char) -> bool {
    skeleton(c.encode_utf8(&mut [0; 4])).next().is_none()
}

/// Compatibility forms and case removed. Upper case first, so that `ß` and `SS`, `ς` and `σ` meet.
fn fold(s: &str) -> String {
    s.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// The name that a person chose for themself and is mentioned by.
///
/// Kept and shown as it was typed, except for characters that show nothing, which are dropped. Two
/// handles are the same if they differ in case or in compatibility forms (fullwidth letters), and
/// clash if they look alike (Unicode TR 39): `admin`, `Admin`, `ａdmin` and `аdmin` with a Cyrillic
/// letter are one name to register, but only the first three are one name to log in by.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Handle(String);

impl Handle {
    /// The most characters a handle may have.
    pub const MAX_CHARS: usize = 64;

    /// Parses what someone typed.
    ///
    /// # Errors
    /// Unless 1 to 64 characters are left after the hidden ones are dropped, all of them letters,
    /// marks, digits or one of `. _ - +`, the first a letter, a digit or `_`.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let invalid = |problem: &'static str| Err(Invalid::new("handle", problem));
        // Before any work is done on it; 4 bytes is the longest a character can be.
        if typed.len() > Self::MAX_CHARS * 4 * 2 {
            return invalid("must be 1 to 64 characters");
        }
        let visible: String = typed.chars().filter(|c| !is_hidden(*c)).collect();
        let shown: String = visible.trim().nfc().collect();
        if !(1..=Self::MAX_CHARS).contains(&shown.chars().count()) {
            return invalid("must be 1 to 64 characters");
        }
        let fits = |c: char| c.is_alphanumeric() || is_combining_mark(c) || "._-+".contains(c);
        if !shown.chars().all(fits) {
            return invalid("may hold letters, digits and . _ - + only");
        }
        if !shown.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return invalid("must start with a letter, a digit or _");
        }
        Ok(Self(shown))
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same name to log in by: equal but for case and compatibility forms.
    pub fn same_as(&self, other: &Self) -> bool {
        fold(&self.0) == fold(&other.0)
    }

    /// The form by which an account is looked up.
    pub fn key(&self) -> NameKey {
        NameKey { kind: NameKind::Handle, key: skeleton(&fold(&self.0)).collect() }
    }

    /// Every form that no other account may hold.
    ///
    /// Beside the lookup key that is what the capitals look like: `paypaI` folds to `paypai`, but
    /// reads as `paypal`.
    pub fn keys(&self) -> Vec<NameKey> {
        let as_seen: String = skeleton(&self.0.nfkc().collect::<String>()).collect();
        let looks =
            NameKey { kind: NameKind::Handle, key: skeleton(&fold(&as_seen)).collect::<String>() };
        let mut keys = vec![self.key()];
        if !keys.contains(&looks) {
            keys.push(looks);
        }
        keys
    }
}

/// An e-mail address, checked for form: whether it receives anything, only a mail can tell.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Email(String);

impl Email {
    /// Parses what someone typed, by the rules of HTML's e-mail field.
    ///
    /// # Errors
    /// Unless it is `local@domain` in ASCII, at most 64 and 254 bytes, without quoting, blanks or
    /// comments. Addresses in other scripts are refused: their twins cannot be told apart.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let invalid = || Err(Invalid::new("email", "must be an e-mail address"));
        let typed = typed.trim();
        if typed.len() > 254 {
            return invalid();
        }
        let Some((local, domain)) = typed.rsplit_once('@') else { return invalid() };
        let local_fits = (1..=64).contains(&local.len())
            && local
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !local_fits || !domain.split('.').all(label_fits) {
            return invalid();
        }
        Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase())))
    }

    /// As it was typed, the domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The compared form: lower case throughout, as every large mail service has it.
    pub fn key(&self) -> NameKey {
        NameKey { kind: NameKind::Email, key: self.0.to_ascii_lowercase() }
    }
}

/// The id that another system knows the person by, unique among accounts.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ExternalId(String);

impl ExternalId {
    /// Parses an id; its bytes are compared as they are.
    ///
    /// # Errors
    /// Unless it is 1 to 128 bytes without control characters.
    pub fn parse(given: &str) -> Result<Self, Invalid> {
        if (1..=128).contains(&given.len()) && !given.chars().any(char::is_control) {
            Ok(Self(given.into()))
        } else {
            Err(Invalid::new("external_id", "must be 1 to 128 bytes without control characters"))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The compared form.
    pub fn key(&self) -> NameKey {
        NameKey { kind: NameKind::ExternalId, key: self.0.clone() }
    }
}

/// The name that others see. Not unique.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses what someone typed; blanks around it are dropped.
    ///
    /// # Errors
    /// Unless it is 1 to 64 characters, none of them a control character and at least one to be
    /// seen.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let invalid = |problem: &'static str| Err(Invalid::new("display_name", problem));
        let name = typed.trim();
        if name.len() > 64 * 4 || !(1..=64).contains(&name.chars().count()) {
            return invalid("must be 1 to 64 characters");
        }
        if name.chars().any(|c| c.is_control() || reorders(c)) {
            return invalid("must not hold control characters, nor such that reorder text");
        }
        if name.chars().all(|c| is_hidden(c) || c.is_whitespace()) {
            return invalid("must hold something that can be seen");
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($($name:ident),*) => {$(
        impl $name {
            /// Takes what a store kept, as it is: the rules may have changed since it was parsed.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;
            fn from_str(s: &str) -> Result<Self, Invalid> {
                Self::parse(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(s: String) -> Result<Self, Invalid> {
                Self::parse(&s)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}
text_traits!(Handle, Email, ExternalId, DisplayName);

/// What someone calls themself when they log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginName {
    /// A handle.
    Handle(String),
    /// An e-mail address.
    Email(String),
    /// The id of another system.
    ExternalId(String),
    /// Whichever it is: an e-mail address if it holds an `@`, which no handle does.
    Any(String),
}

/// A [`LoginName`] that could belong to someone.
#[derive(Clone, Debug)]
pub(crate) enum ParsedName {
    Handle(Handle),
    Email(Email),
    ExternalId(ExternalId),
}

impl LoginName {
    /// `None` if nobody can have that name.
    pub(crate) fn parse(&self) -> Option<ParsedName> {
        match self {
            Self::Handle(s) => Handle::parse(s).ok().map(ParsedName::Handle),
            Self::Email(s) => Email::parse(s).ok().map(ParsedName::Email),
            Self::ExternalId(s) => ExternalId::parse(s).ok().map(ParsedName::ExternalId),
            Self::Any(s) if s.contains('@') => Self::Email(s.clone()).parse(),
            Self::Any(s) => Self::Handle(s.clone()).parse(),
        }
    }
}

impl ParsedName {
    pub(crate) fn key(&self) -> NameKey {
        match self {
            Self::Handle(handle) => handle.key(),
            Self::Email(email) => email.key(),
            Self::ExternalId(id) => id.key(),
        }
    }
}

#[cfg(test)]
mod tests;
