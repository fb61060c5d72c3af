//! A message on its way into the log.

use serde_json::Value;
use unicode_normalization::char::is_combining_mark;

use crate::error::{Error, Invalid};
use crate::id::{AttachmentId, ClientMsgId, InvalidId, MessageId, UserId, hash_parts};
use crate::limits::Limits;
use crate::room::Rejection;

/// Marks that one character may carry: enough for every living script, not for a tower of them.
const COMBINING_MARKS: usize = 16;

/// How deep `meta` may be nested. With what surrounds it in a page of history it stays within the 32
/// of a frame, and far within what every reader of JSON takes: one message that cannot be read would
/// close the whole page to everyone.
const META_DEPTH: usize = 24;

/// What to send.
///
/// ```
/// use chatcore::log::Draft;
/// let draft = Draft::text("hello").once("order-4711-confirmed")?;
/// # Ok::<(), chatcore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The text; may be empty if there are attachments.
    pub text: String,
    /// The sender's own name for it. Without one a fresh one is made, and a retry is a new message.
    pub client_msg_id: Option<ClientMsgId>,
    /// The message that it answers, in the same room.
    pub reply_to: Option<MessageId>,
    /// Files that the sender has uploaded before.
    pub attachments: Vec<AttachmentId>,
    /// Whom it calls, beside those that its text names by `@handle`. Only members of the room are, and
    /// the sender is not.
    pub mentions: Vec<UserId>,
    /// The host's own data.
    pub meta: Option<Value>,
}

impl Draft {
    /// A message of text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Names the message, so that sending it again has no second effect, for ever.
    ///
    /// # Errors
    /// If `id` is not a valid [`ClientMsgId`].
    pub fn once(mut self, id: &str) -> Result<Self, InvalidId> {
        self.client_msg_id = Some(ClientMsgId::parse(id)?);
        Ok(self)
    }

    /// Marks it as an answer to `message`.
    #[must_use]
    pub fn reply_to(mut self, message: MessageId) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// Adds uploaded files.
    #[must_use]
    pub fn attach(mut self, files: impl IntoIterator<Item = AttachmentId>) -> Self {
        self.attachments.extend(files);
        self
    }

    /// Calls people.
    #[must_use]
    pub fn mention(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.mentions.extend(users);
        self
    }

    /// Checks all that can be known without the room.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        if self.text.is_empty() && self.attachments.is_empty() {
            return Err(Invalid::new("text", "a message needs text or an attachment").into());
        }
        check_text("text", &self.text, limits)?;
        if self.attachments.len() > limits.attachments {
            let most = limits.attachments;
            return Err(
                Rejection::TooMany { what: "attachments of a message", most: most as u64 }.into()
            );
        }
        if self.mentions.len() > limits.mentions {
            let most = limits.mentions as u64;
            return Err(Rejection::TooMany { what: "mentions of a message", most }.into());
        }
        if self.meta.as_ref().is_some_and(|meta| is_deeper(meta, META_DEPTH)) {
            let problem = format!("meta must not be nested deeper than {META_DEPTH}");
            return Err(Invalid::new("meta", problem).into());
        }
        if let Some(meta) = &self.meta
            && meta.to_string().len() > limits.meta_bytes
        {
            let most = limits.meta_bytes;
            return Err(Rejection::TooLarge { what: "meta", most: most as u64 }.into());
        }
        Ok(())
    }

    /// What tells this message from another sent under the same `client_msg_id`.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let meta = self.meta.as_ref().map(ToString::to_string);
        let mut parts: Vec<&[u8]> = vec![
            b"send",
            self.text.as_bytes(),
            self.reply_to.as_ref().map_or("", MessageId::as_str).as_bytes(),
            meta.as_deref().unwrap_or("").as_bytes(),
        ];
        parts.extend(self.attachments.iter().map(|id| id.as_str().as_bytes()));
        if !self.mentions.is_empty() {
            // No id of a file is as short.
            parts.push(b"@");
            parts.extend(self.mentions.iter().map(|user| user.as_str().as_bytes()));
        }
        fingerprint(&parts)
    }
}

/// Whether more than `most` arrays and objects lie inside one another.
fn is_deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(items) => most == 0 || items.iter().any(|item| is_deeper(item, most - 1)),
        Value::Object(map) => most == 0 || map.values().any(|item| is_deeper(item, most - 1)),
        _ => false,
    }
}

/// A short hash of a request's content.
pub(crate) type Fingerprint = [u8; 16];

pub(crate) fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
    let hash = hash_parts(parts);
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

/// Checks a text that everyone in a room will be shown.
pub(crate) fn check_text(field: &'static str, text: &str, limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.text_bytes {
        return Err(Rejection::TooLarge { what: field, most: limits.text_bytes as u64 }.into());
    }
    if text.contains('\0') {
        return Err(Invalid::new(field, format!("{field} must not contain U+0000")).into());
    }
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > COMBINING_MARKS {
            return Err(Invalid::new(
                field,
                format!("{field} has more than {COMBINING_MARKS} combining marks on one character"),
            )
            .into());
        }
    }
    Ok(())
}

/// Checks a reaction: one short text without spaces, such as an emoji or `:name:`.
pub(crate) fn check_emoji(emoji: &str) -> Result<(), Invalid> {
    let sound = (1..=32).contains(&emoji.len())
        && !emoji.chars().any(|c| c.is_control() || c.is_whitespace());
    if sound {
        Ok(())
    } else {
        Err(Invalid::new("emoji", "emoji must be 1 to 32 bytes without spaces"))
    }
}
