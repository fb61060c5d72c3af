//! `GET /v1/logs/:roomid`: the whole conversation of a room, whatever its length.

use bytes::Bytes;
use chatcore::chat::Caller;
use chatcore::id::{RoomId, Seq};
use chatcore::{Chat, Error};
use futures_util::stream;
use http::StatusCode;
use serde_json::json;

use super::caller;
use super::entries::Scribe;
use crate::dialect::answer;
use crate::reply::{self, Response};
use crate::router::Call;

/// Entries read at once. With the longest of messages a page takes a few megabytes; a longer one would
/// save little time.
const PAGE: u32 = 64;

/// `GET /v1/logs/:roomid`: all messages that were there when it was asked for, oldest first.
pub(in crate::dialect) async fn logs(chat: Chat, call: Call) -> Response {
    let identity = match caller(&chat, &call).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    let reader = chat.as_user(&identity.user);
    match read(reader, &call).await {
        Ok(response) => response,
        Err(error) => {
            let none = reply::json(StatusCode::BAD_REQUEST, &json!({ "logs": [] }));
            answer::instead(none, error)
        }
    }
}

async fn read(reader: Caller, call: &Call) -> Result<Response, Error> {
    let room = RoomId::parse(call.segment("roomid"))?;
    let summary = reader.room(&room).await?;
    reader.may_read(&room).await?;
    let scribe = Scribe::new(reader.chat(), call);
    let (after, head) = (summary.floor_seq, summary.head_seq);
    let reading = Reading { reader, room, scribe, after, head, place: Place::Start };
    answer::json_in_pieces(stream::try_unfold(reading, Reading::piece)).await
}

/// A conversation on its way out: one page of it is in memory, the rest is a place in the log.
struct Reading {
    reader: Caller,
    room: RoomId,
    scribe: Scribe,
    after: Seq,
    /// The end of the log when it was asked for: what comes later may come faster than it is read.
    head: Seq,
    place: Place,
}

/// Where in the JSON it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    First,
    Next,
    End,
}

impl Reading {
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        let mut text = Vec::new();
        if self.place == Place::End {
            return Ok(None);
        }
        if self.place == Place::Start {
            text.extend_from_slice(b"{\"logs\":[");
            self.place = Place::First;
        }
        // A page may be without messages; a piece is not without text.
        while self.after < self.head {
            self.page(&mut text).await?;
            if self.place == Place::Next && !text.is_empty() {
                return Ok(Some((text.into(), self)));
            }
        }
        text.extend_from_slice(b"]}");
        self.place = Place::End;
        Ok(Some((text.into(), self)))
    }

    async fn page(&mut self, text: &mut Vec<u8>) -> Result<(), Error> {
        let mut entries = self.reader.log(&self.room, self.after, PAGE).await?;
        // An empty page before the head: what was there was removed meanwhile.
        self.after = entries.last().map_or(self.head, |last| last.seq);
        entries.retain(|entry| entry.seq <= self.head);
        self.scribe.meet(&entries).await?;
        for shown in entries.iter().filter_map(|entry| self.scribe.conversation(entry)) {
            if self.place == Place::Next {
                text.push(b',');
            }
            serde_json::to_writer(&mut *text, &shown).map_err(|_| Error::Internal)?;
            self.place = Place::Next;
        }
        Ok(())
    }
}
