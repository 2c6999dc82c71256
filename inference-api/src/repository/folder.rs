//! Folder of versions (1/model.onnx, 2/model.onnx, …), or folder of such folders.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    catalog::order,
    found::{Found, Look, SourceError, VersionPolicy, stamp_of, unreadable},
};

/// File in a version's folder, as in Triton's layout.
const FILE: &str = "model.onnx";

/// Finds the models in a folder that is itself called `name`.
pub(super) fn look(path: &Path, name: String, policy: VersionPolicy) -> Result<Look, SourceError> {
    let own = versions(path, (path, name), policy)?;
    if !own.found.is_empty() {
        return Ok(own);
    }
    let mut all = Look { found: Vec::new(), passed_over: loose(path).map_err(unreadable(path))? };
    for (name, dir) in subdirectories(path).map_err(unreadable(path))? {
        // `lost+found` and the like are not models.
        if let Err(error) = fs::read_dir(&dir) {
            all.passed_over.push(format!("{} cannot be read: {error}", dir.display()));
            continue;
        }
        let model = versions(path, (&dir, name), policy)?;
        if model.found.is_empty() && model.passed_over.is_empty() {
            all.passed_over.push(format!("{} holds no VERSION/{FILE}", dir.display()));
        }
        all.found.extend(model.found);
        all.passed_over.extend(model.passed_over);
    }
    match all.found.is_empty() {
        true => Err(SourceError::Empty { path: path.to_owned(), passed_over: all.passed_over }),
        false => Ok(all),
    }
}

/// Returns the versions in a model's folder that the policy selects, ascending.
fn versions(
    root: &Path,
    (dir, name): (&Path, String),
    policy: VersionPolicy,
) -> Result<Look, SourceError> {
    let (mut versions, mut passed_over) = (Vec::new(), loose(dir).map_err(unreadable(dir))?);
    for (version, dir) in subdirectories(dir).map_err(unreadable(dir))? {
        // As in Triton, a version is a positive number; folders with other names are ignored.
        let is_version = version.parse::<u64>().is_ok_and(|n| n > 0) && !version.starts_with('0');
        match (is_version, dir.join(FILE).exists()) {
            (true, true) => versions.push((version, dir)),
            (true, false) => passed_over.push(format!("{} holds no {FILE}", dir.display())),
            (false, true) => passed_over
                .push(format!("{} is no version: those are called 1, 2, 3, …", dir.display())),
            (false, false) => {}
        }
    }
    versions.sort_by_cached_key(|(version, _)| order(version));
    if let VersionPolicy::Latest(count) = policy {
        versions.drain(..versions.len().saturating_sub(count));
    }
    let found = |(version, dir): (String, PathBuf)| {
        let file = inside(root, &dir.join(FILE))?;
        Ok(Found {
            name: name.clone(),
            version,
            stamp: stamp_of(&file)?,
            file,
            features: Vec::new(),
        })
    };
    let found = versions.into_iter().map(found).collect::<Result<_, SourceError>>()?;
    Ok(Look { found, passed_over })
}

/// Describes the ONNX files that lie directly in a folder instead of a version's folder.
fn loose(dir: &Path) -> io::Result<Vec<String>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "onnx") && path.is_file()
    });
    files.sort();
    let sentence = |path: PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        format!(
            "{} lies beside the folders: name it with --model, or make it {stem}/1/{FILE}",
            path.display()
        )
    };
    Ok(files.into_iter().map(sentence).collect())
}

/// Returns the path if its target is below the root: a link must not expose other files.
fn inside(root: &Path, path: &Path) -> Result<PathBuf, SourceError> {
    let root = fs::canonicalize(root).map_err(unreadable(root))?;
    let real = fs::canonicalize(path).map_err(unreadable(path))?;
    match real.starts_with(&root) {
        true => Ok(path.to_owned()),
        false => Err(SourceError::Outside { path: path.to_owned(), root }),
    }
}

/// Returns the visible subfolders and links to folders, sorted by name.
fn subdirectories(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut all: Vec<_> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .filter(|entry| {
            entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".")
        })
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    all.sort();
    Ok(all)
}
