//! Two ways to one server, of which the better one is not always to be had.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatcore::protocol::frame::ClientFrame;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::link::{
    Early, Ended, FileStreams, Incoming, Link, LinkError, LinkReceiver, LinkSender, Opened,
};

/// A preferred way that has served for so long was a good one.
const STEADY: Duration = Duration::from_secs(600);
/// A link on which nothing was said for so long is changed for a better one.
const QUIET: Duration = Duration::from_secs(1);
/// One that is never quiet is, after so long.
const RESTLESS: Duration = Duration::from_secs(60);

/// A link that goes the `preferred` way where that is to be had, and the `spare` way where not: QUIC,
/// say, and WebSocket in networks that let no UDP through.
///
/// - The preferred way has a [head start](Waits::head_start); then both are tried, and the first to open
///   serves. Where something is said early over the preferred one, its server's answer is waited for as
///   long.
/// - What worked is remembered: after a cut on the spare way, that has the head start.
/// - While the spare one serves, the preferred one is tried beside it [from time to
///   time](Waits::retry). When it opens, the client changes to it at a moment when nothing is said, or
///   after a minute of talk. To the client that is a cut like any other: nothing is lost or doubled,
///   and what cannot be repeated may be [interrupted](crate::client::Error::Interrupted).
///
/// A handle: clones share what is remembered.
#[derive(Debug)]
pub struct Fallback<P, S> {
    ways: Arc<Ways<P, S>>,
}

/// How patient a [`Fallback`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// How long one way is waited for before the other is tried beside it; 3 s by default. Much more
    /// than 10 s leaves the other no time: a client gives an attempt up after 15 s.
    pub head_start: Duration,
    /// How long the spare way serves before the preferred one is tried; a minute by default. It doubles
    /// with each time that is in vain, and with each time that the preferred way serves for less than
    /// ten minutes.
    pub retry: Duration,
    /// What it doubles up to; an hour by default.
    pub longest_retry: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            head_start: Duration::from_secs(3),
            retry: Duration::from_secs(60),
            longest_retry: Duration::from_secs(3_600),
        }
    }
}

#[derive(Debug)]
struct Ways<P, S> {
    preferred: P,
    spare: S,
    waits: Waits,
    memory: Mutex<Memory>,
}

/// What is known of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The preferred one is there, as far as is known.
    Preferred,
    /// It did not answer, and whether the spare one does is not known.
    Doubtful,
    /// The spare one is there, and the preferred one was not.
    Spare,
}

#[derive(Debug)]
struct Memory {
    standing: Standing,
    /// Since when.
    since: Instant,
    /// How long the spare way serves, the next time.
    retry: Duration,
}

impl<P, S> Clone for Fallback<P, S> {
    fn clone(&self) -> Self {
        Self { ways: Arc::clone(&self.ways) }
    }
}

impl<P: Link, S: Link> Fallback<P, S> {
    /// The `preferred` way, or else the `spare` one, with the waits by default.
    pub fn new(preferred: P, spare: S) -> Self {
        Self::with_waits(preferred, spare, Waits::default())
    }

    /// The same, with these.
    pub fn with_waits(preferred: P, spare: S, waits: Waits) -> Self {
        let (standing, since) = (Standing::Preferred, Instant::now());
        let memory = Mutex::new(Memory { standing, since, retry: waits.retry });
        Self { ways: Arc::new(Ways { preferred, spare, waits, memory }) }
    }

    /// Whether the spare way was the last to open.
    pub fn on_spare(&self) -> bool {
        self.ways.memory().standing == Standing::Spare
    }
}

