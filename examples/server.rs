//! The chat server: HTTP, WebSocket and QUIC, data in a folder, nothing to install.
//!
//! ```sh
//! cargo run --release --example server
//! cargo run --release --example server -- --help
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chatcore::Chat;
use chatcore::account::{AccountSettings, LoginName, RateLimits, Secret};
use chatcore::attachment::blobs::{BlobStore, FileBlobs};
use chatcore::attachment::{AttachmentLimits, Thumbnails};
use chatcore::chat::ChatBuilder;
use chatcore::clock::{SystemClock, SystemRandom};
use chatcore::limits::Limits;
use chatcore::mail::{Mailer, OutboxMailer};
use chatcore_quic::Certificate;
use chatcore_quic::server::SelfSigned;
use chatcore_warp::body::BodyLimits;
use chatcore_warp::serve::{ServeConfig, Stopped, TrustedProxies, serve};
#[cfg(feature = "tls")]
use chatcore_warp::serve::{Tls, serve_with};
use chatcore_warp::{Config, routes};
use clap::{Parser, ValueEnum};
use futures_util::FutureExt as _;
use tokio::net::TcpListener;

/// A chat server: accounts, rooms, messages and files over HTTP, WebSocket and QUIC.
#[derive(Debug, Parser)]
#[command(name = "server", version)]
struct Options {
    /// Where to listen for HTTP and WebSocket.
    #[arg(long, env = "CHATCORE_HTTP", default_value = "127.0.0.1:3030", value_name = "ADDR")]
    http: SocketAddr,

    /// Where to listen for QUIC (UDP), or `off`.
    #[arg(long, env = "CHATCORE_QUIC", default_value = "127.0.0.1:4433", value_name = "ADDR|off")]
    quic: Quic,

    /// Where everything is kept; made if it is not there.
    #[arg(long, env = "CHATCORE_DATA", default_value = "chatcore-data", value_name = "DIR")]
    data: PathBuf,

    /// Where accounts, rooms and messages are kept: `sqlite:PATH`, `memory:`, or with `--features
    /// postgres` `postgres://USER:PASSWORD@HOST/DATABASE` [default: sqlite:DATA/chat.db]
    #[arg(long, env = "CHATCORE_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Where the bytes of files are kept: `file:DIR`, `memory:`, or, with `--features s3`,
    /// `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`, its keys in AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY; `links=SECONDS` sends downloads to the bucket [default: file:DATA/files]
    #[arg(long, env = "CHATCORE_BLOBS", value_name = "URL", hide_env_values = true)]
    blobs: Option<String>,

