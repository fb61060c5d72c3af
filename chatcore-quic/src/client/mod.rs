//! The native client: rooms, messages and live entries over connections that come and go.
//!
//! ```text
//!  application ◄─► Client, Subscription ◄─► driver: one task ◄─► Link ◄─► server
//!                                             │  core: decides, no I/O
//! ```
//!
//! ```no_run
//! use chatcore::log::Draft;
//! use chatcore_quic::client::{Client, QuicLink, Update};
//!
//! # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let link = QuicLink::new("chat.example:4433", std::env::var("FINGERPRINT")?.parse()?)?;
//! let client = Client::builder().token(token).connect(link)?;
//! for room in client.rooms().await? {
//!     println!("{}: {} unread", room.name.unwrap_or_default(), room.unread);
//!     client.send(&room.room, Draft::text("hello")).await?;
//!     let mut entries = client.subscribe(&room.room, None).await?;
//!     while let Some(update) = entries.next().await {
//!         if let Update::Event(event) = update? {
//!             println!("{:?}", event.entry());
//!         }
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! What it takes to begin:
//!
//! - **An address**: the server's host and UDP port, 4433 at the example server.
//! - **A token**, which comes over HTTP: the `session_token` that `POST /api/v1/sessions` (to log in) or
//!   `POST /api/v1/accounts` (to register) answered with; it is good as long as the session. The
//!   `access_token` beside it is for a quarter of an hour, with
//!   [`renew_with`](ClientBuilder::renew_with) for the next. Where the host of the chat has its own
//!   way to sign in, its token.
//! - **Trust**: a server that made its own certificate prints a fingerprint at its start, which parses
//!   as a [`Trust`]. One with a certificate for its name takes [`Trust::Roots`]: a
//!   `rustls::RootCertStore` (rustls 0.23) filled by `rustls-native-certs` or `webpki-roots`.
//! - **A tokio runtime**, in which links are made and clients run. Dropping the last clone of a client
//!   ends its connection; [`Client::shut_down`] does too, and returns what was not sent.
//!
//! `examples/quic_bot.rs` is a whole program of thirty lines, `examples/quic_chat` one for people.
//!
//! - **Connections** come and go by themselves: after a cut, another is opened with full jitter from
//!   half a second to half a minute, or later where the server asks. [`Client::state`] shows it. After
//!   the close codes that forbid it nobody comes back before there is a new token.
//! - **Sends, edits and deletions** wait in a bounded outbox under a `client_msg_id` made once, and go
//!   again after each cut until they are answered: each takes effect once, in order for each room. The
//!   application can take the outbox out, keep it, and put it back into another client.
//! - **Subscriptions** are streams that outlive connections: each entry once and in order, by cursor.
//!   Who does not read holds up that room alone, and nothing is dropped: see [`Subscription`].
//! - **Everything else** is asked again after a cut where that does no harm; otherwise the caller is
//!   told that it was [interrupted](Error::Interrupted).
//! - **Signals, marks and standings** may be missed: see [`Notices`].
//! - **Files** go up and down beside all that, with progress: see [`Client::upload`] and
//!   [`Client::download`].
//! - **Coming back** takes one round trip where the link allows it: with a ticket of the last connection,
//!   the client says hello, takes up its rooms and sends what is unsent in its very first packets. All of
//!   that may be said twice, and is said again if the server did not take it. Tickets are kept in
//!   memory, and shown until there is another; where one is refused, the token serves.
//!
//! Any [`Link`] carries it: [`QuicLink`] does, and, with the feature `websocket`, `WsLink`. Some networks
//! let no UDP through; a [`Fallback`] of the two goes over QUIC where that can be had, over WebSocket
//! where not, and back:
//!
//! ```no_run
//! # #[cfg(feature = "websocket")]
//! # fn run(token: String, roots: rustls::RootCertStore) -> Result<(), Box<dyn std::error::Error>> {
//! use chatcore_quic::client::{Client, Fallback, QuicLink, Trust, WsLink};
//!
//! let trust = Trust::Roots(roots);
//! let quic = QuicLink::new("chat.example:4433", trust.clone())?;
//! let link = Fallback::new(quic, WsLink::new("wss://chat.example/ws", trust)?);
//! let client = Client::builder().token(token).connect(link.clone())?;
//! println!("over WebSocket: {}", link.on_spare());
//! # Ok(()) }
//! ```
//!
//! WebSocket carries all but files: those go over HTTP then ([`Error::NoFiles`]).

mod blocks;
mod builder;
mod core;
mod driver;
mod error;
mod fallback;
mod files;
mod handle;
mod invites;
pub mod link;
mod places;
mod quic;
mod state;
mod subscription;
#[cfg(feature = "websocket")]
mod websocket;

pub use self::core::{Unsent, Write};
pub use builder::ClientBuilder;
pub use error::Error;
pub use fallback::{Fallback, FallbackReceiver, FallbackSender, Waits};
pub use files::{Download, Progress, Upload};
pub use handle::{Client, Notices, Sending};
pub use link::Link;
pub use quic::{InvalidFingerprint, QuicError, QuicLink, Trust};
pub use state::{Notice, Offline, State, Update};
pub use subscription::Subscription;
#[cfg(feature = "websocket")]
pub use websocket::{WsError, WsLink, WsReceiver, WsSender};
