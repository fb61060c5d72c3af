//! Nodes and what they share.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use chatcore_quic::client::{Client, QuicLink, Trust};
use chatcore_servers::{Nats, Postgres};
use chatcore_tests::proxy::{Proxy, Server as Behind};
use chatcore_tests::{Http, Person, Server};
use tempfile::TempDir;

/// How many nodes there are.
pub(crate) const NODES: usize = 3;

/// Nodes of one chat.
pub(crate) struct Site {
    // Before what they use, so that they end before it.
    pub(crate) nodes: Vec<Server>,
    pub(crate) map: Map,
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    /// Between the last node and the others' PostgreSQL and NATS, where there is one.
    pub(crate) between: Option<Between>,
    _files: TempDir,
}

/// What stands between one node and what all share.
pub(crate) struct Between {
    pub(crate) postgres: Proxy,
    pub(crate) nats: Proxy,
}

/// Where the nodes are, for those who look for one.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) http: Vec<SocketAddr>,
    quic: Vec<String>,
    pin: String,
}

impl Site {
    /// Starts them; none, having said so, where a server is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(false).await
    }

    /// The same, with proxies before what the last node uses.
    pub(crate) async fn start_parted() -> Option<Self> {
        Self::start_with(true).await
    }

    async fn start_with(parted: bool) -> Option<Self> {
        let (postgres, nats) = (Postgres::start()?, Nats::start()?);
        let files = tempfile::tempdir().expect("a temporary directory");
        let between = if parted { Some(Between::start(&postgres, &nats).await) } else { None };
        let mut site = Self {
            nodes: Vec::new(),
            map: Map { http: Vec::new(), quic: Vec::new(), pin: String::new() },
            nats,
            postgres,
            between,
            _files: files,
        };
        for number in 0..NODES {
            site.start_node(number).await;
        }
        site.map.http = site.nodes.iter().map(Server::address).collect();
        for node in &mut site.nodes {
            let (address, pin) = node.quic();
            site.map.quic.push(address);
            site.map.pin = pin;
        }
        Some(site)
    }

    async fn start_node(&mut self, number: usize) {
        let (mut store, mut bus) = (self.postgres.url(), self.nats.url());
        if let Some(between) = self.between.as_ref().filter(|_| number + 1 == NODES) {
            store = format!("postgres://postgres@{}/postgres", between.postgres.address());
            let (login, _) = bus.rsplit_once('@').expect("a login");
            bus = format!("{login}@{}", between.nats.address());
        }
        let quic = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = quic.local_addr().expect("it is bound").to_string();
        drop(quic);
        let blobs = format!("file:{}", self._files.path().display());
        let arguments = [
            ["--limits", "off"],
            ["--store", &store],
            ["--bus", &bus],
            ["--blobs", &blobs],
            ["--quic", &address],
        ];
        let node = match self.nodes.first() {
            None => Server::start_with(arguments.as_flattened()).await,
            Some(first) => Server::start_beside(first, arguments.as_flattened()).await,
        };
        self.nodes.push(node);
    }

    /// A client for the HTTP side of a node.
    pub(crate) fn http(&self, node: usize) -> Http {
        self.nodes[node].http()
    }
}

impl Between {
    async fn start(postgres: &Postgres, nats: &Nats) -> Self {
        let url = nats.url();
        let address = url.rsplit_once('@').and_then(|(_, address)| address.parse().ok());
        Self {
            postgres: Proxy::start(Behind::Unix(postgres.socket())).await,
            nats: Proxy::start(Behind::Tcp(address.expect("an address"))).await,
        }
    }
}

impl Map {
    /// `person` as seen by a node.
    pub(crate) fn at(&self, node: usize, person: &Person) -> Person {
        let http = Http::new(self.http[node]).with_token(person.token.clone());
        Person { http, ..person.clone() }
    }

    /// A client over QUIC that knows all nodes, and begins with this one.
    pub(crate) fn quic(&self, node: usize, person: &Person, device: &str) -> Client {
        let mut servers: Vec<&str> = self.quic.iter().map(String::as_str).collect();
        servers.rotate_left(node % NODES);
        let trust: Trust = self.pin.parse().expect("a fingerprint");
        let link = QuicLink::to_any(&servers, trust).expect("a socket");
        Client::builder()
            .token(person.token.clone())
            .device(device)
            .heartbeat(Duration::from_secs(2))
            .backoff(Duration::from_millis(50), Duration::from_secs(1))
            .connect(link)
            .expect("sound settings")
    }

    /// The same that knows this node alone.
    pub(crate) fn quic_at(&self, node: usize, person: &Person, device: &str) -> Client {
        let trust: Trust = self.pin.parse().expect("a fingerprint");
        let link = QuicLink::new(&self.quic[node], trust).expect("a socket");
        let builder = Client::builder().token(person.token.clone()).device(device);
        builder.connect(link).expect("sound settings")
    }
}
