//! The chat server: HTTP and WebSocket, data in a folder, nothing to install.
//!
//! ```sh
//! cargo run --release --example server
//! cargo run --release --example server -- --help
//! ```

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chatcore::Chat;
use chatcore::account::{AccountSettings, RateLimits, Secret};
use chatcore::attachment::blobs::{BlobStore, FileBlobs, MemoryBlobs};
use chatcore::clock::{SystemClock, SystemRandom};
use chatcore::limits::Limits;
use chatcore::mail::OutboxMailer;
use chatcore_warp::body::BodyLimits;
use chatcore_warp::serve::{ServeConfig, Stopped, TrustedProxies, serve};
#[cfg(feature = "tls")]
use chatcore_warp::serve::{Tls, serve_with};
use chatcore_warp::{Config, routes};
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;

/// A chat server: accounts, rooms, messages and files over HTTP and WebSocket.
#[derive(Debug, Parser)]
#[command(name = "server", version)]
struct Options {
    /// Where to listen for HTTP and WebSocket.
    #[arg(long, env = "CHATCORE_HTTP", default_value = "127.0.0.1:3030", value_name = "ADDR")]
    http: SocketAddr,

    /// Where to listen for QUIC; this build has none yet, so `off` is the only value.
    #[arg(long, env = "CHATCORE_QUIC", default_value = "off", value_name = "ADDR|off")]
    quic: String,

    /// Where everything is kept; made if it is not there.
    #[arg(long, env = "CHATCORE_DATA", default_value = "chatcore-data", value_name = "DIR")]
    data: PathBuf,

    /// Where accounts, rooms and messages are kept: `sqlite:PATH` or `memory:` [default: sqlite:DATA/chat.db]
    #[arg(long, env = "CHATCORE_STORE", value_name = "URL")]
    store: Option<String>,

    /// Where the bytes of files are kept: `file:DIR` or `memory:` [default: file:DATA/files]
    #[arg(long, env = "CHATCORE_BLOBS", value_name = "URL")]
    blobs: Option<String>,

    /// How nodes tell each other what happens; with one node, `local:`.
    #[arg(long, env = "CHATCORE_BUS", default_value = "local:", value_name = "URL")]
    bus: String,

    /// Who carries mail: `outbox:DIR` writes it into a folder and prints its codes [default: outbox:DATA/outbox]
    #[arg(long, env = "CHATCORE_MAIL", value_name = "URL")]
    mail: Option<String>,

    /// The address by which others reach this server, for links in mails [default: that of --http]
    #[arg(long, env = "CHATCORE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// A web origin, such as https://example.org, whose pages may call this server; may be repeated.
    #[arg(long, env = "CHATCORE_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// The address or block of a proxy whose X-Forwarded-For is believed; may be repeated.
    #[arg(long, env = "CHATCORE_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR")]
    trusted_proxy: Vec<String>,

    /// The certificate chain to serve HTTPS under, in PEM form; needs `--features tls`.
    #[arg(long, env = "CHATCORE_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of that certificate, in PEM form.
    #[arg(long, env = "CHATCORE_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Limits per user and per address; `off` lifts them, for load tests.
    #[arg(long, env = "CHATCORE_LIMITS", default_value = "on", value_name = "on|off")]
    limits: Switch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

type Fault = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "info,sqlx=warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if let Err(fault) = run(Options::parse()).await {
        eprintln!("server: {fault}");
        std::process::exit(1);
    }
}

async fn run(options: Options) -> Result<(), Fault> {
    let chat = app(&options).await?;
    let listener = TcpListener::bind(options.http).await.map_err(|e| {
        format!("cannot listen on {}: {e}; choose another with --http", options.http)
    })?;
    let http = listener.local_addr()?;
    let mut web = Config::default()
        .standalone()
        .with_body_limits(BodyLimits::default().with_spool_dir(&options.data))
        .with_allowed_origins(&options.allow_origin)?;
    let mut serving =
        ServeConfig::default().with_trusted_proxies(TrustedProxies::parse(&options.trusted_proxy)?);
    if options.limits == Switch::Off {
        serving = serving.with_max_connections(1 << 20).with_max_per_address(1 << 20);
        web = web.without_limits();
    }
    println!("{}", greeting(http, &options));

    let stopped = match (&options.tls_cert, &options.tls_key) {
        (Some(chain), Some(key)) => {
            serve_tls(listener, chat.clone(), web, serving, (chain, key)).await?
        }
        _ => serve(listener, routes(chat.clone(), web), serving, stop(chat.clone())).await,
    };
    chat.shutdown().await;
    match stopped {
        Stopped::Drained => println!("stopped; everything acknowledged is on disk"),
        Stopped::Cut => println!("stopped; some connections were cut, and can resume"),
    }
    Ok(())
}

