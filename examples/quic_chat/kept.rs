//! What outlives the program: the session and what was not sent, in files that only their owner reads.
//!
//! ```text
//! <state>/127.0.0.1_3A4433/ann/session.json   who, and the token
//!                             /outbox.json    writes that no server has confirmed
//!                             /lock           held while a client runs
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use chatcore::id::UserId;
use chatcore::protocol::frame::Token;
use chatcore_quic::client::Unsent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// What is kept of one account at one server. Nobody else has it while this value lives.
#[derive(Debug)]
pub(crate) struct Kept {
    dir: PathBuf,
    _lock: File,
}

/// Someone who was logged in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) token: Token,
}

/// What was not sent, and by whom.
#[derive(Debug, Serialize, Deserialize)]
struct Outbox {
    user: UserId,
    unsent: Vec<Unsent>,
}

/// Where it is kept unless told otherwise.
pub(crate) fn default_dir() -> Result<PathBuf, Fault> {
    let under = |variable: &str| std::env::var_os(variable).filter(|dir| !dir.is_empty());
    match (under("XDG_STATE_HOME"), under("HOME")) {
        (Some(dir), _) => Ok(PathBuf::from(dir).join("chatcore")),
        (None, Some(home)) => Ok(PathBuf::from(home).join(".local/state/chatcore")),
        (None, None) => Err("there is no HOME; say where to keep things with --state DIR".into()),
    }
}

/// Whoever was logged in last at a server.
pub(crate) fn last(state: &Path, server: &str) -> Option<String> {
    std::fs::read_to_string(state.join(file_name(server)).join("last")).ok()
}

impl Kept {
    /// What is kept of `login` at `server`; made, if nothing is.
    ///
    /// # Errors
    /// If another client has it, or the folder cannot be made.
    pub(crate) fn open(state: &Path, server: &str, login: &str) -> Result<Self, Fault> {
        let server = state.join(file_name(server));
        let dir = server.join(file_name(login));
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
        let lock = File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let hint = "another --state keeps a second one apart";
                return Err(format!("{login} is here in another terminal already; {hint}").into());
            }
            Err(TryLockError::Error(problem)) => return Err(problem.into()),
        }
        write(&server.join("last"), login.as_bytes())?;
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn session(&self) -> Result<Option<Session>, Fault> {
        read(&self.dir.join("session.json"))
    }

    pub(crate) fn keep_session(&self, session: &Session) -> Result<(), Fault> {
        write(&self.dir.join("session.json"), &serde_json::to_vec(session)?)?;
        Ok(())
    }

    pub(crate) fn forget_session(&self) -> Result<(), Fault> {
        match std::fs::remove_file(self.dir.join("session.json")) {
            Err(problem) if problem.kind() != ErrorKind::NotFound => Err(problem.into()),
            _ => Ok(()),
        }
    }

    /// What `user` has not sent. What somebody else of the same name left is not theirs.
    pub(crate) fn outbox(&self, user: &UserId) -> Result<Vec<Unsent>, Fault> {
        let kept: Option<Outbox> = read(&self.dir.join("outbox.json"))?;
        Ok(kept.filter(|kept| kept.user == *user).map(|kept| kept.unsent).unwrap_or_default())
    }

    pub(crate) fn keep_outbox(&self, user: &UserId, unsent: Vec<Unsent>) -> Result<(), Fault> {
        let kept = Outbox { user: user.clone(), unsent };
        write(&self.dir.join("outbox.json"), &serde_json::to_vec(&kept)?)?;
        Ok(())
    }
}

/// A name that any file can have, and no two logins share.
fn file_name(of: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let mut name = String::new();
    for (at, byte) in of.bytes().take(100).enumerate() {
        if plain(byte) && !(at == 0 && byte == b'.') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("_{byte:02X}"));
        }
    }
    name
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Fault> {
    let bytes = match std::fs::read(path) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|e| format!("cannot read {}: {e}", path.display()))?,
    };
    // What is in it stays out of the message.
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|_| {
        format!("{} is damaged; mend it, or move it out of the way", path.display()).into()
    })
}

/// Writes a file whole or not at all, for its owner's eyes only.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chatcore::id::RoomId;
    use chatcore::protocol::frame::Send;
    use chatcore_quic::client::Write;

    use super::*;

    fn unsent() -> Unsent {
        let send = Send {
            client_msg_id: "1".parse().unwrap(),
            text: "late".into(),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            meta: None,
        };
        Unsent { room: RoomId::parse("r").unwrap(), write: Write::Send(send) }
    }

    #[test]
    fn what_is_kept_is_the_owners_alone_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (ann, ben) = (UserId::parse("1").unwrap(), UserId::parse("2").unwrap());
        let kept = Kept::open(dir.path(), "127.0.0.1:4433", "../ann").unwrap();
        let session =
            Session { user: ann.clone(), name: "Ann".into(), token: Token::new("secret") };
        kept.keep_session(&session).unwrap();
        kept.keep_outbox(&ann, vec![unsent()]).unwrap();
        assert!(!format!("{session:?}").contains("secret"));

        let account = dir.path().join("127.0.0.1_3A4433/_2E._2Fann");
        for name in ["session.json", "outbox.json"] {
            let metadata = std::fs::metadata(account.join(name)).unwrap();
            #[cfg(unix)]
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
                0o600
            );
        }
        assert!(Kept::open(dir.path(), "127.0.0.1:4433", "../ann").is_err(), "it is in use");
        drop(kept);
        assert_eq!(last(dir.path(), "127.0.0.1:4433").as_deref(), Some("../ann"));
        let kept = Kept::open(dir.path(), "127.0.0.1:4433", "../ann").unwrap();
        assert_eq!(kept.session().unwrap().unwrap().token.expose(), "secret");
        assert_eq!(kept.outbox(&ann).unwrap(), [unsent()]);
        assert_eq!(kept.outbox(&ben).unwrap(), []);
        kept.forget_session().unwrap();
        kept.forget_session().unwrap();
        assert!(kept.session().unwrap().is_none());
    }

    #[test]
    fn a_damaged_outbox_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path(), "s", "ann").unwrap();
        std::fs::write(dir.path().join("s/ann/outbox.json"), "{\"user\":\"1\",").unwrap();
        let problem = kept.outbox(&UserId::parse("1").unwrap()).unwrap_err().to_string();
        assert!(problem.contains("outbox.json is damaged"), "{problem}");
    }
}