    /// The longest file, in MiB.
    #[arg(long, env = "CHATCORE_MAX_FILE", default_value = "20", value_name = "MIB",
          value_parser = clap::value_parser!(u64).range(1..=10_240))]
    max_file: u64,

    /// Make small pictures of the images that are uploaded; one that is being made may take 192 MiB of
    /// memory, and two are made at once.
    #[arg(
        long,
        env = "CHATCORE_THUMBNAILS",
        value_enum,
        default_value = "on",
        value_name = "ON|OFF"
    )]
    thumbnails: Switch,

    /// How nodes over one store tell each other what happens: with one node, `local:`; with several over
    /// PostgreSQL and `--features nats`, `nats://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`
    #[arg(
        long,
        env = "CHATCORE_BUS",
        default_value = "local:",
        value_name = "URL",
        hide_env_values = true
    )]
    bus: String,

    /// Who carries mail: `outbox:DIR` writes it into a folder and prints its codes; with
    /// `--features smtp`, `smtps://NAME:PASSWORD@HOST?from=ADDRESS` sends it, by way of DATA/spool, and
    /// `smtp:` does so with STARTTLS [default: outbox:DATA/outbox]
    #[arg(long, env = "CHATCORE_MAIL", value_name = "URL", hide_env_values = true)]
    mail: Option<String>,

    /// With `--features webhook`: where to post what is said, over HTTPS or HTTP; needs
    /// --webhook-secret-file. Any address may be named, inner ones too
    #[arg(
        long,
        env = "CHATCORE_WEBHOOK",
        value_name = "URL",
        hide_env_values = true,
        requires = "webhook_secret_file"
    )]
    webhook: Option<String>,

    /// The secrets that webhooks are signed with, a line each (the new one and the old one while they are
    /// exchanged): 24 to 64 bytes in Base64, as `openssl rand -base64 32` makes them.
    #[arg(long, env = "CHATCORE_WEBHOOK_SECRET_FILE", value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,

    /// The address by which others reach this server, for links in mails [default: that of --http]
    #[arg(long, env = "CHATCORE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// A web origin, such as https://example.org, whose pages may call this server; may be repeated.
    #[arg(long, env = "CHATCORE_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// The address or block of a proxy whose X-Forwarded-For is believed; may be repeated.
    #[arg(long, env = "CHATCORE_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR")]
    trusted_proxy: Vec<String>,

    /// The certificate chain to serve HTTPS and QUIC under, in PEM form; HTTPS needs `--features tls`.
    /// It and its key are read anew on SIGHUP
    /// [default: plain HTTP, and QUIC under a certificate of its own, kept in DATA]
    #[arg(long, env = "CHATCORE_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of that certificate, in PEM form.
    #[arg(long, env = "CHATCORE_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Seconds after which messages are removed where a room does not say otherwise
    /// [default: they are kept for ever]
    #[arg(long, env = "CHATCORE_RETENTION", value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(3_600..=315_360_000))]
    retention: Option<u64>,

    /// The handle of someone who is to be an admin, if there is such an account; may be repeated. Whoever
    /// is one stays it.
    #[arg(long, env = "CHATCORE_ADMIN", value_delimiter = ',', value_name = "HANDLE")]
    admin: Vec<String>,

    /// Limits per user and per address; `off` lifts them, for load tests.
    #[arg(long, env = "CHATCORE_LIMITS", default_value = "on", value_name = "on|off")]
    limits: Switch,

    /// What the log on standard error looks like: lines for people, or a JSON object a line. `RUST_LOG`
    /// says how much there is of it.
    #[arg(long, env = "CHATCORE_LOG_FORMAT", default_value = "text", value_name = "text|json")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug)]
enum Quic {
    At(SocketAddr),
    Off,
}

impl FromStr for Quic {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| "say ADDRESS:PORT, or off"),
        }
    }
}

type Fault = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,sqlx=warn".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    if let Err(fault) = run(options).await {
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
    let file = options.max_file << 20;
    // A body may hold the longest file and what goes along with it.
    let bodies = BodyLimits::default()
        .with_spool_dir(&options.data)
        .with_file(file)
        .with_upload((64 << 20).max(file + (1 << 20)));
    let mut web = Config::default()
        .standalone()
        .with_body_limits(bodies)
        .with_allowed_origins(&options.allow_origin)?;
    let mut serving =
        ServeConfig::default().with_trusted_proxies(TrustedProxies::parse(&options.trusted_proxy)?);
    if options.limits == Switch::Off {
        serving = serving.with_max_connections(1 << 20).with_max_per_address(1 << 20);
        web = web.without_limits();
    }
    let quic = quic(&options)?;
    println!("{}", greeting(http, quic.as_ref(), &options)?);

    let stop = stop(chat.clone()).boxed().shared();
    let native = serve_quic(quic, &options, chat.clone(), stop.clone());
    let web = async {
        match (&options.tls_cert, &options.tls_key) {
            (Some(chain), Some(key)) => {
                serve_tls(listener, chat.clone(), web, serving, (chain, key), stop).await
            }
            _ => Ok(serve(listener, routes(chat.clone(), web), serving, stop).await),
        }
    };
    let (stopped, drained) = tokio::try_join!(web, native)?;
    chat.shutdown().await;
    match stopped {
        Stopped::Drained if drained => println!("stopped; everything acknowledged is on disk"),
        _ => println!("stopped; some connections were cut, and can resume"),
    }
    Ok(())
}

