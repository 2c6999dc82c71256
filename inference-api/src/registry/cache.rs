//! Cache of downloaded versions, complete and verified, so that no start downloads them again.
//!
//! Each folder holds one version, filled under another name and renamed: complete or absent.
//! It contains a list of its files with their hashes. A changed file causes a new download.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use super::{
    Fetched, ModelUri, RegistryError, artifacts,
    client::{Client, Version},
    mlmodel,
};

/// Scheme of the addresses of proxied artifacts.
const PROXIED: &str = "mlflow-artifacts:";
const LIST: &str = ".files.json";

/// Hash of every file by path.
type Files = BTreeMap<String, String>;

/// Returns the version from the cache, downloading it if it is absent.
pub(super) fn open(
    client: &Client,
    uri: &ModelUri,
    version: Version,
) -> Result<Fetched, RegistryError> {
    let Version { name, version, artifact_uri } = version;
    let fetched = |folder: &Path| {
        let broken = |reason| RegistryError::Broken { uri: uri.clone(), reason };
        let description = mlmodel::read(folder).map_err(broken)?;
        let (file, features) = (folder.join(description.file), description.features);
        let inside = file.components().all(|part| part != std::path::Component::ParentDir)
            && file.starts_with(folder);
        match inside && file.is_file() {
            true => Ok(Fetched { name: name.clone(), version: version.clone(), file, features }),
            false => {
                Err(broken(format!("its ONNX file {} is not among its files", file.display())))
            }
        }
    };
    let Some(root) = artifact_uri.strip_prefix(PROXIED).map(without_host) else {
        // The registry is on this machine and keeps its files in a folder.
        return match local_folder(&artifact_uri) {
            Some(folder) => fetched(&folder),
            None => Err(RegistryError::Elsewhere { uri: uri.clone(), place: artifact_uri.clone() }),
        };
    };
    let base = base().ok_or_else(|| RegistryError::Cache {
        path: PathBuf::from("~/.cache"),
        reason: "neither XDG_CACHE_HOME nor HOME is set".to_owned(),
    })?;
    let failed = |path: &Path, e: &io::Error| RegistryError::Cache {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    // The artifact address is the key: every logged model has a new one, whatever names lead to it.
    let parent = base.join(&client.authority);
    let folder = parent.join(hex::encode(Sha256::digest(&artifact_uri)));
    if is_whole(&folder) {
        return fetched(&folder);
    }
    fs::create_dir_all(&parent).map_err(|e| failed(&parent, &e))?;
    let staging = tempfile::Builder::new()
        .prefix(".fetching-")
        .tempdir_in(&parent)
        .map_err(|e| failed(&parent, &e))?;
    artifacts::fetch(client, uri, root, staging.path())?;
    fetched(staging.path())?;
    seal(staging.path()).map_err(|e| failed(staging.path(), &e))?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| failed(&folder, &e))?;
    }
    match fs::rename(staging.keep(), &folder) {
        // Another process downloaded it meanwhile.
        Err(_) if is_whole(&folder) => {}
        result => result.map_err(|e| failed(&folder, &e))?,
    }
    fetched(&folder)
}

/// Returns `1/models/m-…/artifacts` of an `mlflow-artifacts:` address with or without a host.
fn without_host(rest: &str) -> &str {
    let path = match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    path.trim_matches('/')
}

fn local_folder(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://").or_else(|| uri.strip_prefix("file:")).unwrap_or(uri);
    let path = PathBuf::from(path);
    (path.is_absolute() && path.is_dir()).then_some(path)
}

fn base() -> Option<PathBuf> {
    Some(crate::runtime::cache_base()?.join("models"))
}

/// Writes the list of files and hashes into the folder.
fn seal(folder: &Path) -> io::Result<()> {
    let mut files = Files::new();
    for path in files_in(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        files.insert(name, hash(&path)?);
    }
    fs::write(folder.join(LIST), serde_json::to_vec(&files)?)
}

/// Folders that this process has verified: weights of gigabytes are not hashed on every scan.
static WHOLE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Returns true if all listed files are present and unchanged.
fn is_whole(folder: &Path) -> bool {
    let mut known = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(folder) && folder.join(LIST).exists() {
        return true;
    }
    let whole = check(folder);
    if whole {
        known.insert(folder.to_owned());
    }
    whole
}

fn check(folder: &Path) -> bool {
    let Ok(list) = fs::read(folder.join(LIST)) else { return false };
    let Ok(files) = serde_json::from_slice::<Files>(&list) else { return false };
    let damaged =
        files.iter().find(|(name, sha)| hash(&folder.join(name)).ok().as_ref() != Some(*sha));
    if let Some((name, _)) = damaged {
        tracing::warn!(file = %folder.join(name).display(), "file changed; downloading it again");
    }
    damaged.is_none()
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    Ok(files)
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_whole_until_a_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("MLmodel"), "x").unwrap();
        fs::write(dir.path().join("data/weights"), "y").unwrap();
        assert!(!check(dir.path()));
        seal(dir.path()).unwrap();
        assert!(check(dir.path()));
        fs::write(dir.path().join("data/weights"), "z").unwrap();
        assert!(!check(dir.path()));
    }

    #[test]
    fn artifact_addresses_may_name_a_host() {
        assert_eq!(without_host("/1/models/m-1/artifacts"), "1/models/m-1/artifacts");
        assert_eq!(without_host("//host:5000/1/a"), "1/a");
    }
}
