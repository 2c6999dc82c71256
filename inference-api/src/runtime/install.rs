//! `inference-api runtime install`: the pinned library from PyPI's `onnxruntime` wheel.
//!
//! pip or uv downloads it, so that their mirrors, proxies and certificates apply.
//! The installer checks the wheel's hash, and this module the library's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::cache_dir;

/// Pinned version of ONNX Runtime.
pub const VERSION: &str = "1.31.1";

struct Pin {
    arch: &'static str,
    platform: &'static str,
    uv_platform: &'static str,
    wheel_sha256: &'static str,
    library_sha256: &'static str,
}

/// Wheels for CPython 3.12; the library in them is the same for every Python.
const PINS: [Pin; 2] = [
    Pin {
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        uv_platform: "x86_64-manylinux_2_28",
        wheel_sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    },
    Pin {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        uv_platform: "aarch64-manylinux_2_28",
        wheel_sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        library_sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    },
];

/// Reasons why the library could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Processor architecture without a pinned wheel.
    #[error(
        "no pinned ONNX Runtime for {0}; install Python's onnxruntime, or point ORT_DYLIB_PATH at \
            a libonnxruntime.so"
    )]
    Architecture(&'static str),
    /// Unknown cache folder: neither HOME nor XDG_CACHE_HOME is set.
    #[error("no cache folder: set HOME or XDG_CACHE_HOME, or say --dir")]
    NoCache,
    /// No working installer.
    #[error(
        "the onnxruntime {VERSION} wheel could not be fetched:\n{0}\n  help: install pip (apt \
            install python3-pip) or uv, and check that `pip download onnxruntime=={VERSION}` works"
    )]
    Installers(String),
    /// Library with another hash than the pinned one.
    #[error("{path} has SHA-256 {found}, expected {expected}; it was not installed")]
    Hash {
        /// Path of the file.
        path: String,
        /// Actual hash.
        found: String,
        /// Pinned hash.
        expected: &'static str,
    },
    /// File that could not be read or written.
    #[error("cannot write {path}: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

/// Installs the pinned library into `dir`, or into the cache, and returns its path.
///
/// Does nothing if the library is present with the right hash.
///
/// # Errors
/// Returns an error if neither pip nor uv can download the wheel, or a hash differs.
pub fn install(dir: Option<&Path>) -> Result<PathBuf, InstallError> {
    let arch = std::env::consts::ARCH;
    let pin = PINS.iter().find(|p| p.arch == arch).ok_or(InstallError::Architecture(arch))?;
    let dir = dir.map(Path::to_owned).or_else(cache_dir).ok_or(InstallError::NoCache)?;
    let file = format!("libonnxruntime.so.{VERSION}");
    let library = dir.join(&file);
    if library.is_file() && check(&library, pin).is_ok() {
        return Ok(library);
    }

    // Stage beside the target, so that the last step is a rename: readers see all or nothing.
    let staging = dir.join(format!(".install-{}", std::process::id()));
    fs::create_dir_all(&staging).map_err(|e| file_error(&staging, e))?;
    let result = fetch(pin, &staging).and_then(|()| {
        let fetched = staging.join("onnxruntime/capi").join(&file);
        check(&fetched, pin)?;
        fs::rename(&fetched, &library).map_err(|e| file_error(&library, e))
    });
    // No other process uses the staging folder; the next install creates its own.
    let _ = fs::remove_dir_all(&staging);
    result.map(|()| library)
}

fn fetch(pin: &Pin, staging: &Path) -> Result<(), InstallError> {
    let requirements = staging.join("requirements.txt");
    fs::write(
        &requirements,
        format!("onnxruntime=={VERSION} --hash=sha256:{}\n", pin.wheel_sha256),
    )
    .map_err(|e| file_error(&requirements, e))?;
    let pip = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--platform",
        pin.platform,
        "--python-version",
        "3.12",
    ];
    let uv = [
        "pip",
        "install",
        "--quiet",
        "--python-platform",
        pin.uv_platform,
        "--python-version",
        "3.12",
    ];
    let installers: [(&str, &[&str], &[&str]); 4] = [
        ("uv", &[], &uv),
        ("python3", &["-m", "pip"], &pip),
        ("pip3", &[], &pip),
        ("pip", &[], &pip),
    ];
    let mut failures = Vec::new();
    for (program, prefix, args) in installers {
        let outcome = Command::new(program)
            .args(prefix)
            .args(args)
            .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--target"])
            .arg(staging)
            .arg("-r")
            .arg(&requirements)
            .stdin(Stdio::null())
            .output();
        match outcome {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let messages = String::from_utf8_lossy(&output.stderr);
                let last = messages.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no message");
                failures.push(format!("  - {program}: {last}"));
            }
            Err(error) => failures.push(format!("  - {program}: {error}")),
        }
    }
    Err(InstallError::Installers(failures.join("\n")))
}

fn check(path: &Path, pin: &Pin) -> Result<(), InstallError> {
    let bytes = fs::read(path).map_err(|e| file_error(path, e))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found == pin.library_sha256 {
        return Ok(());
    }
    Err(InstallError::Hash {
        path: path.display().to_string(),
        found,
        expected: pin.library_sha256,
    })
}

fn file_error(path: &Path, source: std::io::Error) -> InstallError {
    InstallError::File { path: path.display().to_string(), source }
}
