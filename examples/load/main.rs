//! What does this machine do with the server? A load generator that checks every delivery.
//!
//! ```sh
//! cargo build --release --examples
//! taskset -c 0 target/release/examples/server --limits off --data /tmp/load-data &
//! L="taskset -c 1 target/release/examples/load"
//!
//! $L fanout --pid $! --members 1000 --rate 50     # one room, a fixed rate
//! $L fanout --pid $! --members 1000 --rate max    # as fast as 64 messages in the air allow
//! $L fanout --pid $! --rooms 1000 --members 10 --rate 5000
//! $L idle   --pid $! --connections 10000          # needs `ulimit -n 20000` here and for the server
//! $L acks   --pid $! --outstanding 64             # sends, each answered once it is on disk
//! $L slow   --pid $! --members 1000               # with two members who do not keep up
//! $L fill   --store sqlite:/tmp/deep.db --messages 10000000
//! $L pages  --store sqlite:/tmp/deep.db           # history, deep in a room and in a small one
//! $L search --store sqlite:/tmp/found.db          # words, common and rare, among a million messages
//! ```
//!
//! `fanout`, `idle`, `acks` and `slow` go over QUIC with `--quic 127.0.0.1:4433 --pin FINGERPRINT`; the
//! server prints the fingerprint when it starts. `plain` serves QUIC in the straightforward way, to
//! compare with: `--url http://127.0.0.1:3034 --quic 127.0.0.1:4434`.
//!
//! The server needs `--limits off`: the load comes from one address and a few accounts. `taskset`
//! gives each side a core of its own; left out, they share what there is, and take from each other.
//!
//! Every message carries numbers: lost, doubled, misplaced and foreign deliveries are found, named,
//! and end the run with exit code 1. A latency counts from the moment at which a message was *due*, so
//! that a server that holds the sender up does not flatter itself. `--json` prints an object per
//! window on stdout; what people read is on stderr. BENCHMARKS.md says what the figures mean.

mod acks;
mod check;
mod crowd;
mod fanout;
mod fault;
mod fill;
mod http;
mod idle;
mod link;
mod machine;
mod options;
mod pages;
mod plain;
mod quic;
mod report;
mod scan;
mod searches;
mod slow;
mod stage;
mod text;
mod websocket;

use clap::Parser as _;
use fault::Fault;
use options::{Options, Shape};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

fn main() {
    let options = Options::parse();
    match run(options) {
        Ok(()) => {}
        Err(fault) => {
            eprintln!("load: {fault}");
            std::process::exit(1);
        }
    }
}

fn run(options: Options) -> Result<(), Fault> {
    match options.shape {
        // The library itself is what works here, as in any program that embeds it.
        Shape::Fill(options) => Runtime::new()?.block_on(fill::run(&options)),
        Shape::Pages(options) => Runtime::new()?.block_on(pages::run(&options)),
        Shape::Plain(options) => Runtime::new()?.block_on(plain::run(&options)),
        Shape::Search(options) => Runtime::new()?.block_on(searches::run(&options)),
        Shape::Fanout(options) => alone(fanout::run(&options)),
        Shape::Idle(options) => alone(idle::run(&options)),
        Shape::Acks(options) => alone(acks::run(&options)),
        Shape::Slow(options) => alone(slow::run(&options)),
    }
}

/// On one thread: what the generator itself costs is easy to see, and to keep off the server's cores.
fn alone(load: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load)
}
