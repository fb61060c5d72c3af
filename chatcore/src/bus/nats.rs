//! A bus over NATS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;

use super::{Bus, BusError, Following, Topic};

/// Hints of one topic that may wait to be heard; more are dropped and counted.
const WAITING: usize = 1024;

/// How long a hint, or the wish to follow a topic, waits for a place in the queue of the connection.
const PATIENCE: Duration = Duration::from_millis(250);

/// How often the server is asked whether it is there; after two without an answer it is given up.
const PING: Duration = Duration::from_secs(2);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to connect; each is cut short at random.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The subjects' first part, unless the URL names another.
const PREFIX: &str = "chatcore";

/// Carries hints over NATS (core, without JetStream: what is lost is in the log).
///
/// It connects, and connects again, for ever and in the background. While there is no connection nothing
/// is kept to be told later: it would be old by then.
#[derive(Debug)]
pub struct NatsBus {
    client: Client,
    prefix: String,
    lost: Arc<AtomicU64>,
}

impl NatsBus {
    /// A bus over the servers that `url` names; see [`open`](super::open).
    ///
    /// # Errors
    /// [`BusError::Unusable`], which never shows the password.
    pub async fn open(url: &str) -> Result<Self, BusError> {
        let Address { servers, login, prefix } = Address::parse(url)?;
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let options = ConnectOptions::new()
            .name("chatcore")
            .no_echo()
            .retry_on_initial_connect()
            .max_reconnects(None)
            .subscription_capacity(WAITING)
            .client_capacity(WAITING)
            .connection_timeout(CONNECT)
            .ping_interval(PING)
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                note(&event, &counted);
                std::future::ready(())
            });
        let options = match login {
            Some(Login::Password(user, password)) => options.user_and_password(user, password),
            Some(Login::Token(token)) => options.token(token),
            None => options,
        };
        let client = options.connect(servers).await.map_err(|error| {
            BusError::Unusable(format!("NATS cannot be set up: {:?}", error.kind()))
        })?;
        Ok(Self { client, prefix, lost })
    }

    /// A bus over a connection of the host's own, with subjects under `prefix`. What is lost because this
    /// node is slow is then not counted; set `no_echo`, or each hint comes back to who told it.
    ///
    /// # Errors
    /// [`BusError::Unusable`] unless `prefix` is 1 to 64 of `A-Z a-z 0-9 - _` and single dots between.
    pub fn new(client: Client, prefix: &str) -> Result<Self, BusError> {
        Ok(Self { client, prefix: sound_prefix(prefix)?, lost: Arc::default() })
    }

    fn subject(&self, topic: &Topic) -> String {
        format!("{}.{topic}", self.prefix)
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn tell(&self, topic: &Topic, hint: Bytes) -> Result<(), BusError> {
        if !self.is_up() {
            return Err(BusError::Unavailable);
        }
        let told = self.client.publish(self.subject(topic), hint);
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(BusError::Unavailable),
        }
    }

    async fn follow(&self, topic: &Topic) -> Result<Following, BusError> {
        let followed = self.client.subscribe(self.subject(topic));
        match tokio::time::timeout(PATIENCE, followed).await {
            Ok(Ok(hints)) => Ok(hints.map(|message| message.payload).boxed()),
            Ok(Err(_)) | Err(_) => Err(BusError::Unavailable),
        }
    }

    fn largest(&self) -> usize {
        self.client.max_payload()
    }

    fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The pause before an attempt to connect: longer each time, and never in step with other nodes.
fn pause(attempts: usize) -> Duration {
    use crate::clock::{Random as _, SystemRandom};
    let longest = LONGEST_PAUSE.min(Duration::from_millis(50) * (1 << attempts.min(6)));
    let mut byte = [0];
    SystemRandom.fill(&mut byte);
    longest.mul_f64(0.5 + f64::from(byte[0]) / 510.0)
}

