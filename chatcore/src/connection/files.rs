//! Files of one client, beside its frames.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use tokio::sync::watch;

use crate::attachment::blobs::BlobReader;
use crate::attachment::{Attachment, AttachmentError, UploadRequest as Intake};
use crate::chat::Caller;
use crate::error::{Code, Error};
use crate::id::{AttachmentId, UserId};
use crate::log::AttachmentRef;
use crate::protocol::frame::{DownloadRequest, Failure, UploadRequest};

/// Takes in and hands out the files of one connection's client, as whom the connection found it to be.
///
/// For transports that have streams for files. Clones share the connection. What is asked before the
/// client has been welcomed waits for that; in early data it is refused.
#[derive(Clone, Debug)]
pub struct Files {
    standing: watch::Receiver<Standing>,
    moving: Arc<Moving>,
    asked: Asked,
}

/// A file on its way. While there is one, a server that stops lets its connection be, within the time
/// that it has for that ([`Config::drain`](crate::protocol::session::Config::drain)). Dropping it ends
/// that.
#[derive(Debug)]
#[must_use]
pub struct Transfer(Arc<Moving>);

/// Files of one connection on their way.
#[derive(Debug, Default)]
struct Moving {
    count: AtomicUsize,
    connection: AtomicWaker,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.connection.wake();
        }
    }
}

/// When the client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Perhaps before its handshake was done.
    PerhapsEarly,
    /// After that, even if the connection does not know of it yet.
    Proven,
}

/// Whether a connection's client may have files moved.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It is not proven that it is there.
    Early,
    /// It is not known who it is.
    Unknown,
    /// It is this one.
    Known(Caller, UserId),
    /// The server is stopping.
    Draining,
    /// The connection is over.
    Over,
}

/// The connection's end of [`Files`].
#[derive(Debug)]
pub(super) struct Desk {
    standing: watch::Sender<Standing>,
    moving: Arc<Moving>,
}

impl Desk {
    pub(super) fn new(standing: Standing) -> Self {
        Self { standing: watch::Sender::new(standing), moving: Arc::default() }
    }

    pub(super) fn files(&self) -> Files {
        let (standing, moving) = (self.standing.subscribe(), Arc::clone(&self.moving));
        Files { standing, moving, asked: Asked::PerhapsEarly }
    }

    /// How many files are on their way.
    pub(super) fn moving(&self) -> usize {
        self.moving.count.load(Ordering::SeqCst)
    }

    /// Has the task woken when there are none any more.
    pub(super) fn wake_when_done(&self, cx: &Context<'_>) {
        self.moving.connection.register(cx.waker());
    }

    /// Tells how the client stands, if that is news.
    pub(super) fn tell(&self, standing: Standing) {
        let same = |a: &Standing| std::mem::discriminant(a) == std::mem::discriminant(&standing);
        if !same(&self.standing.borrow()) {
            self.standing.send_replace(standing);
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tell(Standing::Over);
    }
}

impl Files {
    /// The same, for what was asked after the handshake: it is not too early, and waits until the
    /// connection has heard of that as well.
    #[must_use]
    pub fn proven(mut self) -> Self {
        self.asked = Asked::Proven;
        self
    }

    /// Begins to move a file; to be held until the client has all of it, or its answer.
    pub fn begin(&self) -> Transfer {
        self.moving.count.fetch_add(1, Ordering::SeqCst);
        Transfer(Arc::clone(&self.moving))
    }

