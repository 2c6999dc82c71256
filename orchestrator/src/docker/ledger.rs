//! Ledger on disk of the original state of foreign containers, kept until it is restored.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::saved_state::SavedState;
use crate::{Error, Owner, Result};

/// State of the containers that a run has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Owner of the run.
    pub(super) owner: Owner,
    /// Containers before the change.
    pub(super) containers: Vec<SavedState>,
}

/// Writes an entry and syncs it to disk.
///
/// # Errors
/// Returns an error if it cannot be written; nothing may be changed then.
pub(super) fn write(entry: &Entry) -> Result<PathBuf> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|e| Error::file("create", &folder, e))?;
    let path = folder.join(format!("{}.json", entry.owner.run));
    let text = serde_json::to_vec_pretty(entry)
        .map_err(|e| Error::file("write", &path, io::Error::other(e)))?;
    let write = || {
        let mut file = fs::File::create(&path)?;
        io::Write::write_all(&mut file, &text)?;
        file.sync_all()
    };
    write().map_err(|e| Error::file("write", &path, e))?;
    Ok(path)
}

/// Removes an entry that is no longer needed.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

impl Entry {
    /// Returns true if the entry has one of these containers.
    pub(super) fn names_one_of(&self, containers: &[SavedState]) -> bool {
        self.containers.iter().any(|mine| containers.iter().any(|other| other.id == mine.id))
    }
}

/// Returns the entries of dead owners, youngest first, so that the oldest state is restored last.
pub(super) fn left() -> Vec<(PathBuf, Entry)> {
    let mut left: Vec<(PathBuf, Entry)> =
        all().into_iter().filter(|(_, entry)| !entry.owner.is_alive()).collect();
    left.sort_by_key(|(path, _)| {
        std::cmp::Reverse(fs::metadata(path).and_then(|file| file.modified()).ok())
    });
    left
}

/// Returns the entries of living owners.
pub(super) fn live() -> Vec<Entry> {
    all().into_iter().map(|(_, entry)| entry).filter(|entry| entry.owner.is_alive()).collect()
}

fn all() -> Vec<(PathBuf, Entry)> {
    let files = fs::read_dir(folder()).into_iter().flatten().flatten().map(|file| file.path());
    let read = |path: PathBuf| {
        let entry: Entry = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some((path, entry))
    };
    files.filter_map(read).collect()
}

/// Returns the ledger's folder below the state directory (XDG base directories).
fn folder() -> PathBuf {
    let named = env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".local/state");
    named.unwrap_or_else(home).join("loadgen/attached")
}
