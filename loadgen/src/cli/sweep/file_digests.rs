//! Digests of files and folders.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{Error, output::hexadecimal};

/// Most bytes read of all files together; beyond it, size and modification time are used. A folder
/// of models may take longer to read than the sweep.
const MOST_BYTES: u64 = 1 << 30;

type Digested = [u8; 32];

/// Returns each mount's path in the container, with the digest of its content.
///
/// # Errors
/// Returns an error if a mount does not exist.
pub(super) fn contents<'a>(
    mounts: impl IntoIterator<Item = &'a (PathBuf, PathBuf)>,
) -> Result<Vec<String>, Error> {
    let mut left = MOST_BYTES;
    let one = |(here, inside): &(PathBuf, PathBuf)| {
        let digested =
            of(here, &mut left).map_err(|e| Error::Usage(format!("{}: {e}", here.display())))?;
        Ok(format!("{} {}", inside.display(), hexadecimal(&digested)))
    };
    mounts.into_iter().map(one).collect()
}

/// Returns the digest of a path, reading at most `left` bytes.
fn of(path: &Path, left: &mut u64) -> io::Result<Digested> {
    let found = fs::symlink_metadata(path)?;
    // The Engine may be able to read what we cannot.
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => Ok(outside(&found)),
        _ => Err(error),
    };
    match found.file_type() {
        kind if kind.is_dir() => of_folder(path, left).or_else(unread),
        // In the container a link leads elsewhere, so its target is not followed.
        kind if kind.is_symlink() => {
            Ok(digest(&[b"link", fs::read_link(path)?.as_os_str().as_bytes()]))
        }
        kind if kind.is_file() && found.len() <= *left => {
            *left -= found.len();
            of_file(path).or_else(unread)
        }
        kind if kind.is_file() => Ok(outside(&found)),
        _ => Ok(digest(&[b"other", &found.mode().to_le_bytes()])),
    }
}

fn of_folder(path: &Path, left: &mut u64) -> io::Result<Digested> {
    let mut paths =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // The file system lists names in any order.
    paths.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(b"folder");
    for path in paths {
        let name = digest(&[path.file_name().unwrap_or_default().as_bytes()]);
        hash.update(name);
        hash.update(of(&path, left)?);
    }
    Ok(hash.finalize().into())
}

fn of_file(path: &Path) -> io::Result<Digested> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    hash.update(b"file");
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Returns the digest of a file's size and modification time, without reading it.
fn outside(found: &fs::Metadata) -> Digested {
    let (seconds, nanos) = (found.mtime().to_le_bytes(), found.mtime_nsec().to_le_bytes());
    digest(&[b"outside", &found.len().to_le_bytes(), &seconds, &nanos])
}

fn digest(parts: &[&[u8]]) -> Digested {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// Returns the digest of a folder, reading at most `most` bytes.
    fn read(folder: &Path, mut most: u64) -> Digested {
        of(folder, &mut most).unwrap()
    }

    #[test]
    fn a_folder_is_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/model"), "one").unwrap();
        fs::write(at("model"), "two").unwrap();
        std::os::unix::fs::symlink(".", at("around")).unwrap();
        let before = read(dir.path(), MOST_BYTES);
        fs::write(at("deep/model"), "one").unwrap();
        assert_eq!(before, read(dir.path(), MOST_BYTES), "written again, and the same");
        fs::write(at("deep/model"), "won").unwrap();
        let changed = read(dir.path(), MOST_BYTES);
        assert_ne!(before, changed);
        fs::rename(at("model"), at("other")).unwrap();
        assert_ne!(changed, read(dir.path(), MOST_BYTES), "names count");
    }

    #[test]
    fn what_is_too_large_to_be_read_is_told_by_its_size_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model");
        let write = |text: &str, seconds| {
            fs::write(&file, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        };
        write("one", 1);
        let (whole, outside) = (read(&file, 3), read(&file, 2));
        write("two", 1);
        assert_ne!(whole, read(&file, 3));
        assert_eq!(outside, read(&file, 2));
        write("two", 2);
        assert_ne!(outside, read(&file, 2));
    }

    #[test]
    fn mounts_are_told_by_where_they_are_inside() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = contents(&[(file.path().to_owned(), "/in".into())]).unwrap();
        assert!(told[0].starts_with("/in ") && told[0].len() == 4 + 64, "{told:?}");
        assert!(contents(&[("/nowhere".into(), "/in".into())]).is_err());
    }
}
