//! The form in which one says who one is.

use crate::editor::Editor;

#[derive(Debug, Default)]
pub(crate) struct Login {
    pub(crate) name: Editor,
    pub(crate) password: Password,
    pub(crate) field: Field,
    /// Make an account rather than use one.
    pub(crate) register: bool,
    /// The server is being asked.
    pub(crate) asking: bool,
    pub(crate) problem: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Field {
    #[default]
    Name,
    Password,
}

/// A field whose text is nobody else's business.
#[derive(Clone, Default)]
pub(crate) struct Password(pub(crate) Editor);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Login {
    pub(crate) fn of(name: &str) -> Self {
        let field = if name.is_empty() { Field::Name } else { Field::Password };
        Self { name: Editor::with(name), field, ..Self::default() }
    }

    pub(crate) fn editor(&mut self) -> &mut Editor {
        match self.field {
            Field::Name => &mut self.name,
            Field::Password => &mut self.password.0,
        }
    }
}
