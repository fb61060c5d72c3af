//! Mail over SMTP, by way of a folder, so that none is lost while the server is away.

mod letter;
mod options;
mod queue;
mod spool;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use options::{SmtpOptions, SmtpTls};

use super::{Mail, MailError, Mailer};
use crate::clock::{Clock, Random};
use crate::id::random_string;
use options::unusable;
use queue::Sending;
use spool::Spool;

/// Sends mail through a server, by way of a spool: a folder that holds each mail as a file until the
/// server has taken it.
///
/// A mail that was handed over is flushed to disk, and is sent at least once from then on, over crashes
/// and while the server is away; in a crash it may be sent twice, under the same `Message-ID`. What the
/// server refuses for good (a code of 5xx) is dropped, and what it does not take for
/// [`SmtpOptions::max_age`] is given up; both are logged, without the address, and
/// [counted](Self::counts). The folder serves one process at a time.
///
/// Dropped, it stops; what waits is sent by the next one that is opened with the same folder.
pub struct SmtpMailer {
    options: SmtpOptions,
    spool: Arc<Spool>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    letters: mpsc::Sender<String>,
    sending: AbortHandle,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("options", &self.options)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// What became of mails since the mailer was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Wait to be sent, or to be sent again.
    pub waiting: usize,
    /// The server took them.
    pub delivered: u64,
    /// The server refused them for good.
    pub refused: u64,
    /// They were too old to be tried again.
    pub given_up: u64,
}

#[derive(Debug, Default)]
struct Counters {
    waiting: AtomicUsize,
    delivered: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
}

impl Counters {
    fn up(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a place for one more, if there are fewer than `most`.
    fn one_more(&self, most: usize) -> bool {
        let more = |waiting| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn less_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the spool, given back unless the mail is kept.
struct Place(Option<Arc<Counters>>);

impl Place {
    /// The mail is kept: whoever is done with it gives the place back.
    fn taken(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(counters) = &self.0 {
            counters.less_waiting();
        }
    }
}

impl SmtpMailer {
    /// Opens the spool in `folder`, which is made if it is not there, and begins to send what waits in
    /// it, on the current tokio runtime. The server is not asked yet: it may be away.
    ///
    /// # Errors
    /// [`MailError::Unusable`] if the folder cannot be used, or another process uses it.
    pub async fn open(
        options: SmtpOptions,
        folder: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, MailError> {
        let transport = transport(&options)?;
        let (spool, found) = Spool::open(folder.as_ref()).await?;
        let spool = Arc::new(spool);
        let counters = Arc::new(Counters::default());
        counters.waiting.store(found.len(), Ordering::Relaxed);
        // Room for as many as may wait: handing over a mail that has its place never blocks.
        let (letters, coming) = mpsc::channel(options.max_waiting.max(1));
        let sending = Sending {
            transport,
            spool: Arc::clone(&spool),
            counters: Arc::clone(&counters),
            options: options.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let sending = tokio::spawn(sending.run(found, coming)).abort_handle();
        Ok(Self { options, spool, counters, clock, random, letters, sending })
    }

    /// What became of mails so far.
    pub fn counts(&self) -> MailCounts {
        let Counters { waiting, delivered, refused, given_up } = &*self.counters;
        MailCounts {
            waiting: waiting.load(Ordering::Relaxed),
            delivered: delivered.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
            given_up: given_up.load(Ordering::Relaxed),
        }
    }
}

impl Drop for SmtpMailer {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    /// Puts `mail` into the spool. Fails with [`MailError::Unavailable`] if that is full.
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        if !self.counters.one_more(self.options.max_waiting) {
            return Err(MailError::Unavailable("too many mails wait to be sent".into()));
        }
        let place = Place(Some(Arc::clone(&self.counters)));
        let at = self.clock.now();
        let id = random_string::<15>(self.random.as_ref());
        let letter = letter::letter(mail, &self.options.from, at, &id)?;
        // On a task of its own: half done because its caller went away, it would be a file that is
        // sent only after a restart.
        let (spool, letters) = (Arc::clone(&self.spool), self.letters.clone());
        let kept = tokio::spawn(async move {
            let name = spool.keep(at, &id, &letter).await?;
            place.taken();
            // Only a mailer that is dropped takes no more; then the next one finds the file.
            let _ = letters.send(name).await;
            Ok::<_, std::io::Error>(())
        });
        match kept.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(MailError::Unavailable(error.into())),
            Err(error) => Err(MailError::Unavailable(error.into())),
        }
    }
}

fn transport(options: &SmtpOptions) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let tls = || {
        let parameters = TlsParameters::builder(options.host.clone()).build_rustls();
        parameters.map_err(|error| unusable(&format!("TLS cannot be set up: {error}")))
    };
    let tls = match options.tls {
        SmtpTls::Wrapped => Tls::Wrapper(tls()?),
        SmtpTls::StartTls => Tls::Required(tls()?),
        SmtpTls::None => Tls::None,
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*options.host)
        .port(options.port)
        .tls(tls)
        .timeout(Some(options.timeout))
        .pool_config(PoolConfig::new().max_size(1));
    if let Some((name, password)) = &options.login {
        transport = transport.credentials(Credentials::new(name.clone(), password.clone()));
    }
    Ok(transport.build())
}