fn note(event: &Event, lost: &AtomicU64) {
    match event {
        Event::SlowConsumer(_) => {
            lost.fetch_add(1, Ordering::Relaxed);
        }
        Event::Connected => tracing::info!("the bus is connected"),
        Event::Disconnected => tracing::warn!("the bus is down; other nodes are heard by the log"),
        other => tracing::warn!(event = %other, "the bus"),
    }
}

/// What a URL says.
struct Address {
    servers: Vec<ServerAddr>,
    login: Option<Login>,
    prefix: String,
}

enum Login {
    Password(String, String),
    Token(String),
}

impl Address {
    fn parse(url: &str) -> Result<Self, BusError> {
        let wrong = || {
            let shape = "say nats://[USER:PASSWORD@]HOST[:PORT][,HOST…][/PREFIX], or tls://…";
            BusError::Unusable(shape.into())
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(|text| text.into_owned())
                .map_err(|_| wrong())
        };
        let login = match login.map(|login| login.split_once(':').ok_or(login)) {
            Some(Ok((user, password))) => Some(Login::Password(decoded(user)?, decoded(password)?)),
            Some(Err(token)) => Some(Login::Token(decoded(token)?)),
            None => None,
        };
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = if prefix.is_empty() { PREFIX } else { prefix.trim_end_matches('/') };
        let server = |host: &str| {
            let sound = !host.is_empty() && !host.contains(['?', '#', '/']);
            let server = sound.then(|| format!("{scheme}://{host}").parse::<ServerAddr>());
            server.and_then(Result::ok).ok_or_else(wrong)
        };
        let servers = hosts.split(',').map(server).collect::<Result<_, _>>()?;
        Ok(Self { servers, login, prefix: sound_prefix(prefix)? })
    }
}

fn sound_prefix(prefix: &str) -> Result<String, BusError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let sound = prefix.len() <= 64
        && prefix.split('.').all(|part| !part.is_empty() && part.bytes().all(word));
    if sound {
        Ok(prefix.to_owned())
    } else {
        let rule = "its prefix must be 1 to 64 of A-Z a-z 0-9 - _ and single dots between";
        Err(BusError::Unusable(rule.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_a_login_and_a_prefix() {
        let address = Address::parse("nats://ann:p%40ss@one:4222,two/my.chat").expect("sound");
        let hosts: Vec<_> = address.servers.iter().map(|s| (s.host(), s.port())).collect();
        assert_eq!(hosts, [("one", 4222), ("two", 4222)]);
        assert!(matches!(address.login, Some(Login::Password(user, password))
            if user == "ann" && password == "p@ss"));
        assert_eq!(address.prefix, "my.chat");
        let address = Address::parse("tls://s3cret@host").expect("sound");
        assert!(matches!(address.login, Some(Login::Token(token)) if token == "s3cret"));
        assert_eq!(address.prefix, "chatcore");
        assert!(address.servers[0].tls_required());
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "nats://",
            "nats://ann:hunter2@",
            "nats://ann:hunter2@host/a..b",
            "nats://ann:hunter2@host/a*",
            "nats://ann:hunter2@host/a.>",
            "nats://ann:hunter2@host/a b",
            "nats://ann:hunter2@host:port",
            "nats://ann:hunter2@host?x",
            "http://ann:hunter2@host",
            "nats:host",
        ] {
            let error = Address::parse(url).map(|_| ()).expect_err(url).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(sound_prefix(&"x".repeat(65)).is_err());
    }

    #[test]
    fn pauses_grow_and_stay_short() {
        for attempts in 0..200 {
            assert!((Duration::from_millis(25)..=LONGEST_PAUSE).contains(&pause(attempts)));
        }
    }

    /// Nobody is there to connect to: it opens all the same, says that it is down, and takes nothing.
    #[tokio::test]
    async fn a_bus_that_cannot_be_reached_opens_and_is_down() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("bound").port();
        drop(socket);
        let url = format!("nats://ann:hunter2@127.0.0.1:{port}");
        let bus = NatsBus::open(&url).await.expect("it opens");
        assert!(!bus.is_up());
        assert!(bus.tell(&Topic::Sessions, "x".into()).await.is_err());
        assert!(!format!("{bus:?}").contains("hunter2"));
    }
}
