//! The native protocol, `chatcore/1`: one, over WebSocket and QUIC alike, and mirrored by REST.
//!
//! This page is for whoever writes a client. The types are in [`frame`]; what carries them is in
//! [`Wire`]; how a connection behaves over time is in [`session`], a machine without I/O that every
//! transport pumps.
//!
//! # Promises
//!
//! - **G1 Durable.** The `result` of a `send` is written after the message is on disk.
//! - **G2 Once.** A `client_msg_id` takes effect once per room and user, for ever: the same again,
//!   over whatever transport and after whatever restart, gets the first result with `duplicate:
//!   true`; another content under the same id is a `conflict`. It outlives the message's deletion.
//! - **G3 One order.** Each room has one order, `seq` = 1, 2, 3 …, the same for all.
//! - **G4 No gaps.** Events come in order, each at least once: who drops `seq` ≤ the last one it has
//!   sees each exactly once.
//! - **G5 Resume.** From any cursor, after any restart; or `recovered: false`. Never silence.
//! - **G6 Own writes.** What was acked is in the next read.
//! - **G7 Out means out.** Once a kick, ban, logout or revocation has returned, nothing new leaves
//!   for those whom it put out.
//!
//! Not promised: an order between rooms; that signals arrive; that a disk survives.
//!
//! # Frames
//!
//! A frame is one map, and `op` says which. Over WebSocket it is one text message of JSON
//! (subprotocol `chatcore.v1.json`) or one binary message of MessagePack with field names
//! (`chatcore.v1.msgpack`); over QUIC (ALPN `chatcore/1`) it is MessagePack after its length, a
//! big-endian `u32`. `seq`, `n` and `id` are at most 2^53 − 1, times are milliseconds since 1970.
//! The server refuses fields that it does not know; a client passes over ops, kinds and fields that
//! it does not know. A frame is at most `limits.frame_bytes` long and [32](codec::MAX_DEPTH) deep.
//!
//! A request carries an `id` of the client's choice, and gets exactly one `result` or one `error`
//! under it; answers may overtake each other. The server does not compare ids: two requests under
//! one id get two answers that only the client could have told apart.
//!
//! | from the client | |
//! |---|---|
//! | `hello` `{versions, token \| ticket, device, caps?, window?, rooms?}` | first, within 10 s, once; without a credential, the cookie of the upgrade serves |
//! | `auth` `{id, token}` | goes on under a newer token of the same session |
//! | `rooms` `{id, after?, limit?}` | the rooms that the caller is in, page by page: `{rooms, next?}` |
//! | `create_room` `{id, kind, name?, topic?, members?}` · `enter` · `leave` `{id, room}` · `update_room` `{id, room, name?, topic?, kind?, slow_mode?, retention?}` | |
//! | `subscribe` `{id, room, since?}` · `unsubscribe` `{id, room}` | `since` is `{epoch?, seq}`: all up to `seq` is here already |
//! | `send` `{id, room, client_msg_id, text?, reply_to?, attachments?, mentions?, meta?}` | text, or attachments, or both; `@handle` in the text mentions too |
//! | `edit` `{id, room, message_id, client_msg_id, text}` · `delete` `{id, room, message_id, client_msg_id}` | |
//! | `react` · `unreact` `{id, room, message_id, emoji}` · `pin` · `unpin` `{id, room, message_id}` | |
//! | `history` `{id, room, before \| after \| around, limit?}` | messages as they stand now, oldest first; without an anchor the newest; fewer than `limit` where they are long: `found_oldest` and `found_newest` say whether there is more |
//! | `search` `{id, query?, room?, from?, after?, limit?}` | messages that the caller may read, the newest first: `{hits, next?, behind?}`; see [`SearchQuery`](crate::chat::SearchQuery) |
//! | `members` `{id, room, after?, limit?}` | who is in a room, and how far each has read: `{members, next?}` |
//! | `create_invite_link` `{id, room, expires_at?, uses?}` · `invite_links` `{id, room}` · `revoke_invite_link` `{id, room, link}` | links by which people come in, for moderators: `{link, code, …}`, the code this once; `{links}` |
//! | `invitation` `{id, code}` · `accept_invite` `{id, code}` | where such a link leads: `{name}`; comes in by it, as `enter` does |
//! | `notify` `{id, room, level, snooze_until?}` | what of a room the caller wants to be told of: `all mentions none`; until then nothing |
//! | `block` · `unblock` `{id, user}` · `blocks` `{id, after?, limit?}` | whom the caller does not want to hear of: `{blocks, next?}`; the first page of `rooms` has them as `blocked` |
//! | `pins` `{id, room, after?, limit?}` | its pinned messages as they stand now, oldest first: `{pinned, next?}` |
//! | `readers` `{id, room, message_id, after?, limit?}` | who has read a message, its author left out: `{readers, next?}` |
//! | `mark_read` `{id, room, seq}` | forward only |
//! | `member` `{id, room, user, action, role?, until?, reason?}` | `invite kick ban unban mute unmute role` |
//! | `signal` `{room, kind, on, ttl_ms}` · `ack` `{rooms: {room: seq}}` · `ping` `{ts}` | no result; a ping gets a `pong` |
//!
//! | from the server | |
//! |---|---|
//! | `welcome` `{version, session?, user, heartbeat_ms, limits, caps, token_expires_at?, ticket?, rooms}` | |
//! | `result` `{id, …}` · `error` `{id?, code, message, field?, retry_after_ms?}` | |
//! | `event` `{room, epoch, seq, kind, user, ts, n?, client_msg_id?, …}` | an [`Entry`](crate::log::Entry) |
//! | `signal` `{room, kind, user, on, ttl_ms}` · `mark` `{room, user, read_seq, delivered_seq}` | |
//! | `online` `{room, count}` | how many members are in a room in which many listen |
//! | `notify` `{room, level, snooze_until?}` | to all connections of who wants it so |
//! | `block` `{user, on}` | to all connections of who blocks |
//! | `membership` `{room, state}` | to all connections of the user concerned |
//! | `gap` `{room, epoch, head_seq, reason}` | nothing more of that room until it is subscribed to again |
//! | `stream` `{room, epoch, after}` | over QUIC: what a room's stream begins with |
//! | `auth_expiring` `{expires_at}` · `goaway` `{retry_after_ms, ticket?}` · `pong` `{ts}` | |
//! | `ticket` `{ticket}` | after a `welcome` in [early data](#early-data), which could bring none |
//!
//! What is wrong with a frame is said in an `error` (with its `id`, if it could be read, and the
//! `field`), and the connection goes on. What is no frame at all closes it with code 1.
//!
//! # A connection
//!
//! ```text
//!   HELLO ──── hello ────► READY ──── goaway ────► DRAINING
//!     │ 10 s, or           │ two heartbeats         │ requests answered,
//!     │ no good credential │ missed, expiry, …      │ or 10 s
//!     └───────────────► CLOSED ◄────────────────────┘
//! ```
//!
//! - **Hello.** `rooms` takes up many rooms at once, each from where the client stands; the welcome
//!   says for each what a `subscribe` would have said, or the error that it would have been.
//! - **Heartbeat.** A client sends something at least every `heartbeat_ms`; after two of these in
//!   silence the server closes.
//! - **Credentials.** A minute before its token expires a client is told, and sends `auth`; at expiry
//!   the server closes. One that has `ticket` among its `caps` is given tickets: each opens one
//!   connection of the same session on the same device, soon.
//! - **Going away.** After `goaway` nothing new is taken; what was asked is answered, and files that
//!   are on their way over streams of their own may arrive, then the server closes. Connect again after `retry_after_ms` or later.
//!
//! # A subscription
//!
//! ```text
//!              result           up to head_seq
//!   subscribe ───────► REPLAY ─────────────────► LIVE
//!       ▲                 └──────► GAP ◄───────────┘
//!       └── once more, from the last seq ──┘
//! ```
//!
//! Its first event comes after its result (but see [QUIC](#over-quic)). A client applies `last + 1`, drops what is lower, and
//! subscribes again from `last` on what is higher, on a `gap`, and on a new epoch. With `recovered:
//! false` it reads the room anew (`history`), and goes on from `head_seq`. Subscribing again to a
//! room moves the cursor; until that is answered nothing comes.
//!
//! **Presence.** The result names the members who are there; from then on a `signal` of the kind
//! `presence` tells who comes (`on`) and goes, a person with several devices once. In rooms in which
//! many listen nobody is named, and `online` tells how many are there: at most every 5 s if that has changed by a
//! hundredth, every minute if it has changed at all. Like all signals these may be lost: the next result is right again.
//!
//! **Window.** At most `limits.window` events of a room are on their way: a client acks about every
//! half of it. Who does not is sent no more of that room, and, once what is due has left the
//! server's memory, a `gap`; other rooms go on. Who has let entries wait for a minute without an ack,
//! or has read nothing for a minute, is closed with code 4. Acks also move the `delivered` mark,
//! gathered over some seconds.
//!
//! # Over QUIC
//!
//! The same frames go by several ways, so that none waits for another:
//!
//! - **Control.** The first bidirectional stream that the client opens: all that the client says, and
//!   what the server says but for the following.
//! - **Files.** Each further bidirectional stream of the client carries [one file](#files).
//! - **Rooms.** For each subscription the server opens a unidirectional stream with the first entry
//!   that is due. It begins with a `stream` `{room, epoch, after}`: the entries after that follow, as
//!   `event` frames, and a `gap` ends it. A subscription that is made anew cuts the old stream off and
//!   gets a new one; the newest of a room counts. As streams do not wait for one another, events may
//!   come before the `result`, and after the `membership` that says that there are no more. A client
//!   allows as many streams as it subscribes to rooms; one that does not want a stream any more and
//!   stops it gets the `gap` on the control stream, as does one whose stream could not be opened.
//! - **Signals** are datagrams of one frame without its length, both ways; those too long for one, or
//!   for a peer that takes none, go by the control stream. Presence always does: it is a state, and
//!   holds until the next word of it. A datagram that is no signal is dropped.
//!
//! A room's stream that is not read is paused by its flow control; once its place is out of the
//! server's memory, or the room's bytes keep others waiting, there is a `gap` at its end, and nowhere
//! else. The server's own code closes the connection ([`CloseCode::number`]); a client that is done
//! ends its control stream or closes. A change of the client's address changes nothing else.
//!
//! ## Early data
//!
//! A client that was there before can speak in its first packets (0-RTT), before the handshake is done,
//! and is answered in the server's. Whoever records such packets can send them again, so that what they
//! say must do no harm when it is said twice:
//!
//! - `hello` with a ticket lets the client in, and takes up its `rooms`. The ticket is *looked at*. Once
//!   the handshake is done it is spent, and a `ticket` frame brings the next; if somebody else has spent
//!   it in between, the connection is closed with code 2. So a copy neither uses a ticket up nor is let
//!   in by one that is.
//! - `send` is as durable when it is answered as ever, and by G2 takes effect once, however often it
//!   comes and by whatever way. `mark_read` only goes forward. `history`, `subscribe` and the rooms of
//!   `hello` read, and what they bring is encrypted to the client of before: who repeats its packets
//!   cannot read the answers. Nobody is shown as present, and no ticket is issued, before the proof.
//! - Every other request is refused as `too_early`, and the connection goes on: ask again when the
//!   handshake is done. Acks and signals are passed over, and so are streams of files refused.
//! - `hello` with a token waits for the end of the handshake, and all that follows it.
//!
//! "Early" is what the server has taken in while the handshake is not done; the same bytes, taken in
//! afterwards, are as good as any. A TLS session is good for one handshake, so that the server that
//! answered a first flight refuses a copy of it before anything in it is looked at; what is said here
//! holds where the copy comes first. Where the server takes no early data (it was started anew, shows
//! another certificate, or has forgotten the session) nothing of it arrives, and the client says all of
//! it again, under the same names.
//!
//! ## Files
//!
//! A stream begins with one frame of at most 16 KiB, after its length as ever, that says what it is for;
//! one frame answers it. See [`frame::FileRequest`] and [`frame::FileAnswer`].
//!
//! ```text
//!  ► upload   {id, name, content_type?, length}  ► length bytes, end     ◄ result {id, file}, end
//!  ► download {id, attachment, start?, end?}, end      ◄ result {id, file, start, end}  ◄ bytes, end
//!                                                      ◄ error {id?, code, message, field?}, end
//! ```
//!
//! What is taken, and who may read it, is as over REST. A file that is stored waits for a message to take
//! it along by `file.id`. A part of a file is from `start` up to `end`, or to the file's end if that comes
//! before; who was cut off goes on with another. A client may have two files on their way at once, and
//! waits to open a third stream. An upload that ends early, is reset, or hardly moves is given up, and
//! nothing of it stays; a server that has heard enough stops it and says why. A download that is reset
//! was cut off: it is whole only if it ends. What begins otherwise is reset with code 1. Files under way
//! do not hold up a server that is going away: they are cut with the connection.
//!
//! # Closing
//!
//! [`CloseCode`] lists the codes; over WebSocket they are 4000 + n. Codes 1, 2, 3 and 7 mean that
//! the same again would end the same way. After any other, connect again with full jitter, from half
//! a second to half a minute.

#[cfg(feature = "schema")]
mod asyncapi;
mod close;
pub mod codec;
pub mod frame;
pub mod limits;
#[cfg(feature = "schema")]
mod schema;
pub mod session;
mod wire;

#[cfg(feature = "schema")]
pub use asyncapi::asyncapi;
pub use close::CloseCode;
pub use codec::{DecodeError, Encoding, Malformed};
#[cfg(feature = "schema")]
pub use schema::frames_schema;
pub use wire::Wire;