impl<P: Link, S: Link> Ways<P, S> {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, standing: Standing) {
        let mut memory = self.memory();
        (memory.standing, memory.since) = (standing, Instant::now());
    }

    /// What is known now, when the last link has ended.
    fn standing(&self) -> Standing {
        let mut memory = self.memory();
        if memory.standing == Standing::Preferred && memory.since.elapsed() >= STEADY {
            memory.retry = self.waits.retry;
        }
        memory.standing
    }

    /// How long the spare way is to serve now.
    fn next_retry(&self) -> Duration {
        let mut memory = self.memory();
        let now = memory.retry;
        memory.retry = now.saturating_mul(2).min(self.waits.longest_retry.max(now));
        now
    }

    /// Opens one of the two.
    async fn open(self: &Arc<Self>, early: bool) -> Result<FallbackOpened<P, S>, LinkError> {
        let standing = self.standing();
        let preferred = async {
            if early && standing == Standing::Preferred {
                return self.preferred.open_early().await;
            }
            let (sender, receiver) = self.preferred.open().await?;
            Ok(Opened { sender, receiver, handshake: None })
        };
        let spare = self.spare.open();
        let opened = match standing {
            Standing::Preferred => race(preferred, self.waits.head_start, spare).await?,
            Standing::Doubtful => race(preferred, Duration::ZERO, spare).await?,
            Standing::Spare => race(spare, self.waits.head_start, preferred).await.map(flip)?,
        };
        Ok(match opened {
            Either::Left(opened) => self.on_preferred(opened),
            Either::Right(link) => self.on_spare(link),
        })
    }

    fn on_preferred(
        self: &Arc<Self>,
        opened: Opened<P::Sender, P::Receiver>,
    ) -> FallbackOpened<P, S> {
        let Opened { sender, receiver, handshake } = opened;
        let activity = Arc::new(Activity::default());
        let Some(handshake) = handshake else {
            self.note(Standing::Preferred);
            let (sender, receiver) = left((sender, receiver), &activity, pending().boxed());
            return Opened { sender, receiver, handshake: None };
        };
        let (give_up, given_up) = oneshot::channel::<()>();
        let ways = Arc::clone(self);
        let (patience, also) = (self.waits.head_start, Arc::clone(&activity));
        let handshake = async move {
            let Ok(early) = timeout(patience, handshake).await else {
                ways.note(Standing::Doubtful);
                // The receiver may have gone before.
                let _ = give_up.send(());
                return pending().await;
            };
            ways.note(Standing::Preferred);
            match early {
                Early::Taken => Early::Taken,
                Early::Rejected(sender, receiver) => {
                    let (sender, receiver) = left((sender, receiver), &also, pending().boxed());
                    Early::Rejected(sender, receiver)
                }
            }
        };
        let over = async move {
            // A handshake that is done drops the other end.
            if given_up.await.is_err() {
                pending::<()>().await;
            }
        };
        let (sender, receiver) = left((sender, receiver), &activity, over.boxed());
        Opened { sender, receiver, handshake: Some(handshake.boxed()) }
    }

    fn on_spare(
        self: &Arc<Self>,
        (sender, receiver): (S::Sender, S::Receiver),
    ) -> FallbackOpened<P, S> {
        self.note(Standing::Spare);
        let activity = Arc::new(Activity::default());
        let (ways, also) = (Arc::clone(self), Arc::clone(&activity));
        let over = async move {
            ways.preferred_is_back().await;
            // Not in the middle of an answer, if that can be had.
            let _ = timeout(RESTLESS, also.quiet()).await;
            ways.note(Standing::Preferred);
        };
        let sender = FallbackSender { inner: Either::Right(sender), activity: activity.clone() };
        let receiver =
            FallbackReceiver { inner: Either::Right(receiver), activity, over: over.boxed() };
        Opened { sender, receiver, handshake: None }
    }

    /// Tries the preferred way until it opens.
    async fn preferred_is_back(&self) {
        let patience = self.waits.head_start;
        loop {
            sleep(self.next_retry()).await;
            let opened = timeout(patience, self.preferred.open()).await;
            if let Ok(Ok((sender, receiver))) = opened {
                drop(receiver);
                // Whoever does not take a goodbye finds out by itself.
                let _ = timeout(patience, sender.close()).await;
                return;
            }
        }
    }
}

fn flip<A, B>(either: Either<A, B>) -> Either<B, A> {
    match either {
        Either::Left(a) => Either::Right(a),
        Either::Right(b) => Either::Left(b),
    }
}

type FallbackOpened<P, S> = Opened<
    FallbackSender<<P as Link>::Sender, <S as Link>::Sender>,
    FallbackReceiver<<P as Link>::Receiver, <S as Link>::Receiver>,
>;