/// The socket for QUIC and what to show on it, unless it is off.
fn quic(options: &Options) -> Result<Option<Native>, Fault> {
    let Quic::At(address) = options.quic else { return Ok(None) };
    let socket = UdpSocket::bind(address).map_err(|e| {
        format!("cannot listen for QUIC on {address}: {e}; choose another with --quic ADDR, or say --quic off")
    })?;
    let (chain, key) = match (&options.tls_cert, &options.tls_key) {
        (Some(chain), Some(key)) => (chain.clone(), key.clone()),
        _ => own_certificate(&options.data)?,
    };
    let certificate = Certificate::from_pem(&read(&chain)?, &read(&key)?)
        .map_err(|e| with_causes(&format!("{}, {}", chain.display(), key.display()), &e))?;
    Ok(Some(Native { socket, certificate, chain, key }))
}

/// What QUIC is served with.
struct Native {
    socket: UdpSocket,
    certificate: Certificate,
    /// Where its certificate and the key come from.
    chain: PathBuf,
    key: PathBuf,
}

/// Serves QUIC, if it is on. Returns whether every connection ended by itself.
async fn serve_quic(
    quic: Option<Native>,
    options: &Options,
    chat: Chat,
    stop: impl Future<Output = ()>,
) -> Result<bool, Fault> {
    let Some(Native { socket, certificate, chain, key }) = quic else { return Ok(true) };
    let reset_key = reset_key(&options.data.join("quic-reset-key"))?;
    let mut config = chatcore_quic::Config::new(certificate.clone()).with_reset_key(reset_key);
    if options.limits == Switch::Off {
        config = config
            .with_max_connections(1 << 20)
            .with_max_per_address(1 << 20)
            .with_max_handshakes(1 << 20)
            .with_retry_above(1 << 20);
    }
    let reloading = on_hangup("QUIC", || {
        certificate.replace(&read(&chain)?, &read(&key)?)?;
        Ok(format!("certificate SHA-256 {}", certificate.fingerprint()))
    });
    let stopped = tokio::select! {
        stopped = chatcore_quic::serve(socket, chat, config, stop) => stopped,
        never = reloading => match never {},
    };
    let stopped = stopped.map_err(|e| format!("QUIC: {e}; --quic off serves without it"))?;
    Ok(stopped == chatcore_quic::Stopped::Drained)
}

/// A certificate that nobody vouches for, made at the first start, so that clients that were told its
/// fingerprint know the server again: the file that it and its key are in. Without that file, another is
/// made.
fn own_certificate(data: &Path) -> Result<(PathBuf, PathBuf), Fault> {
    let path = data.join("quic.pem");
    if !path.exists() {
        let made = SelfSigned::make()?;
        write_private(&path, (made.chain + &made.key).as_bytes())?;
    }
    Ok((path.clone(), path))
}

/// Has something read anew whenever the process gets a SIGHUP, where there is such a thing, and says what
/// came of it.
async fn on_hangup(what: &str, reload: impl Fn() -> Result<String, Fault>) -> Infallible {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hangup) = signal(SignalKind::hangup()) {
            while hangup.recv().await.is_some() {
                match reload() {
                    Ok(said) => println!("{what}: read anew: {said}"),
                    Err(e) => eprintln!("{}; it goes on as before", with_causes(what, &*e)),
                }
            }
        }
    }
    std::future::pending().await
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

#[cfg(feature = "tls")]
async fn serve_tls(
    listener: TcpListener,
    chat: Chat,
    web: Config,
    serving: ServeConfig,
    (chain, key): (&Path, &Path),
    stop: impl Future<Output = ()>,
) -> Result<Stopped, Fault> {
    let tls = Tls::from_pem(&read(chain)?, &read(key)?)
        .map_err(|e| with_causes("--tls-cert, --tls-key", &e))?;
    let reloading = on_hangup("HTTPS", || {
        tls.replace(&read(chain)?, &read(key)?)?;
        Ok("the certificate".into())
    });
    tokio::select! {
        stopped = serve_with(listener, tls.clone(), routes(chat, web), serving, stop) => Ok(stopped),
        never = reloading => match never {},
    }
}

