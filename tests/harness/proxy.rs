//! A proxy for connections of one server, which can be told to cut them, and to stall either way.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Those of the client.
    Up,
    /// Those of the server.
    Down,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Server {
    /// At a port.
    Tcp(SocketAddr),
    /// At a socket in the file system.
    Unix(PathBuf),
}

/// How it treats connections.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    /// Nothing goes through, this way and that; connections stay, and new ones are taken.
    stalled: [bool; 2],
    /// New connections are closed at once.
    refusing: bool,
    /// Raised, it ends the connections that there are.
    cuts: u64,
}

/// A proxy on a free port of the loopback, which ends when dropped, with all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    manner: watch::Sender<Manner>,
    task: AbortHandle,
}

/// The most that is read at once, and so on its way within the proxy.
const PIECE: usize = 16 * 1024;

impl Proxy {
    /// Starts one before `server`.
    pub async fn start(server: Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (manner, seen) = watch::channel(Manner::default());
        let task = tokio::spawn(serve(listener, Arc::new(server), seen)).abort_handle();
        Self { address, manner, task }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds back what goes one way. Nothing is lost: it goes on with [`pass`](Self::pass).
    pub fn stall(&self, way: Way) {
        self.manner.send_modify(|manner| manner.stalled[way as usize] = true);
    }

    /// Ends all connections, and takes no further ones until [`pass`](Self::pass).
    pub fn cut(&self) {
        self.manner.send_modify(|manner| {
            manner.refusing = true;
            manner.cuts += 1;
        });
    }

    /// Lets everything through again.
    pub fn pass(&self) {
        self.manner.send_modify(|manner| {
            manner.stalled = [false; 2];
            manner.refusing = false;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: Arc<Server>, manner: watch::Receiver<Manner>) {
    // Dropped with this task, it ends those that it holds.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if !manner.borrow().refusing {
                    connections.spawn(carry(client, Arc::clone(&server), manner.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side ends it or it is cut.
async fn carry(client: TcpStream, server: Arc<Server>, mut manner: watch::Receiver<Manner>) {
    let cuts = manner.borrow().cuts;
    let cut = manner.clone();
    let carried = async {
        client.set_nodelay(true)?;
        match &*server {
            Server::Tcp(address) => {
                let server = TcpStream::connect(address).await?;
                server.set_nodelay(true)?;
                both(client.into_split(), server.into_split(), cut).await
            }
            Server::Unix(path) => {
                both(client.into_split(), UnixStream::connect(path).await?.into_split(), cut).await
            }
        }
    };
    tokio::select! {
        // How it ended is for its two ends to see.
        _ = carried => {}
        _ = manner.wait_for(|manner| manner.cuts != cuts) => {}
    }
}

async fn both<A, B, C, D>(
    client: (A, B),
    server: (C, D),
    manner: watch::Receiver<Manner>,
) -> io::Result<()>
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    let up = pass(client.0, server.1, Way::Up, manner.clone());
    let down = pass(server.0, client.1, Way::Down, manner);
    // One side's end is the end of both: none of the servers here talks on to one who is half gone.
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    mut manner: watch::Receiver<Manner>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        // After it was read: what comes while the way is stalled waits too.
        let open = manner.wait_for(|manner| !manner.stalled[way as usize]).await;
        open.map_err(io::Error::other)?;
        to.write_all(&piece[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    /// A server that says again what it is told.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = peer.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn says(client: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        client.write_all(text).await?;
        hears(client, text.len()).await
    }

    async fn hears(client: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        let mut heard = vec![0; length];
        client.read_exact(&mut heard).await?;
        Ok(heard)
    }

    #[tokio::test]
    async fn it_passes_stalls_each_way_and_cuts() {
        let proxy = Proxy::start(Server::Tcp(echo().await)).await;
        let mut client = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(says(&mut client, b"one").await.expect("passed"), b"one");
        for way in [Way::Up, Way::Down] {
            proxy.stall(way);
            assert!(timeout(MOMENT, says(&mut client, b"two")).await.is_err(), "{way:?}");
            proxy.pass();
            let heard = timeout(10 * MOMENT, hears(&mut client, 3)).await.expect("in time");
            assert_eq!(heard.expect("it was kept"), b"two");
        }
        proxy.cut();
        assert!(says(&mut client, b"three").await.is_err());
        let mut refused = TcpStream::connect(proxy.address()).await.expect("the port is there");
        assert!(says(&mut refused, b"four").await.is_err());
        proxy.pass();
        let mut client = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(says(&mut client, b"five").await.expect("passed"), b"five");
    }
}
