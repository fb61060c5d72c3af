//! A chat client for the terminal, over QUIC, or WebSocket where that does not get through.
//!
//! ```sh
//! cargo run --release --example server          # prints a fingerprint
//! cargo run --release --example quic_chat -- --fingerprint 12:34:…
//! cargo run --release --example quic_chat -- --help
//! ```
//!
//! ```text
//!  keys, server ─▶ News ─▶ update(Model) ─▶ Tasks ─▶ Worker ─▶ chatcore_quic::Client
//!       ▲                      │                        │
//!       └── terminal ◀── view ◀┘          News ◀────────┘
//! ```
//!
//! `model/` is what the screen shows, `update/` changes it and `view/` draws it, none of which waits for
//! anything; `work.rs` does what takes time. What was not sent is kept, and goes at the next start, once.

mod account;
mod day;
mod editor;
mod files;
mod http;
mod kept;
mod model;
mod options;
mod screen;
#[cfg(test)]
mod tests;
mod text;
mod update;
mod view;
mod work;

use std::error::Error;
use std::io::IsTerminal as _;
use std::time::Duration;

use chatcore::clock::{Random as _, SystemRandom};
use chatcore_quic::client::{Fallback, QuicLink, Trust, WsLink};
use clap::Parser as _;
use crossterm::event::{Event, EventStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use account::Accounts;
use day::Zone;
use http::Http;
use model::login::Login;
use model::news::{News, Secret, Task};
use model::{Ids, Model};
use options::Options;
use screen::Screen;
use work::{LoggedIn, Place, Way, Worker, now};

type Fault = Box<dyn Error + Send + Sync>;

/// News that wait to be taken in. Whoever has more waits, down to the server.
const NEWS: usize = 256;
/// How often the clock on the screen moves.
const TICK: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() {
    if let Err(fault) = run(Options::parse()).await {
        eprintln!("quic_chat: {}", text::label(&fault.to_string()));
        std::process::exit(1);
    }
}

async fn run(options: Options) -> Result<(), Fault> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err("this is for people: start it in a terminal".into());
    }
    let place = place(&options)?;
    let login = options.user.clone().or_else(|| kept::last(&place.state, &place.server));
    let mut model = Model::new(place.server.clone(), Ids::new(prefix()), Zone::Local);
    model.now = now();
    let (news, inbox) = mpsc::channel(NEWS);
    let (logged_in, logins) = mpsc::channel(1);
    let mut worker = Worker::new(place, news, logged_in);
    let resumed = match &login {
        Some(login) => worker.resume(login)?,
        None => false,
    };
    if !resumed {
        let mut form = Login::of(login.as_deref().unwrap_or_default());
        form.register = options.register;
        if let (Some(name), Some(password)) = (login, options::password()) {
            form.asking = true;
            let (password, register) = (Secret(password), options.register);
            worker.carry_out(Task::LogIn { name, password, register }).await?;
        }
        model.login = Some(form);
    }
    let mut screen = Screen::take()?;
    let ran = converse(&mut screen, &mut model, &mut worker, inbox, logins).await;
    drop(screen);
    for file in model.outgoing() {
        eprintln!("quic_chat: not sent: {}", text::label(&file.path.display().to_string()));
    }
    let ended = worker.end().await;
    ran.and(ended)
}

/// Until the user quits, or the terminal goes.
async fn converse(
    screen: &mut Screen,
    model: &mut Model,
    worker: &mut Worker,
    mut inbox: mpsc::Receiver<News>,
    mut logins: mpsc::Receiver<LoggedIn>,
) -> Result<(), Fault> {
    model.size = crossterm::terminal::size()?;
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(asked_to_stop());
    loop {
        screen.draw(model)?;
        let first = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => match news_of(event) {
                    Some(news) => news,
                    None => continue,
                },
                Some(Err(problem)) => return Err(problem.into()),
                None => return Ok(()),
            },
            Some(news) = inbox.recv() => news,
            Some(login) = logins.recv() => {
                worker.begin(login);
                continue;
            }
            _ = ticks.tick() => News::Time(now()),
            () = &mut stop => return Ok(()),
        };
        // What else is here is taken in before the next look at it.
        let pressed = std::iter::from_fn(|| keys.next().now_or_never()??.ok().and_then(news_of));
        let pressed: Vec<_> = pressed.take(NEWS).collect();
        let rest = std::iter::from_fn(|| inbox.try_recv().ok()).take(NEWS).chain(pressed);
        for news in std::iter::once(first).chain(rest) {
            for task in update::update(model, news) {
                if task == Task::Quit {
                    return Ok(());
                }
                worker.carry_out(task).await?;
            }
        }
    }
}

/// What the terminal tells, if it is of interest.
fn news_of(event: Event) -> Option<News> {
    match event {
        Event::Key(key) => Some(News::Key(key)),
        Event::Paste(text) => Some(News::Pasted(text)),
        Event::Resize(columns, rows) => Some(News::Resized(columns, rows)),
        _ => None,
    }
}

fn place(options: &Options) -> Result<Place, Fault> {
    let trust = match &options.fingerprint {
        Some(pinned) => pinned.clone(),
        None => Trust::Roots(system_roots()?),
    };
    let state = match &options.state {
        Some(dir) => dir.clone(),
        None => kept::default_dir()?,
    };
    let quic = QuicLink::new(&options.quic, trust.clone())
        .map_err(|e| format!("--quic {}: {e}", options.quic))?;
    let way = match &options.websocket {
        None => Way::Quic(quic),
        Some(url) => {
            let spare = WsLink::new(url, trust.clone());
            let spare = spare.map_err(|e| format!("--websocket {url}: {e}"))?;
            Way::Either(Fallback::new(quic, spare))
        }
    };
    Ok(Place {
        way,
        accounts: Accounts::new(Http::new(&options.url, trust.client_config()?)?),
        state,
        downloads: options.downloads.clone(),
        server: options.quic.clone(),
    })
}

/// The certificates that this system trusts.
fn system_roots() -> Result<rustls::RootCertStore, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let hint = "give the --fingerprint that the server printed";
        return Err(format!("this system trusts no certificate at all; {hint}").into());
    }
    Ok(roots)
}

/// No two starts name their messages alike.
fn prefix() -> String {
    let mut bytes = [0; 12];
    SystemRandom.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends when the process is asked to stop, or its terminal has gone.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (term, hangup) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        if let (Ok(mut term), Ok(mut hangup)) = (term, hangup) {
            tokio::select! {
                _ = term.recv() => return,
                _ = hangup.recv() => return,
            }
        }
    }
    // Without such signals only keys end it.
    std::future::pending::<()>().await;
}