#[cfg(feature = "tls")]
async fn serve_tls(
    listener: TcpListener,
    chat: Chat,
    web: Config,
    serving: ServeConfig,
    (chain, key): (&Path, &Path),
) -> Result<Stopped, Fault> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    };
    let tls = Tls::from_pem(&read(chain)?, &read(key)?)
        .map_err(|e| with_causes("--tls-cert, --tls-key", &e))?;
    Ok(serve_with(listener, tls, routes(chat.clone(), web), serving, stop(chat)).await)
}

#[cfg(not(feature = "tls"))]
async fn serve_tls(
    _: TcpListener,
    _: Chat,
    _: Config,
    _: ServeConfig,
    _: (&Path, &Path),
) -> Result<Stopped, Fault> {
    Err("this build has no TLS: run it with --features tls, or put a proxy in front".into())
}

/// Ends when the process is asked to stop, and sees the connections off.
async fn stop(chat: Chat) {
    asked_to_stop().await;
    println!("stopping: connections are asked to go, at most 10 s");
    chat.drain();
}

/// The chat that the options describe.
async fn app(options: &Options) -> Result<Chat, Fault> {
    if options.quic != "off" {
        return Err("this build has no QUIC yet: leave --quic out, or say --quic off".into());
    }
    if options.bus != "local:" {
        return Err(format!("there is no bus `{}`: use `local:`", options.bus).into());
    }
    make_private_dir(&options.data)?;
    let under = |name: &str| options.data.join(name);

    let url = options.store.clone();
    let url = url.unwrap_or_else(|| format!("sqlite:{}", under("chat.db").display()));
    let store = chatcore::store::open(&url).await.map_err(|e| with_causes("--store", &e))?;

    let blobs: Arc<dyn BlobStore> = match options.blobs.as_deref() {
        None => Arc::new(FileBlobs::open(under("files")).await?),
        Some("memory:") => Arc::new(MemoryBlobs::default()),
        Some(url) => match url.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Arc::new(FileBlobs::open(path).await?),
            _ => return Err("--blobs takes `file:DIR` or `memory:`".into()),
        },
    };

    let outbox = match options.mail.as_deref() {
        None => under("outbox"),
        Some(url) => match url.strip_prefix("outbox:") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => return Err("--mail takes `outbox:DIR`".into()),
        },
    };
    let mailer = OutboxMailer::new(outbox, Arc::new(SystemClock), Arc::new(SystemRandom))
        .with_notice(|mail| {
            println!("mail to {}: {}", mail.to, mail.key.as_deref().unwrap_or(&mail.subject));
        });

    let scheme = if options.tls_cert.is_some() { "https" } else { "http" };
    let public = format!("{scheme}://{}", options.http);
    let public = options.public_url.clone().unwrap_or(public);
    let mut accounts = AccountSettings {
        confirm_link: format!("{}/auth/confirm?token=", public.trim_end_matches('/')),
        ..AccountSettings::default()
    };
    let mut limits = Limits::default();
    if options.limits == Switch::Off {
        accounts.rates = RateLimits::off();
        accounts.max_sessions = 1 << 20;
        limits.turns_per_user = None;
    }
    Ok(Chat::builder(store)
        .blobs(blobs)
        .mailer(Arc::new(mailer))
        .secret(secret(&under("secret"))?)
        .account_settings(accounts)
        .limits(limits)
        .build()
        .await?)
}

fn with_causes(flag: &str, error: &dyn Error) -> String {
    let mut said = format!("{flag}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

fn make_private_dir(path: &Path) -> Result<(), Fault> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| {
        format!("cannot make the folder {}: {e}; choose another with --data", path.display()).into()
    })
}

/// The secret that tokens are signed with: made at the first start, for the owner's eyes only.
fn secret(path: &Path) -> Result<Secret, Fault> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Secret::new(bytes).map_err(|e| {
            format!("{} is damaged: {e}; delete it to make a new one", path.display())
        })?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let secret = Secret::random(&SystemRandom);
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(secret.expose())?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(e) => Err(format!("cannot read {}: {e}", path.display()).into()),
    }
}

fn greeting(http: SocketAddr, options: &Options) -> String {
    let data = options.data.display();
    let s = if options.tls_cert.is_some() { "s" } else { "" };
    format!(
        "chatcore serves\n\
         \x20 page       http{s}://{http}/\n\
         \x20 WebSocket  ws{s}://{http}/ws   (chatcore.v1.json, chatcore.v1.msgpack)\n\
         \x20 REST       http{s}://{http}/api/v1   described by /api/v1/openapi.json\n\
         \x20 data       {data}\n\
         Try first: open the page in two browsers, or\n\
         \x20 curl -s http{s}://{http}/auth/register -H 'content-type: application/json' \\\n\
         \x20   -d '{{\"nickName\":\"Ann\",\"userName\":\"ann\",\"password\":\"correct horse\",\"confirmPassword\":\"correct horse\"}}'"
    )
}

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = term.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a handler for it the signal ends the process by itself.
    let _ = tokio::signal::ctrl_c().await;
}