#[cfg(not(feature = "tls"))]
async fn serve_tls(
    _: TcpListener,
    _: Chat,
    _: Config,
    _: ServeConfig,
    _: (&Path, &Path),
    _: impl Future<Output = ()>,
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
    make_private_dir(&options.data)?;
    let under = |name: &str| options.data.join(name);

    let url = options.store.clone();
    let url = url.unwrap_or_else(|| format!("sqlite:{}", under("chat.db").display()));
    // Before the store is opened: nobody shall write to one that looks shared and is not.
    if options.bus != "local:" && !is_shared(&url) {
        return Err(
            "--bus: no other node can open this store, which is of this process or this machine \
                    alone: use --store postgres://…, or leave --bus at `local:`"
                .into(),
        );
    }
    let store = chatcore::store::open(&url).await.map_err(|e| with_causes("--store", &e))?;
    let bus = chatcore::bus::open(&options.bus).await.map_err(|e| with_causes("--bus", &e))?;

    let blobs: Arc<dyn BlobStore> = match options.blobs.as_deref() {
        None => Arc::new(FileBlobs::open(under("files")).await?),
        Some(url) => {
            chatcore::attachment::blobs::open(url).await.map_err(|e| with_causes("--blobs", &e))?
        }
    };

    let mailer: Arc<dyn Mailer> =
        match options.mail.as_deref().map(|url| (url, url.split_once(':'))) {
            None => outbox(under("outbox")),
            Some((_, Some(("outbox", path)))) if !path.is_empty() => outbox(PathBuf::from(path)),
            Some((url, Some(("smtp" | "smtps", _)))) => smtp(url, &under("spool")).await?,
            // Not shown: it may hold a password.
            Some(_) => return Err("--mail takes `outbox:DIR`, `smtp://…` or `smtps://…`".into()),
        };

    let scheme = if options.tls_cert.is_some() { "https" } else { "http" };
    let public = format!("{scheme}://{}", options.http);
    let public = options.public_url.clone().unwrap_or(public);
    let mut accounts = AccountSettings {
        confirm_link: format!("{}/auth/confirm?token=", public.trim_end_matches('/')),
        ..AccountSettings::default()
    };
    let mut files = AttachmentLimits::default();
    files.file_bytes = options.max_file << 20;
    files.waiting_bytes = files.waiting_bytes.max(2 * files.file_bytes);
    let mut limits = Limits::default();
    limits.retention = options.retention.map(Duration::from_secs);
    if options.limits == Switch::Off {
        accounts.rates = RateLimits::off();
        accounts.max_sessions = 1 << 20;
        limits.turns_per_user = None;
        limits.invite_codes = None;
        limits.reports_per_user = None;
        limits.exports_per_user = None;
    }
    let mut chat = Chat::builder(store);
    if let (Some(url), Some(secrets)) = (&options.webhook, &options.webhook_secret_file) {
        chat = webhook(chat, url, secrets)?;
    }
    let chat = chat
        .bus(bus)
        .blobs(blobs)
        .mailer(mailer)
        .secret(secret(&under("secret"))?)
        .account_settings(accounts)
        .attachment_limits(files)
        .thumbnails((options.thumbnails == Switch::On).then(Thumbnails::default))
        .limits(limits)
        .build()
        .await?;
    for handle in &options.admin {
        let named = chat.accounts().find(&LoginName::Handle(handle.clone())).await?;
        match named {
            Some(account) => chat.set_admin(&account.id, true).await?,
            None => eprintln!(
                "server: --admin {handle}: nobody has this handle yet; register, then start again"
            ),
        }
    }
    Ok(chat)
}

/// Whether several nodes can have the store open at once.
fn is_shared(store: &str) -> bool {
    matches!(store.split_once(':'), Some(("postgres" | "postgresql", _)))
}

