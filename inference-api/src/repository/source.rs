//! Sources of models: a file, a folder of versions, a folder of models, or a registry.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    folder,
    found::{Found, Look, SourceError, VersionPolicy, stamp, stamp_of, unreadable},
};
use crate::{
    model::Sidecar,
    registry::{self, ModelUri, SCHEME},
};

/// Source of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name to serve the model under, if given.
    name: Option<String>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Path(PathBuf),
    Registry(ModelUri),
}

impl FromStr for Source {
    type Err = String;

    /// Parses `PATH` or `models:/…`, optionally with the prefix `NAME=`.
    fn from_str(text: &str) -> Result<Self, String> {
        // An existing path is a path, whatever characters it contains.
        let is_whole = Path::new(text).exists() || text.starts_with(SCHEME);
        match text.split_once('=').filter(|_| !is_whole) {
            Some((name, place)) if is_name(name) => {
                Ok(Self { name: Some(name.to_owned()), place: place.parse()? })
            }
            Some((name, _)) => {
                Err(format!("{name:?} is no name for a model: letters, digits, '.', '_' and '-'"))
            }
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

impl Source {
    /// Returns true if a scan needs no registry.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.place, Place::Path(_))
    }

    /// Returns the current contents of the source.
    pub(super) fn scan(&self, policy: VersionPolicy) -> Result<Look, SourceError> {
        let mut look = match &self.place {
            Place::Path(path) => in_path(path, policy)?,
            Place::Registry(uri) => Look { found: vec![in_registry(uri)?], ..Look::default() },
        };
        // Several models in a folder keep their own names.
        if let (Some(name), Some(first)) = (&self.name, look.found.first().map(|f| f.name.clone()))
            && look.found.iter().all(|f| f.name == first)
        {
            look.found.iter_mut().for_each(|f| f.name.clone_from(name));
        }
        Ok(look)
    }
}

fn in_path(path: &Path, policy: VersionPolicy) -> Result<Look, SourceError> {
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    match metadata.is_dir() {
        true => folder::look(path, name_of(path), policy),
        false => Ok(Look { found: vec![in_file(path, &metadata)?], ..Look::default() }),
    }
}

fn in_registry(uri: &ModelUri) -> Result<Found, SourceError> {
    let registry::Fetched { name, version, file, features } = registry::fetch(uri)?;
    Ok(Found { name, version, stamp: stamp_of(&file)?, file, features })
}

fn in_file(path: &Path, metadata: &Metadata) -> Result<Found, SourceError> {
    let sidecar = Sidecar::read(path)?;
    let stem =
        path.file_stem().map_or_else(|| "model".to_owned(), |s| s.to_string_lossy().into_owned());
    let (name, version) = sidecar.map_or((stem, "1".to_owned()), |s| (s.name, s.version));
    let stamp = stamp([Some(metadata.clone()), fs::metadata(Sidecar::path(path)).ok()]);
    Ok(Found { name, version, file: path.to_owned(), features: Vec::new(), stamp })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn name_of(dir: &Path) -> String {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned())
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
        let found = source.parse::<Source>().unwrap().scan(policy).unwrap().found;
        found.iter().map(|f| format!("{}/{}", f.name, f.version)).collect()
    }

    #[test]
    fn a_folder_holds_versions_or_models() {
        let dir = tempfile::tempdir().unwrap();
        put(
            dir.path(),
            &[
                "iris/1/model.onnx",
                "iris/10/model.onnx",
                "iris/9/model.onnx",
                "digits/3/model.onnx",
            ],
        );
        put(
            dir.path(),
            &[
                "iris/0/model.onnx",
                "iris/old/model.onnx",
                "iris/11/weights.bin",
                "iris/config.pbtxt",
            ],
        );
        let root = dir.path().to_str().unwrap();
        assert_eq!(names(root, VersionPolicy::All), ["digits/3", "iris/1", "iris/9", "iris/10"]);
        assert_eq!(names(root, VersionPolicy::Latest(1)), ["digits/3", "iris/10"]);
        assert_eq!(names(&format!("{root}/iris"), VersionPolicy::Latest(2)), ["iris/9", "iris/10"]);
        assert_eq!(names(&format!("flower={root}/iris"), VersionPolicy::Latest(1)), ["flower/10"]);
    }

    #[test]
    fn what_is_passed_over_is_told() {
        let dir = tempfile::tempdir().unwrap();
        put(
            dir.path(),
            &[
                "iris/1/model.onnx",
                "iris/2/weights.bin",
                "iris/new/model.onnx",
                "rose.onnx",
                "notes/readme",
            ],
        );
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        let told = source.scan(VersionPolicy::All).unwrap().passed_over.join("\n");
        for part in [
            "iris/2 holds no model.onnx",
            "iris/new is no version",
            "rose.onnx lies beside",
            "notes holds no",
        ] {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
    }

    #[test]
    fn a_changed_file_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["1/model.onnx", "1/weights.data"]);
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        let stamp = || source.scan(VersionPolicy::All).unwrap().found[0].stamp;
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
        std::os::unix::fs::symlink(
            elsewhere.path().join("model.onnx"),
            dir.path().join("1/model.onnx"),
        )
        .unwrap();
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        assert!(matches!(source.scan(VersionPolicy::All), Err(SourceError::Outside { .. })));
    }

    #[test]
    fn nothing_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let source: Source = dir.path().to_str().unwrap().parse().unwrap();
        assert!(
            source.scan(VersionPolicy::All).unwrap_err().to_string().contains("VERSION/model.onnx")
        );
        let source: Source = dir.path().join("no.onnx").to_str().unwrap().parse().unwrap();
        assert!(matches!(source.scan(VersionPolicy::All), Err(SourceError::Read { .. })));
    }
}
