//! What is known of a file.

use std::fmt;

use crate::clock::Timestamp;
use crate::id::{AttachmentId, RoomId, Seq, UserId};
use crate::log::{AttachmentRef, Thumbnail};

use super::{name, sniff};

/// A file that was uploaded whole.
///
/// It begins as [`Usage::Waiting`], visible to its owner alone; a message, a profile or a shared link
/// then takes it up. What nothing takes up in time, and what its message loses, is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name for downloads: random, so that it cannot be guessed.
    pub id: AttachmentId,
    /// Who uploaded it.
    pub owner: UserId,
    /// What its owner calls it; sound for display and as a file name (see [`name::display_name`]).
    pub name: String,
    /// Its media type without parameters, found from its content.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Width in pixels as the header says, for images.
    pub width: Option<u32>,
    /// Height in pixels as the header says, for images.
    pub height: Option<u32>,
    /// Its thumbnail, if one was made.
    pub thumbnail: Option<Thumbnail>,
    /// When the upload began.
    pub created_at: Timestamp,
    /// The hash of its content.
    pub hash: ContentHash,
    /// What it is used for, and so who may read it.
    pub usage: Usage,
}

/// What a file is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Usage {
    /// Nothing yet. Its owner may read it, and use it once.
    Waiting,
    /// It belongs to a message: whoever may read the room may read it.
    Message {
        /// The message's room.
        room: RoomId,
        /// The message's place in the room's log.
        seq: Seq,
    },
    /// It is its owner's picture: everyone signed in may read it.
    Avatar,
    /// Its link was handed out: everyone signed in may read it.
    Shared,
}

/// The SHA-256 of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    /// In lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// Whether a browser may show a file or must save it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It may be shown in place: the type cannot run anything.
    Inline,
    /// It must be saved.
    Attachment,
}

impl Attachment {
    /// The file as readers of its message see it.
    pub fn to_ref(&self) -> AttachmentRef {
        AttachmentRef {
            id: self.id.clone(),
            name: self.name.clone(),
            content_type: self.content_type.clone(),
            size: self.size,
            width: self.width,
            height: self.height,
            thumbnail: self.thumbnail.clone(),
        }
    }

    /// Whether a browser may show it.
    pub fn disposition(&self) -> Disposition {
        sniff::disposition(&self.content_type)
    }

    /// The value of a `Content-Disposition` header (RFC 6266).
    pub fn content_disposition(&self) -> String {
        name::content_disposition(self.disposition(), &self.name)
    }

    /// The value of a `Content-Type` header: the type, with the character set for text.
    pub fn content_type_header(&self) -> String {
        if self.content_type.starts_with("text/") {
            format!("{}; charset=utf-8", self.content_type)
        } else {
            self.content_type.clone()
        }
    }

    /// The value of an `ETag` header (RFC 9110, section 8.8.3): the content never changes.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.hash)
    }

    /// The same for its thumbnail.
    pub fn thumbnail_etag(&self) -> String {
        format!("\"{}-thumbnail\"", self.hash)
    }

    /// A file name made of nothing that a user chose: the id, and the type's usual extension.
    pub fn file_name(&self) -> String {
        match sniff::extension(&self.content_type) {
            Some(extension) => format!("{}.{extension}", self.id),
            None => self.id.to_string(),
        }
    }

    /// The id in a name made by [`file_name`](Self::file_name); none if it cannot be one.
    pub fn id_of(file_name: &str) -> Option<AttachmentId> {
        let id = file_name.split_once('.').map_or(file_name, |(id, _)| id);
        AttachmentId::parse(id).ok()
    }
}
