//! What someone searches for.

use super::Caller;
use crate::clock::Timestamp;
use crate::error::{Error, Invalid};
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::log::{Body, Entry};
use crate::room::Actor;
use crate::search::{Excerpt, Parsed, Query, SEARCH_ROOMS, Scope, Search};
use crate::store::SearchPage;

/// The longest cursor, in bytes.
const CURSOR: usize = 64;

/// What to search for.
///
/// [`query`](Self::query) is as [`Query`] has it, and may also hold `from:HANDLE` (once) and `in:ROOM`
/// (an id; up to [`SEARCH_ROOMS`]). Without a room, those that the caller is in are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// The words.
    pub query: String,
    /// A room to search alone.
    pub room: Option<RoomId>,
    /// Who must have written it.
    pub from: Option<UserId>,
    /// Those that follow: [`SearchResult::next`] of the page before.
    pub after: Option<String>,
    /// At most how many; without one, 20.
    pub limit: Option<u32>,
}

/// A page of what was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SearchResult {
    /// Messages, about in the order in which they were sent, the newest first.
    pub hits: Vec<Hit>,
    /// There may be more: search again with this as `after`. A page may hold less than asked for,
    /// even nothing, and have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether messages of the last moments may be missing, because the index is behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hit {
    /// Where.
    pub room: RoomId,
    /// Its place in the room's order: what to read history around.
    pub seq: Seq,
    /// Its count among the room's messages.
    pub n: u64,
    /// Its name.
    pub message_id: MessageId,
    /// Its author.
    pub user: UserId,
    /// When it was sent.
    pub ts: Timestamp,
    /// When its text was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// A part of its text, with what was searched for set apart.
    pub excerpt: Excerpt,
}

impl Caller {
    /// Searches messages that the caller may read. What was acknowledged before is found.
    ///
    /// # Errors
    /// [`Invalid`] for a query, limit or cursor out of bounds; as [`may_read`](Self::may_read) for
    /// rooms that are named; [`Error::RateLimited`].
    pub async fn search(&self, asked: SearchQuery) -> Result<SearchResult, Error> {
        self.take_turn()?;
        let search = self.read_search(asked).await?;
        let SearchPage { found, next, behind } = self.chat.inner.store.search(&search).await?;
        let mut readable: Vec<(RoomId, bool)> = Vec::new();
        let mut hits = Vec::with_capacity(found.len());
        for entry in found {
            // Checked after it was read: who was put out meanwhile gets nothing of it.
            let known = readable.iter().find(|(room, _)| *room == entry.room).map(|(_, may)| *may);
            let may = match known {
                Some(may) => may,
                None => {
                    let may = match self.may_read(&entry.room).await {
                        Ok(()) => true,
                        Err(Error::Rejected(_)) => false,
                        Err(other) => return Err(other),
                    };
                    readable.push((entry.room.clone(), may));
                    may
                }
            };
            if may {
                hits.extend(Hit::of(entry, &search.query));
            }
        }
        Ok(SearchResult { hits, next, behind })
    }

    async fn read_search(&self, asked: SearchQuery) -> Result<Search, Error> {
        let SearchQuery { query, room, from, after, limit } = asked;
        let limit = limit.unwrap_or(20);
        self.check_page(limit)?;
        if after.as_ref().is_some_and(|after| after.len() > CURSOR) {
            return Err(Invalid::new("after", "after must be the next of another page").into());
        }
        let parsed = Parsed::read(&query)?;
        let mut rooms: Vec<RoomId> = room.into_iter().collect();
        for room in &parsed.rooms {
            let room = RoomId::parse(room)
                .map_err(|_| Invalid::new("query", "in: takes the id of a room"))?;
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        if rooms.len() > SEARCH_ROOMS {
            let problem = format!("at most {SEARCH_ROOMS} rooms can be named");
            return Err(Invalid::new("query", problem).into());
        }
        let from = match (from, &parsed.from) {
            (Some(_), Some(_)) => return Err(Invalid::new("from", "give one author").into()),
            (None, Some(name)) => Some(self.author(name).await?),
            (from, None) => from,
        };
        if parsed.query.is_empty() && from.is_none() {
            let problem = "a query needs a word, a character of one, or an author";
            return Err(Invalid::new("query", problem).into());
        }
        for room in &rooms {
            self.may_read(room).await?;
        }
        let scope = match &self.actor {
            _ if !rooms.is_empty() => Scope::Rooms(rooms),
            Actor::User(user) => Scope::Joined(user.clone()),
            Actor::System => {
                return Err(Invalid::new("room", "the host is in no room; name one").into());
            }
        };
        Ok(Search { query: parsed.query, from, scope, after, limit })
    }

    /// Whose handle this is; else it is taken for an id. Nobody is found by an e-mail address, so that
    /// a search does not tell whose it is.
    async fn author(&self, name: &str) -> Result<UserId, Error> {
        let nobody = || Invalid::new("query", "from: takes a handle, or the id of a user");
        if name.contains('@') {
            return Err(nobody().into());
        }
        match self.chat.find_user(name).await? {
            Some(user) => Ok(user),
            None => Ok(UserId::parse(name).map_err(|_| nobody())?),
        }
    }
}

impl Hit {
    fn of(entry: Entry, query: &Query) -> Option<Self> {
        let Entry { room, seq, user, ts, n, body, .. } = entry;
        let Body::Message { message_id, text, edited_at, .. } = body else { return None };
        let excerpt = Excerpt::of(&text, query);
        Some(Self { room, seq, n: n?, message_id, user, ts, edited_at, excerpt })
    }
}
