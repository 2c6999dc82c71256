//! Sweeps in a folder: their answers, files, and judgements with other options.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Error,
    output::{Judging, Price, Prices, SweepFolder},
};

/// Files of a sweep that may be downloaded, with their media types.
const FILES: [(&str, &str); 9] = [
    ("report.html", "text/html; charset=utf-8"),
    ("REPORT.md", "text/markdown; charset=utf-8"),
    ("sweep.json", "application/json"),
    ("trials.jsonl", "application/jsonl"),
    ("compose.yaml", "application/yaml"),
    ("kubernetes.yaml", "application/yaml"),
    ("curve.svg", "image/svg+xml"),
    ("demand.svg", "image/svg+xml"),
    ("command.txt", "text/plain; charset=utf-8"),
];

/// Options of the sliders.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sliders {
    slo: String,
    confidence: String,
    cpu_price: String,
    memory_price: String,
    headroom: String,
}

/// Returns a line for each sweep in a folder, newest first.
pub(super) fn list(dir: &Path) -> Vec<Value> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut sweeps: Vec<(u64, Value)> = entries
        .filter(|entry| entry.path().join("trials.jsonl").is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let changed = changed(&entry.path());
            (changed, line(&entry.path(), &name, changed))
        })
        .collect();
    sweeps.sort_by_key(|(changed, _)| std::cmp::Reverse(*changed));
    sweeps.into_iter().map(|(_, line)| line).collect()
}

/// Returns the folder of a sweep by its name.
///
/// # Errors
/// Returns a message if the name leads out of the folder, or to no sweep.
pub(super) fn folder(dir: &Path, name: &str) -> Result<PathBuf, String> {
    let missing = || format!("there is no sweep {name:?} in {}", dir.display());
    let is_plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    let path = dir.join(name);
    let inside = path.canonicalize().ok().zip(dir.canonicalize().ok());
    match inside.filter(|(path, dir)| path.starts_with(dir)) {
        Some(_) if is_plain && path.join("trials.jsonl").is_file() => Ok(path),
        _ => Err(missing()),
    }
}

/// Returns a file of a sweep and its media type; `None` if the sweep has no such file.
pub(super) fn file(folder: &Path, name: &str) -> Option<(&'static str, Vec<u8>)> {
    let (name, media_type) = FILES.iter().find(|(known, _)| *known == name)?;
    let path = folder.join(name);
    // A link could lead out of the folder.
    let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| fs::read(path).ok()).flatten().map(|content| (*media_type, content))
}

/// Returns a sweep as `sweep.json` has it, with the names of its files.
///
/// # Errors
/// Returns an error if its journal is damaged.
pub(super) fn details(folder: &Path, sliders: &Sliders) -> Result<Value, Error> {
    let sweep = SweepFolder::open(folder)?;
    let judged = sweep.judge(&sliders.judging()?)?;
    let mut value = judged.json();
    value["name"] = json!(folder.file_name().map(|name| name.to_string_lossy()));
    value["note"] = json!(judged.note());
    value["objective"] = json!(judged.basis.settings.objective.to_string());
    value["limit_ms"] =
        json!(judged.basis.settings.objective.latency.first().map(|l| l.limit.as_secs_f64() * 1e3));
    let has = |(name, _): &&(&str, &str)| folder.join(name).is_file();
    value["files"] = FILES.iter().filter(has).map(|(name, _)| json!(name)).collect();
    Ok(value)
}

impl Sliders {
    fn judging(&self) -> Result<Judging, Error> {
        let usage = |what: &str, why: String| Error::Usage(format!("{what}: {why}"));
        let text = |field: &str| Some(field.trim().to_owned()).filter(|text| !text.is_empty());
        let price = |field: &str, what: &str| {
            let price = text(field).map(|text| text.parse::<Price>()).transpose();
            price.map_err(|why| usage(what, why.to_string()))
        };
        let cpu = price(&self.cpu_price, "CPU price")?;
        let memory = price(&self.memory_price, "memory price")?;
        Ok(Judging {
            objective: text(&self.slo).map(|text| text.parse()).transpose()?,
            confidence: text(&self.confidence)
                .map(|text| text.parse::<f64>().map_err(|e| usage("confidence", e.to_string())))
                .transpose()?,
            prices: Prices::new(cpu, memory).map_err(Error::Usage)?,
            headroom: text(&self.headroom)
                .map(|text| text.parse().map_err(|why| usage("headroom", why)))
                .transpose()?,
            minimize: None,
        })
    }
}

/// Returns the seconds since 1970 of the last change.
fn changed(folder: &Path) -> u64 {
    let modified = fs::metadata(folder.join("trials.jsonl")).and_then(|m| m.modified()).ok();
    modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

fn line(folder: &Path, name: &str, changed: u64) -> Value {
    let text = fs::read(folder.join("sweep.json")).unwrap_or_default();
    let sweep: Value = serde_json::from_slice(&text).unwrap_or_default();
    let trials = sweep["trials"].as_array().map(Vec::len);
    json!({
        "name": name,
        "changed": changed,
        "image": sweep["environment"]["image"],
        "max_users": sweep["max_users"],
        "minimal": sweep["minimal"],
        "ended_early": sweep["ended_early"],
        "trials": trials,
        "is_damaged": sweep.is_null() && !text.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_lead_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let sweeps = dir.path().join("sweeps");
        for folder in [sweeps.join("a"), dir.path().join("b")] {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("trials.jsonl"), "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path().join("b"), sweeps.join("link")).unwrap();
        assert!(folder(&sweeps, "a").is_ok());
        for name in ["", ".", "..", "../b", "a/../../b", "/etc", "link", ".a", "c"] {
            assert!(folder(&sweeps, name).is_err(), "{name}");
        }
        let a = folder(&sweeps, "a").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", a.join("REPORT.md")).unwrap();
        assert!(file(&a, "trials.jsonl").is_some());
        for name in ["REPORT.md", "command.json", "../a/trials.jsonl", "/etc/hostname"] {
            assert!(file(&a, name).is_none(), "{name}");
        }
        assert_eq!(list(&sweeps).len(), 2, "the link is a folder too, which cannot be opened");
    }
}
