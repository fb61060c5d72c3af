//! A way between a client and a server on which datagrams are written down, held back and told again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// How long what the server says first is on its way to the client.
const DISTANCE: Duration = Duration::from_millis(50);

/// What becomes of what the client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It arrives.
    Pass,
    /// It arrives until the client has heard the first of the server; then it waits.
    FirstFlight,
    /// None of it arrives.
    Nothing,
}

/// Relays one connection after another.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where clients find it.
    pub(crate) address: SocketAddr,
    server: SocketAddr,
    shared: Arc<Shared>,
    tasks: Mutex<Vec<AbortHandle>>,
}

#[derive(Debug)]
struct Shared {
    front: UdpSocket,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    back: Arc<UdpSocket>,
    client: Option<SocketAddr>,
    /// The server has said something.
    replied: bool,
    first_flight: Vec<Vec<u8>>,
    held: Vec<Vec<u8>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("sound")
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free")
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let front = socket().await;
        let address = front.local_addr().expect("bound");
        let state = Mutex::new(State {
            mode: Mode::Pass,
            back: Arc::new(socket().await),
            client: None,
            replied: false,
            first_flight: Vec::new(),
            held: Vec::new(),
        });
        let relay = Self {
            address,
            server,
            shared: Arc::new(Shared { front, state }),
            tasks: Mutex::default(),
        };
        relay.spawn(up(Arc::clone(&relay.shared), server));
        relay.begin(Mode::Pass).await;
        relay
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().expect("sound").push(tokio::spawn(task).abort_handle());
    }

    /// The next connection begins, and comes to the server from another address.
    pub(crate) async fn begin(&self, mode: Mode) {
        let back = Arc::new(socket().await);
        let mut state = self.shared.state();
        (state.mode, state.replied) = (mode, false);
        (state.first_flight, state.held) = (Vec::new(), Vec::new());
        state.back = Arc::clone(&back);
        drop(state);
        self.spawn(down(Arc::clone(&self.shared), back));
    }

    /// Lets through what was held back, and all that follows.
    pub(crate) async fn release(&self) {
        let (back, held) = {
            let mut state = self.shared.state();
            state.mode = Mode::Pass;
            (Arc::clone(&state.back), std::mem::take(&mut state.held))
        };
        for datagram in held {
            back.send_to(&datagram, self.server).await.expect("sent");
        }
    }

    /// What the client said before it heard anything.
    pub(crate) fn first_flight(&self) -> Vec<Vec<u8>> {
        self.shared.state().first_flight.clone()
    }

    /// Waits until something waits to be let through.
    pub(crate) async fn holds(&self) {
        while self.shared.state().held.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says to the server what somebody said before, from an address of its own. Returns how many
    /// datagrams came back within a moment.
    pub(crate) async fn replay(&self, datagrams: &[Vec<u8>]) -> usize {
        let stranger = socket().await;
        for datagram in datagrams {
            stranger.send_to(datagram, self.server).await.expect("sent");
        }
        let mut buffer = [0; 2048];
        let mut heard = 0;
        let moment = Duration::from_millis(200);
        while tokio::time::timeout(moment, stranger.recv(&mut buffer)).await.is_ok() {
            heard += 1;
        }
        heard
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.lock().expect("sound").drain(..).for_each(|task| task.abort());
    }
}

/// Whether it belongs to a handshake (RFC 9000, section 17.2), and not to a connection of before that is
/// being closed.
fn is_handshake(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 != 0)
}

async fn up(shared: Arc<Shared>, server: SocketAddr) {
    let mut buffer = vec![0; 2048];
    while let Ok((length, client)) = shared.front.recv_from(&mut buffer).await {
        let datagram = &buffer[..length];
        let back = {
            let mut state = shared.state();
            state.client = Some(client);
            if !state.replied && (is_handshake(datagram) || !state.first_flight.is_empty()) {
                state.first_flight.push(datagram.to_vec());
            }
            match state.mode {
                Mode::Nothing => continue,
                Mode::FirstFlight if state.replied => {
                    state.held.push(datagram.to_vec());
                    continue;
                }
                Mode::FirstFlight | Mode::Pass => Arc::clone(&state.back),
            }
        };
        let _ = back.send_to(datagram, server).await;
    }
}

async fn down(shared: Arc<Shared>, back: Arc<UdpSocket>) {
    let mut buffer = vec![0; 2048];
    while let Ok(length) = back.recv(&mut buffer).await {
        let first = {
            let state = shared.state();
            state.mode == Mode::FirstFlight && !state.replied && Arc::ptr_eq(&state.back, &back)
        };
        if first {
            // As over a network: the client has said what it has to say by then.
            tokio::time::sleep(DISTANCE).await;
        }
        let client = {
            let mut state = shared.state();
            // What is meant for an earlier connection still arrives there.
            if Arc::ptr_eq(&state.back, &back) && is_handshake(&buffer[..length]) {
                state.replied = true;
            }
            state.client
        };
        if let Some(client) = client {
            let _ = shared.front.send_to(&buffer[..length], client).await;
        }
    }
}
