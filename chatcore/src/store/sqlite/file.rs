//! The database's file, and the lock that makes it one process's.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Holds a database file for this store alone, for as long as it lives.
///
/// SQLite itself would let several processes in. This store keeps in memory what it knows to be on
/// disk (rooms, members, what took effect once), which a second writer would make false without a word.
#[derive(Debug)]
pub(super) struct Claim {
    /// The file, free of symbolic links.
    pub(super) path: PathBuf,
    _lock: File,
}

impl Claim {
    /// Makes the file and its folder if need be, readable by their owner alone, and claims it.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let inaccessible = |e: io::Error| {
            StoreError::Unusable(format!(
                "the database file {} cannot be opened: {e}",
                path.display()
            ))
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(inaccessible)?;
        }
        open_private(path).map_err(inaccessible)?;
        // One lock per file, by whichever name it was opened.
        let path = path.canonicalize().map_err(inaccessible)?;
        let mut lock_path = path.clone().into_os_string();
        lock_path.push(".lock");
        let lock = open_private(Path::new(&lock_path)).map_err(inaccessible)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
                "the database file {} is in use by another chatcore; a SQLite store serves one \
                 process at a time",
                path.display()
            ))),
            Err(TryLockError::Error(e)) => Err(inaccessible(e)),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file for writing; made by this, it is its owner's alone, and so are the files that
/// SQLite lays beside it.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
