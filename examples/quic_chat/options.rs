//! What the client is told at its start.

use std::path::PathBuf;

use chatcore_quic::client::Trust;
use clap::Parser;

/// A chat client for the terminal, over QUIC, or WebSocket where that does not get through.
///
/// The password is asked for on the screen, or taken from CHATCORE_PASSWORD; it is no option, since
/// everyone on the machine can read those.
#[derive(Debug, Parser)]
#[command(name = "quic_chat", version)]
pub(crate) struct Options {
    /// Where the server listens for QUIC.
    #[arg(long, env = "CHATCORE_QUIC", default_value = "127.0.0.1:4433", value_name = "HOST:PORT")]
    pub(crate) quic: String,

    /// Where it takes WebSocket, such as wss://chat.example/ws, for networks that let no QUIC through: tried
    /// when that does not answer, and left when it does. Without TLS only on this machine
    /// [default: QUIC alone]
    #[arg(long, env = "CHATCORE_WEBSOCKET", value_name = "URL")]
    pub(crate) websocket: Option<String>,

    /// Where it listens for HTTP, over which one logs in. Without TLS only on this machine.
    #[arg(long, env = "CHATCORE_URL", default_value = "http://127.0.0.1:3030", value_name = "URL")]
    pub(crate) url: String,

    /// The SHA-256 of the server's certificate, which the server prints at its start
    /// [default: the certificate must be one that this system trusts]
    #[arg(long, env = "CHATCORE_FINGERPRINT", value_name = "HEX")]
    pub(crate) fingerprint: Option<Trust>,

    /// The name to log in by [default: whoever was logged in last at this server]
    #[arg(long, env = "CHATCORE_USER", value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// Make the account rather than use one that there is, where CHATCORE_PASSWORD is given.
    #[arg(long)]
    pub(crate) register: bool,

    /// Where sessions and unsent messages are kept, for your eyes only
    /// [default: $XDG_STATE_HOME/chatcore, or ~/.local/state/chatcore]
    #[arg(long, env = "CHATCORE_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Where files are saved.
    #[arg(long, env = "CHATCORE_DOWNLOADS", default_value = ".", value_name = "DIR")]
    pub(crate) downloads: PathBuf,
}

/// The password of the environment, if it is there.
pub(crate) fn password() -> Option<String> {
    std::env::var("CHATCORE_PASSWORD").ok().filter(|password| !password.is_empty())
}
