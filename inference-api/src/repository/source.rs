//! Where models lie: a file, a folder of versions, a folder of models, or a registry.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::catalog::order;
use crate::{
    model::{LoadError, Sidecar, SidecarFeature},
    registry::{self, ModelUri, RegistryError, SCHEME},
};

/// What a version's folder holds, as in Triton's layout.
const FILE: &str = "model.onnx";

/// Where models are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name to serve it under, where one was given.
    name: Option<String>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Path(PathBuf),
    Registry(ModelUri),
}

/// Which versions of a folder are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionPolicy {
    /// The newest so many.
    Latest(usize),
    /// All there are.
    All,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither file nor folder.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A folder in which there is no model.
    #[error("{0} holds no model\n  help: a folder holds VERSION/model.onnx, or NAME/VERSION/model.onnx for several")]
    Empty(PathBuf),
    /// The registry does not have it, or cannot be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The sidecar, which says what the model is called, cannot be understood.
    #[error(transparent)]
    Sidecar(#[from] LoadError),
    /// What a path leads to is elsewhere.
    #[error("{path} leads out of {root}")]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folder that it should be in.
        root: PathBuf,
    },
}

/// A version that is there to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) file: PathBuf,
    /// What a registry calls its features.
    pub(super) features: Vec<SidecarFeature>,
    /// Changes when the files do.
    pub(super) stamp: u64,
}

impl FromStr for Source {
    type Err = String;

    /// `PATH`, `models:/…`, or one of these behind `NAME=`.
    fn from_str(text: &str) -> Result<Self, String> {
        // A path that exists is a path, whatever is in its name.
        let is_whole = Path::new(text).exists() || text.starts_with(SCHEME);
        match text.split_once('=').filter(|_| !is_whole) {
            Some((name, place)) if is_name(name) => Ok(Self { name: Some(name.to_owned()), place: place.parse()? }),
            Some((name, _)) => Err(format!("{name:?} is no name for a model: letters, digits, '.', '_' and '-'")),
            None => Ok(Self { name: None, place: text.parse()? }),
        }
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self { name: None, place: Place::Path(path.to_owned()) }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("no path".to_owned()),
            uri if uri.starts_with(SCHEME) => {
                uri.parse().map(Self::Registry).map_err(|e: registry::UriError| e.to_string())
            }
            path => Ok(Self::Path(path.into())),
        }
    }
}

impl FromStr for VersionPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |n: &str| n.parse().ok().filter(|n| *n > 0).map(Self::Latest);
        match text {
            "all" => Ok(Self::All),
            "latest" => Ok(Self::Latest(1)),
            _ => text
                .strip_prefix("latest:")
                .and_then(count)
                .ok_or_else(|| "expected all, latest or latest:N".to_owned()),
        }
    }
}

impl Source {
    /// Whether looking asks nobody else.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.place, Place::Path(_))
    }

    /// What is there now.
    pub(super) fn scan(&self, policy: VersionPolicy) -> Result<Vec<Found>, SourceError> {
        let mut found = match &self.place {
            Place::Path(path) => self.in_path(path, policy)?,
            Place::Registry(uri) => vec![in_registry(uri)?],
        };
        // A folder of several models has their names.
        if let (Some(name), Some(first)) = (&self.name, found.first().map(|f| f.name.clone()))
            && found.iter().all(|f| f.name == first)
        {
            found.iter_mut().for_each(|f| f.name.clone_from(name));
        }
        Ok(found)
    }

    fn in_path(&self, path: &Path, policy: VersionPolicy) -> Result<Vec<Found>, SourceError> {
        let metadata = fs::metadata(path).map_err(unreadable(path))?;
        if !metadata.is_dir() {
            return Ok(vec![in_file(path, &metadata)?]);
        }
        let own = versions(path, (path, name_of(path)), policy)?;
        if !own.is_empty() {
            return Ok(own);
        }
        let mut all = Vec::new();
        for (name, dir) in subdirectories(path).map_err(unreadable(path))? {
            // `lost+found` and its like are nobody's model.
            match fs::read_dir(&dir) {
                Err(error) => tracing::warn!(folder = %dir.display(), %error, "passed over"),
                Ok(_) => all.extend(versions(path, (&dir, name), policy)?),
            }
        }
        if all.is_empty() { Err(SourceError::Empty(path.to_owned())) } else { Ok(all) }
    }
}

fn in_registry(uri: &ModelUri) -> Result<Found, SourceError> {
    let registry::Fetched { name, version, file, features } = registry::fetch(uri)?;
    Ok(Found { name, version, stamp: stamp_of(&file)?, file, features })
}

