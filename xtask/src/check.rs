//! Checks that a commit must pass.

use std::{path::Path, process::Command};

use crate::{Done, Failed, cargo, docs, python, read, root, run, say, target};

/// Longest line of Rust code and comments, in characters.
const LONGEST_LINE: usize = 100;
/// Linters from PyPI: of workflows, and of spelling.
const LINTERS: &str = "check-jsonschema==0.38.0\nzizmor==1.32.0\ntypos==1.52.0\n";

/// Formatting, lints, documentation, dependencies, spelling, links and workflows.
pub fn run_all() -> Done {
    run(cargo(["fmt", "--all", "--check"]))?;
    run(cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    line_lengths()?;
    run(cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // `fuzz` is a separate workspace that nothing else builds. With the same profile and target
    // folder, its dependencies are already checked.
    let mut fuzz = cargo(["clippy", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    run(fuzz.arg(target()).args(["--", "-D", "warnings"]))?;
    run(cargo(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    docs::check()?;
    // Offline: advisories need a database from the network, licences and bans do not.
    tool(
        "cargo-deny",
        "cargo-deny",
        &["--log-level", "error", "check", "bans", "licenses", "sources"],
    )?;
    say("spelling and workflows");
    let linters = python::environment("linters", LINTERS)?;
    run(Command::new(linters.join("bin/typos")).current_dir(root()))?;
    workflows(&linters)
}

/// Runs a tool that cargo installs.
fn tool(program: &str, package: &str, args: &[&str]) -> Done {
    say(program);
    run(Command::new(program).args(args).current_dir(root())).map_err(|failed| match failed {
        Failed::Say(why) => Failed::Say(format!("{why}\n  help: cargo install --locked {package}")),
        status => status,
    })
}

fn line_lengths() -> Done {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]);
    git.args(["loadgen/src/ui/assets/*", "loadgen/tests/browser/*.py"]);
    let output = git
        .current_dir(root())
        .output()
        .map_err(|e| Failed::Say(format!("git does not start: {e}")))?;
    let mut long = Vec::new();
    for name in String::from_utf8_lossy(&output.stdout).lines() {
        let path = root().join(name);
        // A deleted file is still listed until it is committed, and a picture has no lines to read.
        let has_lines = path.exists() && path.extension().is_none_or(|kind| kind != "svg");
        let text = if has_lines { read(&path)? } else { continue };
        let lines = text.lines().enumerate();
        let beyond = lines.filter(|(_, line)| line.chars().count() > LONGEST_LINE);
        long.extend(beyond.map(|(number, _)| format!("{name}:{}", number + 1)));
    }
    if long.is_empty() {
        return Ok(());
    }
    Err(Failed::Say(format!("lines over {LONGEST_LINE} characters:\n  {}", long.join("\n  "))))
}

fn workflows(linters: &Path) -> Done {
    let folder = root().join(".github/workflows");
    let entries = std::fs::read_dir(&folder)
        .map_err(|e| Failed::Say(format!("{}: {e}", folder.display())))?;
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let schema = ["--builtin-schema", "vendor.github-workflows", "--quiet"];
    run(Command::new(linters.join("bin/check-jsonschema")).args(schema).args(files))?;
    let audit = ["--offline", "--quiet", "--config", ".github/zizmor.yml", ".github/workflows"];
    run(Command::new(linters.join("bin/zizmor")).args(audit).current_dir(root()))
}
