//! Files, from the disk and to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chatcore::id::{ClientMsgId, RoomId};
use chatcore::log::AttachmentRef;
use chatcore_quic::client::{Client, Error, Progress, Upload};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};

use crate::Fault;
use crate::model::news::News;
use crate::text;

/// How often a bar moves.
const STEP: Duration = Duration::from_millis(100);
/// How often a file that was cut off is sent again.
const ATTEMPTS: usize = 5;
/// Names that are tried before another file is overwritten, which never happens.
const NAMES: usize = 1_000;

/// Sends a file, and tells how far it is. It is sent again from its beginning after a cut.
pub(crate) async fn upload(
    client: &Client,
    (room, id): (RoomId, ClientMsgId),
    path: &Path,
    news: &mpsc::Sender<News>,
) -> Result<AttachmentRef, Fault> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| format!("{} is no file", path.display()))?;
    let mut attempts = 0;
    loop {
        let file = File::open(path).await.map_err(|e| format!("{}: {e}", path.display()))?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            return Err(format!("{} is no file", path.display()).into());
        }
        let upload = Upload::new(name.clone(), metadata.len(), file);
        let told = |at| News::Uploading { room: room.clone(), id: id.clone(), at };
        let progress = upload.progress();
        attempts += 1;
        tokio::select! {
            done = client.upload(upload) => match done {
                Ok(file) => return Ok(file),
                Err(Error::Cut { .. }) if attempts < ATTEMPTS => {}
                Err(why) => return Err(why.into()),
            },
            () = tell(progress, told, news) => {}
        }
    }
}

/// Fetches a file into `dir`, and returns where it is then.
pub(crate) async fn download(
    client: &Client,
    file: &AttachmentRef,
    dir: &Path,
    news: &mpsc::Sender<News>,
) -> Result<PathBuf, Fault> {
    let (mut to, path) = create(dir, &file.name).await?;
    let copied = async {
        let mut done = 0;
        let mut attempts = 0;
        while done < file.size {
            let mut coming = client.download(&file.id, done..).await?;
            let progress = coming.progress();
            let from = done;
            let told = |at: Progress| News::Downloading {
                file: file.id.clone(),
                at: Progress { done: from + at.done, total: file.size },
            };
            attempts += 1;
            let cut = tokio::select! {
                cut = async {
                    loop {
                        match coming.chunk().await {
                            Ok(Some(bytes)) => {
                                to.write_all(&bytes).await?;
                                done += bytes.len() as u64;
                            }
                            Ok(None) => return Ok::<_, Fault>(None),
                            Err(why) => return Ok(Some(why)),
                        }
                    }
                } => cut?,
                () = tell(progress, told, news) => None,
            };
            if let Some(why) = cut.filter(|_| attempts >= ATTEMPTS) {
                return Err(why.into());
            }
        }
        to.sync_all().await?;
        Ok::<(), Fault>(())
    };
    match copied.await {
        Ok(()) => Ok(path),
        Err(why) => {
            // Half a file would look like a whole one.
            let _ = tokio::fs::remove_file(&path).await;
            Err(why)
        }
    }
}

/// Tells how far a file is, until it is given up.
async fn tell(
    mut progress: watch::Receiver<Progress>,
    told: impl Fn(Progress) -> News,
    news: &mpsc::Sender<News>,
) {
    loop {
        let at = *progress.borrow_and_update();
        // Nobody listens once the program ends.
        let _ = news.send(told(at)).await;
        tokio::time::sleep(STEP).await;
        if progress.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Makes a file that is not there yet, called as its sender called it as far as that is wise.
async fn create(dir: &Path, name: &str) -> Result<(File, PathBuf), Fault> {
    let name = safe_name(name);
    let (stem, end) = match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() => (stem.to_owned(), format!(".{end}")),
        _ => (name.clone(), String::new()),
    };
    for n in 0..NAMES {
        let name = if n == 0 { name.clone() } else { format!("{stem} ({n}){end}") };
        let path = dir.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path).await {
            Ok(file) => return Ok((file, path)),
            Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(problem) => return Err(format!("{}: {problem}", path.display()).into()),
        }
    }
    Err(format!("{} is there {NAMES} times", dir.join(name).display()).into())
}

/// What a file may be called here: no path, nothing hidden, nothing that acts.
pub(crate) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| if text::acts(c) || "<>:\"|?*".contains(c) { '_' } else { c };
    let name: String = last.trim_start_matches('.').chars().map(plain).take(100).collect();
    let name = name.trim();
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_somebody_elses_leads_nowhere() {
        for (name, safe) in [
            ("photo.png", "photo.png"),
            ("../../.ssh/authorized_keys", "authorized_keys"),
            ("C:\\x\\.bashrc", "bashrc"),
            ("..", "file"),
            ("", "file"),
            ("a\u{1b}[31mb\u{202e}gnp.exe", "a_[31mb_gnp.exe"),
        ] {
            assert_eq!(safe_name(name), safe);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        for expected in ["a.tar.gz", "a.tar (1).gz", "a.tar (2).gz"] {
            let (_, path) = create(dir.path(), "a.tar.gz").await.unwrap();
            assert_eq!(path, dir.path().join(expected));
        }
    }
}
