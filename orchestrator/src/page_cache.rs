//! Page cache of the files that replicas run from.
//!
//! A file's page is charged to the group that touches it first: on a fresh machine, the replica.
//! If another one ran there before, the replica is not charged for its program and libraries.
//! It looks tens of MiB smaller and would thrash elsewhere under the same limit.
//! A cold start therefore evicts these files first.
//! It then asks the kernel whether they are gone, because mapped pages stay.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::Deployment;

/// Page cache state of a service's files when its replicas were started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageCache {
    /// Empty: the first replica is charged for the pages it reads, as on a fresh machine.
    Cold,
    /// Not empty, or unknown, with the reason.
    Warm(String),
}

/// Largest number of files per call of `fincore`.
const FILES_A_QUESTION: usize = 1000;

/// Evicts the files that replicas run from if the deployment requests a cold start.
///
/// `files` returns them, or the reason why they are unknown.
pub(crate) async fn make_cold(
    deployment: &Deployment,
    files: impl Future<Output = Result<Vec<PathBuf>, String>>,
) -> PageCache {
    if !deployment.cold {
        return PageCache::Warm("nobody asked for a cold start".to_owned());
    }
    match files.await {
        Err(why) => PageCache::Warm(why),
        Ok(files) => {
            tokio::task::spawn_blocking(move || evict(&files)).await.unwrap_or_else(|_| {
                PageCache::Warm("the eviction ended by a fault of ours".to_owned())
            })
        }
    }
}

/// Returns the paths, or an error if one is missing.
///
/// A client in a container receives paths of the Engine's file system, which it cannot see.
pub(crate) fn all_here(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, String> {
    match paths.iter().find(|path| matches!(path.try_exists(), Ok(false))) {
        Some(missing) => {
            Err(format!("what replicas run from is not in this file system: {}", missing.display()))
        }
        None => Ok(paths),
    }
}

/// Evicts the regular files under `roots`, which may be files themselves. Blocks.
fn evict(roots: &[PathBuf]) -> PageCache {
    let mut files = Vec::new();
    for root in roots {
        match collect(root, &mut files) {
            // A replica created and removed this file itself, so nothing of it is left.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return PageCache::Warm(format!("{} cannot be read: {error}", root.display()));
            }
            Ok(()) => {}
        }
    }
    let mut there = Vec::new();
    for path in files {
        match evict_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return PageCache::Warm(format!("{} cannot be evicted: {error}", path.display()));
            }
            Ok(()) => there.push(path),
        }
    }
    if there.is_empty() {
        return PageCache::Warm(
            "of the files that replicas run from none is in this file system".to_owned(),
        );
    }
    match resident(&there) {
        Ok(left) if left.is_empty() => PageCache::Cold,
        Ok(left) => PageCache::Warm(describe(&left)),
        Err(why) => PageCache::Warm(why),
    }
}

/// Returns the files that a process has mapped: its program, its libraries and mapped data.
pub(crate) fn mapped_files(pid: u32) -> BTreeSet<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines()
        .filter_map(|line| line.split_once('/'))
        .map(|(_, rest)| PathBuf::from(format!("/{rest}")))
        .filter(|path| path.is_file())
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if metadata.is_file() && metadata.len() > 0 {
        files.push(path.to_owned());
    }
    Ok(())
}

fn evict_file(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    // Dirty pages cannot be dropped.
    file.sync_data()?;
    Ok(posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

/// Returns the files with resident pages, and their resident bytes.
///
/// The kernel reports that only for a mapping, which needs `unsafe` in Rust.
/// The command `fincore` of util-linux, which every distribution has, reports it too.
fn resident(files: &[PathBuf]) -> Result<Vec<(PathBuf, u64)>, String> {
    let mut left = Vec::new();
    for some in files.chunks(FILES_A_QUESTION) {
        let output = Command::new("fincore")
            .args(["--raw", "--noheadings", "--bytes", "--output", "RES"])
            .args(some)
            .output();
        let output = output.map_err(|error| {
            format!("whether the files were evicted is unknown: fincore (util-linux): {error}")
        })?;
        let bytes: Vec<u64> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|l| l.trim().parse().ok())
            .collect();
        if bytes.len() != some.len() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("whether the files were evicted is unknown: fincore: {why}"));
        }
        left.extend(some.iter().cloned().zip(bytes).filter(|(_, bytes)| *bytes > 0));
    }
    Ok(left)
}

fn describe(left: &[(PathBuf, u64)]) -> String {
    let total: u64 = left.iter().map(|(_, bytes)| bytes).sum();
    let (largest, _) = left.iter().max_by_key(|(_, bytes)| *bytes).cloned().unwrap_or_default();
    let others =
        if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
    let mib = total as f64 / f64::from(1 << 20);
    format!(
        "{mib:.1} MiB stayed in the page cache, since other programs use them: {}{others}",
        largest.display()
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn written(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        path
    }

    // Returns a folder on disk: nothing can be evicted on a file system in memory, as /tmp may be.
    fn on_disk() -> tempfile::TempDir {
        tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap()
    }

    #[test]
    fn evicted_files_are_gone_and_come_back_when_read() {
        let folder = on_disk();
        fs::create_dir(folder.path().join("lib")).unwrap();
        let files = [written(folder.path(), "program"), written(folder.path(), "lib/library")];
        std::os::unix::fs::symlink("/nowhere", folder.path().join("dangling")).unwrap();
        assert_eq!(resident(&files).unwrap().len(), 2, "they were just written");

        assert_eq!(evict(&[folder.path().to_owned()]), PageCache::Cold);
        assert_eq!(resident(&files).unwrap(), []);

        fs::read(&files[1]).unwrap();
        assert_eq!(resident(&files).unwrap(), [(files[1].clone(), 1 << 20)]);
    }

    #[test]
    fn files_that_somebody_has_mapped_are_told() {
        let own = mapped_files(std::process::id());
        let program = std::env::current_exe().unwrap();
        assert!(own.contains(&program), "{own:?}");
        let PageCache::Warm(why) = evict(std::slice::from_ref(&program)) else {
            panic!("this program runs")
        };
        assert!(why.contains("MiB stayed") && why.contains(program.to_str().unwrap()), "{why}");
    }

    #[test]
    fn what_is_gone_is_not_in_the_cache() {
        let folder = on_disk();
        let there = written(folder.path(), "program");
        assert_eq!(evict(&["/nowhere".into(), there]), PageCache::Cold);
    }

    #[test]
    fn nothing_evicted_is_no_evidence() {
        let PageCache::Warm(why) = evict(&["/nowhere".into()]) else {
            panic!("nothing was looked at")
        };
        assert!(why.contains("none is in this file system"), "{why}");
    }
}
