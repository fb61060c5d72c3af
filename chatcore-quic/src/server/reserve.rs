//! Room for what people say, beside the files that a client is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::{Connection, SendStream, WriteError};

use super::config::SEND_WINDOW;
use super::link::write;

/// What files leave free of the connection's window.
///
/// Priorities order what is in the window already. A slow line would keep it full of files, and what is
/// said would wait until it is its turn to get in.
const KEPT_FREE: u64 = 64 * 1024;

/// Keeps a part of a connection's send window out of the reach of files, while there are any.
#[derive(Clone, Debug)]
pub(super) struct Reserve(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Connection,
    /// How many files are sent. Held while anything of them is written.
    files: Mutex<usize>,
}

/// A file that is being sent. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Sending(Arc<Shared>);

/// The whole window, for as long as it is held. No file is written meanwhile.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    connection: &'a Connection,
    _files: MutexGuard<'a, usize>,
}

impl Reserve {
    pub(super) fn of(connection: Connection) -> Self {
        Self(Arc::new(Shared { connection, files: Mutex::default() }))
    }

    /// Begins to send a file.
    pub(super) fn send(&self) -> Sending {
        let mut files = self.0.files();
        *files += 1;
        if *files == 1 {
            self.0.connection.set_send_window(SEND_WINDOW - KEPT_FREE);
        }
        drop(files);
        Sending(Arc::clone(&self.0))
    }

    /// Takes all of the window; none if there are no files to keep it from.
    pub(super) fn take(&self) -> Option<Whole<'_>> {
        let files = self.0.files();
        if *files == 0 {
            return None;
        }
        self.0.connection.set_send_window(SEND_WINDOW);
        Some(Whole { connection: &self.0.connection, _files: files })
    }
}

impl Shared {
    fn files(&self) -> MutexGuard<'_, usize> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    /// Writes what there is room for now.
    pub(super) fn poll_write(
        &self,
        stream: &mut SendStream,
        cx: &mut Context<'_>,
        chunk: &mut Bytes,
    ) -> Poll<Result<usize, WriteError>> {
        let _not_from_the_reserve = self.0.files();
        write(stream, cx, std::slice::from_mut(chunk))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut files = self.0.files();
        *files -= 1;
        if *files == 0 {
            self.0.connection.set_send_window(SEND_WINDOW);
        }
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        self.connection.set_send_window(SEND_WINDOW - KEPT_FREE);
    }
}
