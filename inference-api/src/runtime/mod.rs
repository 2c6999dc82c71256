//! Location of the ONNX Runtime library, which is loaded at run time and not part of the binary.

mod install;

use std::path::{Path, PathBuf};

pub use install::{InstallError, VERSION, install};

/// Error if no library was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "no ONNX Runtime library found; tried:\n{}\n  help: inference-api runtime install",
    .tried.iter().map(|t| format!("  - {t}")).collect::<Vec<_>>().join("\n"),
)]
pub struct NotFound {
    /// One line for each searched location, with the reason.
    pub tried: Vec<String>,
}

/// Returns the path of the library.
///
/// Searches `ORT_DYLIB_PATH`, the binary's folder, the cache filled by [`install`] and Python's
/// `onnxruntime`, in this order.
///
/// # Errors
/// Returns an error that lists the searched locations if none has it.
pub fn locate() -> Result<PathBuf, NotFound> {
    let mut tried = Vec::new();
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        // A wrong explicit choice must not silently fall back to another library.
        return Err(NotFound {
            tried: vec![format!("ORT_DYLIB_PATH={}: no such file", path.display())],
        });
    }
    tried.push("ORT_DYLIB_PATH: not set".to_owned());

    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    for (what, dir) in [("beside the binary", beside), ("cache", cache_dir())] {
        let Some(dir) = dir else {
            tried.push(format!("{what}: the folder is not known (is HOME set?)"));
            continue;
        };
        match library_in(&dir) {
            Some(path) => return Ok(path),
            None => tried.push(format!("{what}: no libonnxruntime.so* in {}", dir.display())),
        }
    }
    match python_library() {
        Ok(path) => Ok(path),
        Err(why) => {
            tried.push(format!("Python: {why}"));
            Err(NotFound { tried })
        }
    }
}

/// Returns the folder into which [`install`] puts the library.
pub fn cache_dir() -> Option<PathBuf> {
    Some(cache_base()?.join(format!("onnxruntime-{VERSION}")))
}

/// Returns this program's cache folder.
pub fn cache_base() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("inference-api"))
}

fn library_in(dir: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| n.starts_with("libonnxruntime.so"))
                && path.is_file()
        })
        .collect();
    found.sort();
    found.pop()
}

fn python_library() -> Result<PathBuf, String> {
    // find_spec does not import the package: an import would load the library and take a second.
    const FIND: &str = "import importlib.util as u; s = u.find_spec('onnxruntime'); \
        print(s.submodule_search_locations[0] if s else '')";
    let output = std::process::Command::new("python3")
        .args(["-c", FIND])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| format!("python3 does not start: {e}"))?;
    let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if dir.is_empty() {
        return Err("python3 has no package onnxruntime".to_owned());
    }
    let capi = Path::new(&dir).join("capi");
    library_in(&capi).ok_or_else(|| format!("no libonnxruntime.so* in {}", capi.display()))
}
