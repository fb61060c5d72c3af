//! What can be asked for.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use chatcore_quic::client::Trust;
use clap::{Args, Parser, Subcommand};

/// Measures a running server, and checks every delivery.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Shape {
    /// Rooms full of members: what one message to all of them costs.
    Fanout(Fanout),
    /// Connections at rest, joined in rooms of ten: what each takes of the server's memory.
    Idle(Idle),
    /// Sends: how many are acknowledged, and after how long.
    Acks(Acks),
    /// A room with two members who do not keep up: what the others notice, and what becomes of the two.
    Slow(Slow),
    /// Fills one room of a store, without a server.
    Fill(Fill),
    /// Pages of history from a deep room and from a small one, without a server.
    Pages(Pages),
    /// Searches among many messages, through the library.
    Search(Search),
    /// Serves QUIC in the straightforward way, to compare with.
    Plain(Plain),
}

/// How to reach the server, and how to say what came of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// Where the server is.
    #[arg(long, default_value = "http://127.0.0.1:3030")]
    pub(crate) url: Url,

    /// Over QUIC, to this address, instead of WebSocket. Accounts are made at --url all the same.
    #[arg(long, requires = "pin", value_name = "ADDRESS")]
    pub(crate) quic: Option<SocketAddr>,

    /// The SHA-256 of the server's certificate, which it prints when it starts.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) pin: Option<Trust>,

    /// The server's process, for its memory and processor time.
    #[arg(long)]
    pub(crate) pid: Option<u32>,

    /// Accounts to make; the connections share them.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) accounts: u32,

    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Print {
    /// Print one JSON object per window on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Windows {
    /// How long a window lasts, in seconds; what was sent in it is waited for.
    #[arg(long, default_value = "3", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) secs: Duration,

    /// The same load, unmeasured, before the first window, in seconds.
    #[arg(long, default_value = "1", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) warmup: Duration,

    /// How many windows.
    #[arg(long, default_value_t = 3)]
    pub(crate) repeat: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) windows: Windows,

    /// How many rooms.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=0xff_ffff))]
    pub(crate) rooms: u32,

    /// How many connections are in each; all get every message, the sender included.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) members: u32,

    /// How many of them send.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=0xffff))]
    pub(crate) senders: u32,

    /// Messages a second over all rooms, or `max`: as fast as `--outstanding` allows.
    #[arg(long, default_value = "500")]
    pub(crate) rate: Rate,

    /// With `--rate max`: messages that were not delivered to all of their room yet.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) outstanding: u32,

    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    pub(crate) payload: usize,

    /// Poll without ever sleeping: spares the server the waking of this process, and takes a core.
    #[arg(long)]
    pub(crate) poll: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) server: Server,

    /// How many connections.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) connections: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Acks {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) windows: Windows,

    /// How many rooms.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rooms: u32,

    /// How many connections send.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) senders: u32,

    /// Sends without an answer yet, over all connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) outstanding: u32,

    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    pub(crate) payload: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) windows: Windows,

    /// How many members read as they should.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) members: u32,

    /// Messages a second.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) rate: f64,

    /// Messages to send while the two do not read: more than a connection's window and the server's
    /// memory of a room hold, or they are not left behind.
    #[arg(long, default_value_t = 3_000)]
    pub(crate) messages: u32,

    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    pub(crate) payload: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Fill {
    /// The store, as `sqlite:PATH`; nobody else may have it open.
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,

    /// The room, by its name; filled further if it is there.
    #[arg(long, default_value = "deep", value_name = "NAME")]
    pub(crate) room: String,

    /// How many messages it is to hold in the end.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,

    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    pub(crate) payload: usize,

    /// Stop after so many seconds; the same command goes on from there.
    #[arg(long, value_parser = seconds, value_name = "SECONDS")]
    pub(crate) secs: Option<Duration>,

    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Pages {
    /// The store, as `sqlite:PATH`; nobody else may have it open.
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,

    /// The deep room, by its name.
    #[arg(long, default_value = "deep", value_name = "NAME")]
    pub(crate) room: String,

    /// Pages of each kind.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pages: u32,

    /// Messages of a page.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,

    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Search {
    /// The store, as `sqlite:PATH` or `postgres://…`; nobody else may have it open. It is filled first, if it
    /// is not.
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,

    /// How many messages it is to hold, over all rooms.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,

    /// How many rooms. The one who searches is in half of them.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) rooms: u64,

    /// Searches of each kind.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) searches: u32,

    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Plain {
    /// Where to serve QUIC.
    #[arg(long, default_value = "127.0.0.1:4434", value_name = "ADDRESS")]
    pub(crate) quic: SocketAddr,

    /// Where accounts are made.
    #[arg(long, default_value = "127.0.0.1:3034", value_name = "ADDRESS")]
    pub(crate) http: SocketAddr,
}

/// An `http://` address. The server's TLS is not what this measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) SocketAddr);

impl FromStr for Url {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        use std::net::ToSocketAddrs as _;

        let rest = url.strip_prefix("http://").ok_or("a URL such as http://127.0.0.1:3030")?;
        let authority = rest.trim_end_matches('/');
        let found = authority.to_socket_addrs().map_err(|e| format!("{authority}: {e}"))?.next();
        found.map(Self).ok_or_else(|| format!("{authority} has no address"))
    }
}

/// How much is offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// Messages a second.
    Fixed(f64),
    /// As many as there may be in the air.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(rate: &str) -> Result<Self, String> {
        match rate.parse() {
            _ if rate == "max" => Ok(Self::Max),
            Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(Self::Fixed(rate)),
            _ => Err("a number of messages a second, or `max`".to_owned()),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}
