//! The lock on a data directory: held by one open store, released by the kernel when its process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::StorageError;

/// Proof that the directory is ours until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<DirectoryLock, StorageError> {
        let path = directory.join("kplex.lock");
        let failed =
            |error: std::io::Error| StorageError::Unavailable(format!("open lock file {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                let who = if known { holder.trim() } else { "another process" };
                return Err(StorageError::Unavailable(format!(
                    "data directory {} is in use by {who}; two servers on one directory would not see each other's \
                     writes, so stop that one first or choose another directory",
                    directory.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let note = format!("process {}\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)).map(drop));
        written.and_then(|()| file.write_all(note.as_bytes())).map_err(failed)?;
        Ok(DirectoryLock { _file: file })
    }
}
