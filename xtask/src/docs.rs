//! The book: generated references, checked links, pages.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Done, Failed, cargo, read, root, run, say, target};

/// Binaries and their subcommands, in the order of the reference.
const REFERENCES: [(&str, &[&str]); 2] = [
    ("loadgen", &["run", "sweep", "report", "ui", "compare", "clean", "null-server"]),
    ("inference-api", &["serve", "check", "healthcheck", "runtime"]),
];

/// Writes the references, checks all links and builds the book into `target/book`.
pub fn build() -> Done {
    for (path, text) in references()? {
        std::fs::write(&path, text).map_err(|e| Failed::Say(format!("{}: {e}", path.display())))?;
    }
    links()?;
    say("building the book");
    let mut mdbook = Command::new("mdbook");
    mdbook.args(["build", "docs"]).current_dir(root());
    run(mdbook).map_err(|failed| match failed {
        Failed::Say(why) => Failed::Say(format!("{why}\n  help: cargo install mdbook")),
        status => status,
    })
}

/// Checks that the committed references are those of the binaries, and that all links lead
/// somewhere.
pub fn check() -> Done {
    for (path, text) in references()? {
        if read(&path)? != text {
            return Err(Failed::Say(format!(
                "{} is not what --help says\n  help: cargo xtask docs",
                path.display()
            )));
        }
    }
    links()
}

fn references() -> Result<Vec<(PathBuf, String)>, Failed> {
    run(cargo(["build", "--quiet", "-p", "loadgen", "-p", "inference-api"]))?;
    REFERENCES.iter().map(|(binary, subcommands)| reference(binary, subcommands)).collect()
}

fn reference(binary: &str, subcommands: &[&str]) -> Result<(PathBuf, String), Failed> {
    let prefix = if binary == "loadgen" { "LOADGEN" } else { "INFERENCE" };
    let mut page = format!(
        "# Flags of {binary}\n\nGenerated from `--help` by `cargo xtask docs`.\nEvery flag is also \
            a variable, for instance `{prefix}_BIND`, and a key of the file that `--config` names: \
            [configuration](configuration.md).\n"
    );
    for subcommand in subcommands {
        let help = help(binary, subcommand)?;
        let _ = write!(page, "\n## {binary} {subcommand}\n\n```text\n{}\n```\n", help.trim_end());
    }
    Ok((root().join(format!("docs/reference/{binary}.md")), page))
}

fn help(binary: &str, subcommand: &str) -> Result<String, Failed> {
    let mut command = Command::new(target().join("debug").join(binary));
    command.args([subcommand, "--help"]).env("COLUMNS", "100");
    let output =
        command.output().map_err(|e| Failed::Say(format!("{binary} does not start: {e}")))?;
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// Checks that every relative link of every page leads to a file, and to a heading where it names
/// one.
fn links() -> Done {
    let mut broken = Vec::new();
    for page in pages()? {
        let text = read(&page)?;
        for link in relative_links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(&page).join(path),
            };
            if !to.exists() || !(anchor.is_empty() || has_heading(&to, anchor)) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed::Say(format!("links that lead nowhere:\n  {}", broken.join("\n  "))))
}

/// Returns all Markdown files that git knows.
fn pages() -> Result<Vec<PathBuf>, Failed> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]);
    let output = git
        .current_dir(root())
        .output()
        .map_err(|e| Failed::Say(format!("git does not start: {e}")))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(|name| root().join(name)).collect())
}

fn relative_links(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines()
        .filter(move |line| {
            if line.starts_with("```") {
                is_code = !is_code;
            }
            !is_code
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
}

fn has_heading(page: &Path, anchor: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(page) else { return false };
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
}

/// Returns a heading's anchor, as mdBook and GitHub make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
