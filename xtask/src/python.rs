//! Python environments for programs from PyPI.

use std::{path::PathBuf, process::Command};

use crate::{Failed, read, run, say, target};

/// Returns the folder `target/NAME` with these requirements installed; it is made anew when they
/// change.
pub fn environment(name: &str, requirements: &str) -> Result<PathBuf, Failed> {
    let dir = target().join(name);
    let installed = dir.join("requirements.txt");
    if read(&installed).is_ok_and(|installed| installed == requirements) {
        return Ok(dir);
    }
    say(&format!("installing {name} into {}", dir.display()));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    // Written under another name first: an interrupted installation is begun again.
    let wanted = dir.join("wanted.txt");
    let write = |path: &PathBuf| {
        std::fs::write(path, requirements)
            .map_err(|e| Failed::Say(format!("{}: {e}", path.display())))
    };
    write(&wanted)?;
    run(Command::new(dir.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&wanted))?;
    write(&installed)?;
    Ok(dir)
}