/// A link that goes the preferred way until `over`.
fn left<A, B, C, D>(
    (sender, receiver): (A, C),
    activity: &Arc<Activity>,
    over: BoxFuture<'static, ()>,
) -> (FallbackSender<A, B>, FallbackReceiver<C, D>) {
    let (sender, receiver) = (Either::Left(sender), Either::Left(receiver));
    let sender = FallbackSender { inner: sender, activity: Arc::clone(activity) };
    (sender, FallbackReceiver { inner: receiver, activity: Arc::clone(activity), over })
}

/// Whichever comes about first; `second` begins when `first` has failed, or not come about within
/// `head_start`.
async fn race<A, B>(
    first: impl Future<Output = Result<A, LinkError>>,
    head_start: Duration,
    second: impl Future<Output = Result<B, LinkError>>,
) -> Result<Either<A, B>, LinkError> {
    let (mut first, second) = (pin!(first), pin!(second));
    let neither = |LinkError(one): LinkError, LinkError(other): LinkError| {
        let (one, other) = (one.to_string(), other.to_string());
        LinkError::new(if one == other { one } else { format!("{one}; the other way: {other}") })
    };
    match timeout(head_start, &mut first).await {
        Ok(Ok(opened)) => return Ok(Either::Left(opened)),
        Ok(Err(why)) => {
            return second.await.map(Either::Right).map_err(|also| neither(why, also));
        }
        Err(_) => {}
    }
    match select(first, second).await {
        Either::Left((Ok(opened), _)) => Ok(Either::Left(opened)),
        Either::Left((Err(why), second)) => {
            second.await.map(Either::Right).map_err(|also| neither(why, also))
        }
        Either::Right((Ok(opened), _)) => Ok(Either::Right(opened)),
        Either::Right((Err(also), first)) => {
            first.await.map(Either::Left).map_err(|why| neither(why, also))
        }
    }
}

impl<P: Link, S: Link> Link for Fallback<P, S> {
    type Sender = FallbackSender<P::Sender, S::Sender>;
    type Receiver = FallbackReceiver<P::Receiver, S::Receiver>;

    async fn open(&self) -> Result<(Self::Sender, Self::Receiver), LinkError> {
        let Opened { sender, receiver, .. } = self.ways.open(false).await?;
        Ok((sender, receiver))
    }

    async fn open_early(&self) -> Result<Opened<Self::Sender, Self::Receiver>, LinkError> {
        self.ways.open(true).await
    }
}

/// When something was said last, by either side.
#[derive(Debug)]
struct Activity(Mutex<Instant>);

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Activity {
    fn last(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.last() = Instant::now();
    }

    async fn quiet(&self) {
        loop {
            let until = *self.last() + QUIET;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// The way to a server, over one of two links.
#[derive(Debug)]
pub struct FallbackSender<P, S> {
    inner: Either<P, S>,
    activity: Arc<Activity>,
}

impl<P: LinkSender, S: LinkSender> LinkSender for FallbackSender<P, S> {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        self.activity.note();
        match &mut self.inner {
            Either::Left(sender) => sender.send(frame).await,
            Either::Right(sender) => sender.send(frame).await,
        }
    }

    fn files(&self) -> Option<Arc<dyn FileStreams>> {
        match &self.inner {
            Either::Left(sender) => sender.files(),
            Either::Right(sender) => sender.files(),
        }
    }

    async fn close(self) {
        match self.inner {
            Either::Left(sender) => sender.close().await,
            Either::Right(sender) => sender.close().await,
        }
    }
}

/// The way from a server, over one of two links.
pub struct FallbackReceiver<P, S> {
    inner: Either<P, S>,
    activity: Arc<Activity>,
    /// Comes about when the link is to be given up.
    over: BoxFuture<'static, ()>,
}

impl<P, S> std::fmt::Debug for FallbackReceiver<P, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spare = matches!(self.inner, Either::Right(_));
        f.debug_struct("FallbackReceiver").field("spare", &spare).finish_non_exhaustive()
    }
}

impl<P: LinkReceiver, S: LinkReceiver> LinkReceiver for FallbackReceiver<P, S> {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        let Self { inner, activity, over } = self;
        let incoming = async {
            match inner {
                Either::Left(receiver) => receiver.receive().await,
                Either::Right(receiver) => receiver.receive().await,
            }
        };
        tokio::select! {
            biased;
            incoming = incoming => {
                activity.note();
                incoming
            }
            () = over => Err(Ended::CUT),
        }
    }
}
