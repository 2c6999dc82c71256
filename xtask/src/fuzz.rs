//! `cargo xtask fuzz`: runs every target of `fuzz/` for some time.

use std::{ffi::OsString, path::Path, process::Command};

use super::{Done, Failed, cargo, read, root, say};

/// Runs every target for `seconds` seconds, even after one has failed.
pub fn run(seconds: u32) -> Done {
    let has_cargo_fuzz = Command::new("cargo-fuzz")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_cargo_fuzz {
        return Err(Failed::Say("cargo-fuzz is missing: cargo install cargo-fuzz".to_owned()));
    }
    let targets = targets(&root().join("fuzz"))?;
    let mut failed = Vec::new();
    for target in &targets {
        say(&format!("{target}: {seconds} s"));
        if fuzz(target, seconds).is_err() {
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        say(&format!("passed: {} targets, {seconds} s each", targets.len()));
        return Ok(());
    }
    Err(Failed::Say(format!(
        "failed: {}; what made it so is in fuzz/artifacts, and cargo fuzz run TARGET FILE does it \
            again (with RUSTC_BOOTSTRAP=1)",
        failed.join(", ")
    )))
}

fn fuzz(target: &str, seconds: u32) -> Done {
    let folder = root().join("fuzz");
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    std::fs::create_dir_all(&corpus)
        .map_err(|e| Failed::Say(format!("{}: {e}", corpus.display())))?;
    // The workspace has no unsafe code: an address sanitizer would only slow it down.
    let mut run = cargo(["fuzz", "run", "--sanitizer", "none", target]);
    // New inputs are written to the first folder.
    run.args([corpus, seeds]).arg("--").arg(format!("-max_total_time={seconds}"));
    // An input that takes too long or too much memory is a finding as well.
    run.args(["-timeout=5", "-rss_limit_mb=1024", "-malloc_limit_mb=256"]);
    // A stable compiler accepts the coverage flags only with this variable.
    super::run(run.env("RUSTC_BOOTSTRAP", OsString::from("1")))
}

/// Returns the names of the targets.
fn targets(folder: &Path) -> Result<Vec<String>, Failed> {
    let manifest = read(&folder.join("Cargo.toml"))?;
    let path = |line: &str| {
        Some(line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\"")?.to_owned())
    };
    let targets: Vec<String> = manifest.lines().filter_map(path).collect();
    match targets.is_empty() {
        true => Err(Failed::Say("fuzz/Cargo.toml names no target".to_owned())),
        false => Ok(targets),
    }
}
