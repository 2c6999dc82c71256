//! What containers of others were before they were changed, on disk, until it is put back.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::original::Original;
use crate::{Error, Owner, Result};

/// What a run has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Who changed it.
    pub(super) owner: Owner,
    /// As they were.
    pub(super) containers: Vec<Original>,
}

/// Writes an entry down and makes sure that it is on disk.
///
/// # Errors
/// When it cannot be written: nothing may be changed then.
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

/// The entry is done with.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

impl Entry {
    /// Whether one of these containers is among those that were changed.
    pub(super) fn names_one_of(&self, containers: &[Original]) -> bool {
        self.containers.iter().any(|mine| containers.iter().any(|other| other.id == mine.id))
    }
}

/// The entries of owners that are dead, the youngest first: what an older one says is what was
/// there before.
pub(super) fn left() -> Vec<(PathBuf, Entry)> {
    let mut left: Vec<(PathBuf, Entry)> =
        all().into_iter().filter(|(_, entry)| !entry.owner.is_alive()).collect();
    left.sort_by_key(|(path, _)| {
        std::cmp::Reverse(fs::metadata(path).and_then(|file| file.modified()).ok())
    });
    left
}

/// The entries of owners that are alive.
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

/// Where programs keep what has to outlive them (XDG base directories).
fn folder() -> PathBuf {
    let named = env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".local/state");
    named.unwrap_or_else(home).join("loadgen/attached")
}