/// Has everything told to a URL. Who starts a server may name any address.
#[cfg(feature = "webhook")]
fn webhook(chat: ChatBuilder, url: &str, secrets: &Path) -> Result<ChatBuilder, Fault> {
    use chatcore::hook::webhook::{Webhook, WebhookOptions, WebhookSecret};
    let text = String::from_utf8(read(secrets)?)
        .map_err(|_| format!("--webhook-secret-file: {} is no text", secrets.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let secrets: Vec<_> = lines
        .map(WebhookSecret::parse)
        .collect::<Result<_, _>>()
        .map_err(|e| with_causes("--webhook-secret-file", &e))?;
    let options = WebhookOptions::default().with_private_addresses();
    let hook = Webhook::new(url, secrets, options).map_err(|e| with_causes("--webhook", &e))?;
    Ok(chat.after_commit("webhook", Arc::new(hook)))
}

#[cfg(not(feature = "webhook"))]
fn webhook(_: ChatBuilder, _: &str, _: &Path) -> Result<ChatBuilder, Fault> {
    Err("--webhook: this build has no webhooks: run it with --features webhook".into())
}

/// Writes mail into a folder, and prints what is in it to be typed.
fn outbox(folder: PathBuf) -> Arc<dyn Mailer> {
    let outbox = OutboxMailer::new(folder, Arc::new(SystemClock), Arc::new(SystemRandom));
    Arc::new(outbox.with_notice(|mail| {
        println!("mail to {}: {}", mail.to, mail.key.as_deref().unwrap_or(&mail.subject));
    }))
}

#[cfg(feature = "smtp")]
async fn smtp(url: &str, spool: &Path) -> Result<Arc<dyn Mailer>, Fault> {
    use chatcore::mail::{SmtpMailer, SmtpOptions};
    let opened = async {
        let options = SmtpOptions::parse(url)?;
        SmtpMailer::open(options, spool, Arc::new(SystemClock), Arc::new(SystemRandom)).await
    };
    Ok(Arc::new(opened.await.map_err(|e| with_causes("--mail", &e))?))
}

#[cfg(not(feature = "smtp"))]
async fn smtp(_: &str, _: &Path) -> Result<Arc<dyn Mailer>, Fault> {
    Err("--mail: this build has no SMTP: run it with --features smtp, or use `outbox:DIR`".into())
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
            write_private(path, secret.expose())?;
            Ok(secret)
        }
        Err(e) => Err(format!("cannot read {}: {e}", path.display()).into()),
    }
}

/// The key of this server alone by which clients of a process that was killed are told so by the next one.
fn reset_key(path: &Path) -> Result<[u8; 32], Fault> {
    let damaged = || format!("{} is damaged; delete it to make a new one", path.display());
    let key = secret(path)?;
    Ok(key.expose().first_chunk().copied().ok_or_else(damaged)?)
}

/// Makes a file for the owner's eyes only.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn greeting(http: SocketAddr, quic: Option<&Native>, options: &Options) -> Result<String, Fault> {
    let quic = match quic {
        Some(Native { socket, certificate, .. }) => {
            format!(
                "{}   (chatcore/1)\n\x20            certificate SHA-256 {}",
                socket.local_addr()?,
                certificate.fingerprint()
            )
        }
        None => "off".to_owned(),
    };
    let data = options.data.display();
    let s = if options.tls_cert.is_some() { "s" } else { "" };
    Ok(format!(
        "chatcore serves\n\
         \x20 page       http{s}://{http}/\n\
         \x20 WebSocket  ws{s}://{http}/ws   (chatcore.v1.json, chatcore.v1.msgpack)\n\
         \x20 QUIC       {quic}\n\
         \x20 REST       http{s}://{http}/api/v1   described by /api/v1/openapi.json\n\
         \x20 data       {data}\n\
         Try first: open the page in two browsers, or\n\
         \x20 curl -s http{s}://{http}/auth/register -H 'content-type: application/json' \\\n\
         \x20   -d '{{\"nickName\":\"Ann\",\"userName\":\"ann\",\"password\":\"correct horse\",\"confirmPassword\":\"correct horse\"}}'"
    ))
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
