//! Download of a version's files through the registry.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Component, Path, PathBuf},
    time::{Duration, Instant},
};

use super::{ModelUri, RegistryError, client::Client};

/// File of a version, relative to its folder.
struct Wanted {
    path: String,
    bytes: Option<u64>,
}

/// Limits on the number of files and the depth of folders of a model.
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 16;
/// Interval between progress messages.
const TELL: Duration = Duration::from_secs(1);
const CHUNK: usize = 256 << 10;
/// Attempts to download a file when the connection breaks.
const TRIES: u32 = 3;

/// Downloads all files below `root` into `into`.
pub(super) fn fetch(
    client: &Client,
    uri: &ModelUri,
    root: &str,
    into: &Path,
) -> Result<(), RegistryError> {
    let files = list(client, uri, root)?;
    let total: u64 = files.iter().filter_map(|f| f.bytes).sum();
    tracing::info!(model = %uri, files = files.len(), megabytes = megabytes(total), "downloading");
    let mut progress = Progress { uri, done: 0, total, logged: Instant::now() };
    for file in &files {
        let target = into.join(&file.path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|e| written(parent, &e))?;
        }
        let mut tried = 1;
        loop {
            let before = progress.done;
            match fetch_file(client, uri, root, file, &target, &mut progress) {
                Err(RegistryError::Unreachable(reason)) if tried < TRIES => {
                    tracing::warn!(model = %uri, file = file.path, reason, "retrying the download");
                    progress.done = before;
                    tried += 1;
                }
                result => break result?,
            }
        }
    }
    tracing::info!(model = %uri, megabytes = megabytes(progress.done), "downloaded");
    Ok(())
}

fn list(client: &Client, uri: &ModelUri, root: &str) -> Result<Vec<Wanted>, RegistryError> {
    let broken = |reason: String| RegistryError::Broken { uri: uri.clone(), reason };
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for artifact in client.list(&joined(root, &folder))? {
            let path = joined(&folder, &artifact.path);
            if !stays_inside(&path) {
                return Err(broken(format!(
                    "its file {path:?} would be written outside of the cache"
                )));
            }
            if files.len() >= MOST_FILES || path.split('/').count() > DEEPEST {
                return Err(broken("it has more files or folders than a model has".to_owned()));
            }
            match artifact.is_dir {
                true => folders.push(path),
                false => files.push(Wanted { path, bytes: artifact.file_size }),
            }
        }
    }
    Ok(files)
}

fn fetch_file(
    client: &Client,
    uri: &ModelUri,
    root: &str,
    file: &Wanted,
    target: &Path,
    progress: &mut Progress<'_>,
) -> Result<(), RegistryError> {
    let mut body = client.get(&joined(root, &file.path), file.bytes)?;
    let mut out = File::create(target).map_err(|e| written(target, &e))?;
    let mut buffer = vec![0; CHUNK];
    let mut came = 0;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(RegistryError::Unreachable(error.to_string())),
        };
        out.write_all(&buffer[..count]).map_err(|e| written(target, &e))?;
        came += count as u64;
        progress.add(count as u64);
    }
    match file.bytes.filter(|bytes| *bytes != came) {
        Some(bytes) => Err(RegistryError::Broken {
            uri: uri.clone(),
            reason: format!("{} has {bytes} bytes in the registry, {came} came", file.path),
        }),
        None => Ok(()),
    }
}

struct Progress<'a> {
    uri: &'a ModelUri,
    done: u64,
    total: u64,
    logged: Instant,
}

impl Progress<'_> {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.logged.elapsed() >= TELL {
            self.logged = Instant::now();
            let (done, total) = (megabytes(self.done), megabytes(self.total));
            tracing::info!(model = %self.uri, megabytes = done, of = total, "downloading");
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns true if a path from a registry stays inside its target folder.
fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn written(path: &Path, error: &std::io::Error) -> RegistryError {
    RegistryError::Cache { path: PathBuf::from(path), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert!(stays_inside("model.onnx"));
        assert!(stays_inside("data/weights.bin"));
        for path in ["", "..", "../x", "a/../../x", "/etc/passwd"] {
            assert!(!stays_inside(path), "{path}");
        }
    }
}
