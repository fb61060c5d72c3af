//! Log entries, as the document shows them.

use std::borrow::Cow;
use std::collections::HashMap;

use chatcore::id::UserId;
use chatcore::log::{AttachmentRef, Body, Entry};
use chatcore::{Chat, Error};
use serde::Serialize;

use crate::dialect::{date, files, who};
use crate::router::Call;

/// A conversation object, or, with `act`, a stats log object.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    /// The message; empty for what is none.
    m: Cow<'a, str>,
    /// Who.
    u: &'a str,
    /// When.
    t: String,
    /// What they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'static str>,
}

/// What entries are shown with: who is called what, and where the files are.
pub(super) struct Scribe {
    chat: Chat,
    /// Where this server is mounted.
    mount: String,
    names: HashMap<UserId, String>,
}

/// Names that are kept at once: a room may have had any number of authors.
const NAMES: usize = 2_000;

impl Scribe {
    pub(super) fn new(chat: &Chat, call: &Call) -> Self {
        Self { chat: chat.clone(), mount: call.mounted(""), names: HashMap::new() }
    }

    /// Looks up the authors of `entries`, as far as they are not known yet.
    pub(super) async fn meet(&mut self, entries: &[Entry]) -> Result<(), Error> {
        if self.names.len() > NAMES {
            self.names.clear();
        }
        let authors = entries.iter().map(|entry| &entry.user);
        let mut strangers: Vec<UserId> =
            authors.filter(|user| !self.names.contains_key(*user)).cloned().collect();
        strangers.sort_unstable();
        strangers.dedup();
        for profile in self.chat.profiles(&strangers).await? {
            let name = who::userid(&profile).to_owned();
            self.names.insert(profile.user, name);
        }
        for nobody in strangers {
            let name = nobody.to_string();
            self.names.entry(nobody).or_insert(name);
        }
        Ok(())
    }

    /// A message that is not deleted, as a conversation object.
    pub(super) fn conversation<'a>(&'a self, entry: &'a Entry) -> Option<Shown<'a>> {
        let shown = self.event(entry).filter(|shown| shown.act == Some(MESSAGE))?;
        Some(Shown { act: None, ..shown })
    }

    /// A message that is not deleted, an entering or a leaving, as a stats log object.
    pub(super) fn event<'a>(&'a self, entry: &'a Entry) -> Option<Shown<'a>> {
        let (m, act) = match &entry.body {
            Body::Message { deleted_at: Some(_), .. } => return None,
            Body::Message { text, attachments, .. } => (self.text(text, attachments), MESSAGE),
            Body::Enter { .. } => ("".into(), "enter"),
            Body::Leave {} => ("".into(), "leave"),
            _ => return None,
        };
        let u = self.names.get(&entry.user).map_or(entry.user.as_str(), String::as_str);
        Some(Shown { m, u, t: date::rfc3339(entry.ts), act: Some(act) })
    }

    fn text<'a>(&self, text: &'a str, attachments: &[AttachmentRef]) -> Cow<'a, str> {
        if !text.is_empty() {
            return text.into();
        }
        let path = |file: &AttachmentRef| files::path(&self.mount, &file.id, &file.content_type);
        attachments.iter().map(path).collect::<Vec<_>>().join("\n").into()
    }
}

const MESSAGE: &str = "message";