    /// Takes a file in, as REST does.
    ///
    /// # Errors
    /// Those of [`Attachments::upload`](crate::attachment::Attachments::upload), as a client is told
    /// them; [`Code::TooEarly`] in early data; [`Code::Unavailable`] when the connection ends, or is
    /// about to. Nothing is stored then.
    pub async fn upload(
        &self,
        request: UploadRequest,
        body: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<AttachmentRef, Failure> {
        let (caller, user) = self.caller().await?;
        let UploadRequest { name, content_type, length } = request;
        let mut intake = Intake::new(user, name, body).length(length);
        if let Some(content_type) = content_type {
            intake = intake.claimed_type(content_type);
        }
        let upload = caller.chat().attachments().upload(intake);
        let stored = self.while_open(upload).await?;
        Ok(stored.map_err(Error::from)?.to_ref())
    }

    /// Hands a file out, or its thumbnail, or the part that is asked for. What follows has to be given up when the
    /// connection ends.
    ///
    /// # Errors
    /// [`Code::NotFound`] for one that is not there, or not for this client; [`Code::BadRequest`] for a
    /// part that begins after its end or ends before its start; otherwise as [`upload`](Self::upload).
    pub async fn download(
        &self,
        request: DownloadRequest,
    ) -> Result<(AttachmentRef, BlobReader), Failure> {
        let (caller, _) = self.caller().await?;
        let opened = self.while_open(open(&caller, request)).await?;
        let (file, reader) = opened?;
        Ok((file.to_ref(), reader))
    }

    /// Whether the client may still have a file that is being handed out to it, as far as can be
    /// told: not when the store does not say.
    ///
    /// To be asked again while it goes on, so that whoever is put out of a room gets no more of what was
    /// said in it.
    pub async fn may_still(&self, attachment: &AttachmentId) -> bool {
        let standing = self.standing.borrow().clone();
        match standing {
            Standing::Known(caller, _) => caller.readable_attachment(attachment).await.is_ok(),
            Standing::Draining => true,
            Standing::Early | Standing::Unknown | Standing::Over => false,
        }
    }

    /// Comes when the connection is over.
    pub async fn over(&self) {
        let mut standing = self.standing.clone();
        // An error means that it is dropped.
        let _ = standing.wait_for(|standing| matches!(standing, Standing::Over)).await;
    }

    async fn caller(&self) -> Result<(Caller, UserId), Failure> {
        let mut standing = self.standing.clone();
        let waits = |standing: &Standing| match standing {
            Standing::Unknown => true,
            Standing::Early => self.asked == Asked::Proven,
            Standing::Known(..) | Standing::Draining | Standing::Over => false,
        };
        let settled = standing.wait_for(|standing| !waits(standing)).await;
        match settled.as_deref() {
            Ok(Standing::Known(caller, user)) => Ok((caller.clone(), user.clone())),
            Ok(Standing::Early) => {
                Err(Failure::new(Code::TooEarly, "ask again once the handshake is done"))
            }
            Ok(Standing::Draining) => {
                Err(Failure::new(Code::Unavailable, "the server is stopping; connect again"))
            }
            Ok(Standing::Unknown | Standing::Over) | Err(_) => Err(over()),
        }
    }

    async fn while_open<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            done = work => Ok(done),
            () = self.over() => Err(over()),
        }
    }
}

async fn open(
    caller: &Caller,
    request: DownloadRequest,
) -> Result<(Attachment, BlobReader), Failure> {
    let file = caller.readable_attachment(&request.attachment).await?;
    let DownloadRequest { start, end, thumbnail, .. } = request;
    let size = match (thumbnail, &file.thumbnail) {
        (false, _) => file.size,
        (true, Some(thumbnail)) => thumbnail.size,
        (true, None) => return Err(Error::from(AttachmentError::NotFound).into()),
    };
    let end = end.map_or(size, |end| end.min(size));
    if start > end {
        let what = format!("the file has {size} bytes, and no such part");
        return Err(Failure::bad_request("start", what));
    }
    let (attachments, part) = (caller.chat().attachments(), Some(start..end));
    let read = match thumbnail {
        true => attachments.read_thumbnail(&file, part).await,
        false => attachments.read(&file, part).await,
    };
    Ok((file, read.map_err(Error::from)?))
}

fn over() -> Failure {
    Failure::new(Code::Unavailable, "the connection is closing")
}