fn in_file(path: &Path, metadata: &Metadata) -> Result<Found, SourceError> {
    let sidecar = Sidecar::read(path)?;
    let stem = path.file_stem().map_or_else(|| "model".to_owned(), |s| s.to_string_lossy().into_owned());
    let (name, version) = sidecar.map_or((stem, "1".to_owned()), |s| (s.name, s.version));
    let stamp = stamp([Some(metadata.clone()), fs::metadata(Sidecar::path(path)).ok()]);
    Ok(Found { name, version, file: path.to_owned(), features: Vec::new(), stamp })
}

/// The versions in a model's folder, ascending, as far as the policy wants them.
fn versions(root: &Path, (dir, name): (&Path, String), policy: VersionPolicy) -> Result<Vec<Found>, SourceError> {
    let mut versions: Vec<_> = subdirectories(dir)
        .map_err(unreadable(dir))?
        .into_iter()
        // As Triton has it: a version is a positive number, and folders of other names are passed over.
        .filter(|(version, _)| version.parse::<u64>().is_ok_and(|n| n > 0) && !version.starts_with('0'))
        .filter(|(_, dir)| dir.join(FILE).exists())
        .collect();
    versions.sort_by_cached_key(|(version, _)| order(version));
    if let VersionPolicy::Latest(count) = policy {
        versions.drain(..versions.len().saturating_sub(count));
    }
    let found = |(version, dir): (String, PathBuf)| {
        let file = inside(root, &dir.join(FILE))?;
        Ok(Found { name: name.clone(), version, stamp: stamp_of(&file)?, file, features: Vec::new() })
    };
    versions.into_iter().map(found).collect()
}

/// The path, if what it leads to is below the root: a link must not make another file readable.
fn inside(root: &Path, path: &Path) -> Result<PathBuf, SourceError> {
    let root = fs::canonicalize(root).map_err(unreadable(root))?;
    let real = fs::canonicalize(path).map_err(unreadable(path))?;
    match real.starts_with(&root) {
        true => Ok(path.to_owned()),
        false => Err(SourceError::Outside { path: path.to_owned(), root }),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |source| SourceError::Read { path, source }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn name_of(dir: &Path) -> String {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// By name; links to folders included.
fn subdirectories(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut all: Vec<_> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    all.sort();
    Ok(all)
}

/// Of all files in a model's folder, its weights among them.
fn stamp_of(file: &Path) -> Result<u64, SourceError> {
    let dir = file.parent().unwrap_or(file);
    let entries = fs::read_dir(dir).map_err(unreadable(dir))?;
    Ok(stamp(entries.filter_map(|entry| fs::metadata(entry.ok()?.path()).ok()).map(Some)))
}

fn stamp(files: impl IntoIterator<Item = Option<Metadata>>) -> u64 {
    let mut stamps: Vec<_> =
        files.into_iter().map(|m| m.map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec()))).collect();
    stamps.sort_unstable();
    let mut hasher = DefaultHasher::new();
    stamps.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    fn names(source: &str, policy: VersionPolicy) -> Vec<String> {
        let found = source.parse::<Source>().unwrap().scan(policy).unwrap();
        found.iter().map(|f| format!("{}/{}", f.name, f.version)).collect()
    }

    #[test]
    fn a_folder_holds_versions_or_models() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["iris/1/model.onnx", "iris/10/model.onnx", "iris/9/model.onnx", "digits/3/model.onnx"]);
        put(dir.path(), &["iris/0/model.onnx", "iris/old/model.onnx", "iris/11/weights.bin", "iris/config.pbtxt"]);
        let root = dir.path().to_str().unwrap();
        assert_eq!(names(root, VersionPolicy::All), ["digits/3", "iris/1", "iris/9", "iris/10"]);
        assert_eq!(names(root, VersionPolicy::Latest(1)), ["digits/3", "iris/10"]);
        assert_eq!(names(&format!("{root}/iris"), VersionPolicy::Latest(2)), ["iris/9", "iris/10"]);
        assert_eq!(names(&format!("flower={root}/iris"), VersionPolicy::Latest(1)), ["flower/10"]);
    }

    #[test]
    fn a_changed_file_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["1/model.onnx", "1/weights.data"]);
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        let stamp = || source.scan(VersionPolicy::All).unwrap()[0].stamp;
        let before = stamp();
        assert_eq!(before, stamp());
        fs::write(dir.path().join("1/weights.data"), "longer").unwrap();
        assert_ne!(before, stamp());
    }

    #[test]
    fn a_link_does_not_lead_out() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(elsewhere.path(), &["model.onnx"]);
        fs::create_dir(dir.path().join("1")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("model.onnx"), dir.path().join("1/model.onnx")).unwrap();
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        assert!(matches!(source.scan(VersionPolicy::All), Err(SourceError::Outside { .. })));
    }

    #[test]
    fn nothing_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        assert!(source.scan(VersionPolicy::All).unwrap_err().to_string().contains("VERSION/model.onnx"));
        let source: Source = dir.path().join("no.onnx").to_str().unwrap().parse().unwrap();
        assert!(matches!(source.scan(VersionPolicy::All), Err(SourceError::Read { .. })));
    }
}
