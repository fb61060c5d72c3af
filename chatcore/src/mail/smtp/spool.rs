//! The folder in which mails wait: a file each, whole or not there, in the order in which they came.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use lettre::Address;
use lettre::address::Envelope;
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::MailError;
use super::options::unusable;
use crate::clock::Timestamp;

/// The longest file that is read back, in bytes.
const LONGEST: u64 = 1 << 20;

/// The folder, which is this process's alone for as long as this lives.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    _lock: File,
}

/// A mail as it goes out.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) message: Vec<u8>,
}

impl Spool {
    /// Opens a folder, making it if it is not there, and finds what waits in it: oldest first.
    pub(super) async fn open(folder: &Path) -> Result<(Self, Vec<String>), MailError> {
        let inaccessible = |e: io::Error| {
            unusable(&format!("the folder {} cannot be used: {e}", folder.display()))
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(folder).await.map_err(inaccessible)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(folder.join(".lock")).map_err(inaccessible)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                return Err(unusable(&format!("another process sends the mails of {folder}")));
            }
            Err(TryLockError::Error(e)) => return Err(inaccessible(e)),
        }
        let spool = Self { folder: folder.to_owned(), _lock: lock };
        let found = spool.waiting().await.map_err(inaccessible)?;
        Ok((spool, found))
    }

    async fn waiting(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut entries = fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if created(&name).is_some() {
                found.push(name);
            } else if name.ends_with(".unfinished") {
                // Its sender was told nothing of it.
                fs::remove_file(entry.path()).await?;
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Keeps a letter. Once this returns, it survives a crash.
    pub(super) async fn keep(
        &self,
        at: Timestamp,
        id: &str,
        letter: &Letter,
    ) -> io::Result<String> {
        let name = format!("{:015}-{id}.mail", at.0);
        let unfinished = self.folder.join(format!("{name}.unfinished"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let kept = async {
            let mut file = options.open(&unfinished).await?;
            file.write_all(&written(letter)).await?;
            file.flush().await?;
            file.sync_data().await?;
            fs::rename(&unfinished, self.folder.join(&name)).await?;
            self.sync().await
        };
        if let Err(error) = kept.await {
            for path in [unfinished, self.folder.join(&name)] {
                let _ = fs::remove_file(path).await;
            }
            return Err(error);
        }
        Ok(name)
    }

    /// Flushes the names in the folder.
    async fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { fs::File::open(&self.folder).await?.sync_all().await } else { Ok(()) }
    }

    /// A letter; none if the file holds none.
    pub(super) async fn read(&self, name: &str) -> io::Result<Option<Letter>> {
        let file = fs::File::open(self.folder.join(name)).await?;
        let mut content = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut content).await?;
        Ok(if content.len() as u64 > LONGEST { None } else { parsed(&content) })
    }

    /// Removes a letter that is done with. It is no error if it is not there.
    pub(super) async fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Lays a file aside that cannot be read as a letter, for its owner to look at.
    pub(super) async fn lay_aside(&self, name: &str) -> io::Result<()> {
        fs::rename(self.folder.join(name), self.folder.join(format!("{name}.unreadable"))).await
    }
}

/// When a letter was handed over, if the name is that of one: `<milliseconds>-<id>.mail`.
pub(super) fn created(name: &str) -> Option<Timestamp> {
    let (millis, _) = name.strip_suffix(".mail")?.split_once('-')?;
    millis.parse().ok().map(Timestamp)
}

/// From whom, to whom, and the message.
fn written(letter: &Letter) -> Vec<u8> {
    let from = letter.envelope.from().map(ToString::to_string).unwrap_or_default();
    let to: Vec<String> = letter.envelope.to().iter().map(ToString::to_string).collect();
    let mut file = format!("{from}\n{}\n", to.join(" ")).into_bytes();
    file.extend_from_slice(&letter.message);
    file
}

fn parsed(content: &[u8]) -> Option<Letter> {
    let mut lines = content.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (from, to) = (line()?.parse().ok()?, line()?);
    let to: Result<Vec<Address>, _> = to.split(' ').map(str::parse).collect();
    let envelope = Envelope::new(Some(from), to.ok()?).ok()?;
    Some(Letter { envelope, message: lines.next()?.to_vec() })
}
