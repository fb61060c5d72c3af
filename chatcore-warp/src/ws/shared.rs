//! A TCP connection that two may write to in turn: the task that serves it, and the hub.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use chatcore::connection::Sink;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The connection itself: what the hub writes to.
#[derive(Debug)]
pub(super) struct Tcp(TcpStream);

/// The task's handle to it. The task is the only one that waits for readiness.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Tcp>);

impl Shared {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self(Arc::new(Tcp(tcp)))
    }

    /// The hub's handle to it.
    pub(super) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.0) as _
    }

    fn tcp(&self) -> &TcpStream {
        &self.0.0
    }

    /// Writes at once. A single piece goes by `send`, which the kernel has less to do for.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.tcp().try_write(one),
            several => self.tcp().try_write_vectored(several),
        }
    }
}

/// No signal if the peer is gone: a host may not ignore `SIGPIPE`.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl Sink for Tcp {
    /// Past what the runtime knows of the socket's readiness: that would be one more thing to fetch
    /// into the cache for each of a thousand connections. The task finds out by itself.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.0);
        match slices {
            [one] => socket.send_with_flags(one, libc::MSG_NOSIGNAL),
            several => socket.send_vectored_with_flags(several, libc::MSG_NOSIGNAL),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Sink for Tcp {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.tcp().poll_read_ready(cx))?;
            match self.tcp().try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp().poll_write_ready(cx))?;
            match Shared::try_write(&self, slices) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match SockRef::from(self.tcp()).shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == ErrorKind::NotConnected => Poll::Ready(Ok(())),
            shut => Poll::Ready(shut),
        }
    }
}
