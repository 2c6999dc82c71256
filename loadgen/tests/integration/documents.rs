//! The commands of the README and the book, read from their pages and executed.
//!
//! Blocks marked `sh` run in the order of their page, in one shell, at a smaller scale: fewer
//! users, shorter runs, and one trial of each sweep, which may then end without an answer. `cargo`
//! is not run inside a test run: of `cargo xtask`, only the subcommand is checked.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::server::{beside, root};

/// Pages whose commands are executed.
pub const PAGES: [&str; 11] = [
    "README.md",
    "docs/quickstart.md",
    "docs/es/quickstart.md",
    "docs/guides/size-a-container.md",
    "docs/guides/load-test-an-api.md",
    "docs/guides/web-page.md",
    "docs/guides/serve-your-model.md",
    "docs/guides/bake-and-publish.md",
    "docs/guides/compose-in-place.md",
    "docs/guides/read-a-report.md",
    "docs/guides/gate-in-ci.md",
];

/// Replacements that bring a page's commands to the scale of a test.
const SCALE: [(&str, &str); 8] = [
    ("--max-users 10000 --step 500", "--max-users 100 --step 50"),
    ("--max-users 1000 --step 500", "--max-users 100 --step 50"),
    ("--replicas 1,2,4", "--replicas 1"),
    ("--users 10000", "--users 200"),
    ("--users 1000", "--users 100"),
    ("--run-time 60s", "--run-time 2s"),
    ("--run-time 10s", "--run-time 4s"),
    ("--step-duration 5s", "--step-duration 2s"),
];

#[test]
fn commands_work_as_written() {
    for page in PAGES {
        execute(page, |block| !block.contains("docker "));
    }
}

#[test]
fn every_page_with_commands_is_executed() {
    for folder in ["docs", "docs/guides", "docs/es"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let has_commands = name.ends_with(".md") && !blocks(&name).is_empty();
            assert!(!has_commands || PAGES.contains(&name.as_str()), "{name} is not executed");
        }
    }
}

/// Executes the blocks of a page that `is_wanted` accepts.
pub fn execute(page: &str, is_wanted: impl Fn(&str) -> bool) {
    let script: String = blocks(page).into_iter().filter(|block| is_wanted(block)).collect();
    if script.is_empty() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = SCALE.iter().fold(script, |script, (wide, narrow)| script.replace(wide, narrow));
    let script = script.replace("127.0.0.1:8000", &format!("127.0.0.1:{port}"));
    let script = format!(
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}"
    );
    let path = format!(
        "{}:{}:{}",
        dir.path().join("shims").display(),
        beside("loadgen").parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .envs([("PATH", path.as_str()), ("LOADGEN_MAX_TRIALS", "1")])
        .output()
        .expect("bash");
    assert!(
        output.status.success(),
        "{page} with status {:?}:\n{script}\n--- output\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Returns the `sh` blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let parts = text.split("\n```sh\n").skip(1);
    parts.map(|part| part.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

/// Puts the repository's files and the shims into the folder where a page's commands run.
fn prepare(dir: &Path) {
    for name in ["models", "compose", "Dockerfile", "inference-api"] {
        symlink(root().join(name), dir.join(name)).unwrap();
    }
    let shims = dir.join("shims");
    fs::create_dir(&shims).unwrap();
    let loadgen = beside("loadgen").display().to_string();
    let xtask = beside("xtask").display().to_string();
    let path = std::env::var_os("PATH").unwrap();
    let docker = std::env::split_paths(&path)
        .map(|dir| dir.join("docker"))
        .find(|docker| docker.exists())
        .unwrap_or_else(|| "docker".into());
    let docker = docker.display();
    for (name, text) in [
        // 1 and 3: no answer in the time of a test. 0 and these are what a sweep may end with.
        (
            "loadgen",
            format!(
                "{loadgen} \"$@\" && exit\ncode=$?\n[ \"$1\" = sweep ] && \
                    {{ [ $code = 1 ] || [ $code = 3 ]; }} && exit 0\nexit $code"
            ),
        ),
        ("cargo", format!("[ \"$1\" = xtask ] && exec {xtask} \"$2\" --help >/dev/null")),
        // The images are there: `cargo xtask test` builds them.
        (
            "docker",
            format!(
                "if [ \"$1\" = build ] && [ \"${{@: -1}}\" = . ]; then exec {docker} image inspect \
                 inference-api >/dev/null; fi\nexec {docker} \"$@\""
            ),
        ),
    ] {
        let path = shims.join(name);
        fs::write(&path, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
