//! A check in a scenario file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Check,
    check::Wanted,
    data::Data,
    place::Wrong,
    template::{Part, Template},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckFile {
    status: Option<Vec<u16>>,
    json: Option<String>,
    equals: Option<toml::Value>,
    golden: Option<PathBuf>,
    tolerance: Option<f64>,
    contains: Option<String>,
}

const FORMS: &str = "a check has status = [200], or json = \"/a/b\" and equals = …, or golden = \
    \"answer.json\" (both with tolerance = 0.001, where numbers may differ), or contains = \"…\"";

/// Builds a check; golden files are relative to `folder`.
pub(super) fn build(
    check: Spanned<CheckFile>,
    folder: &Path,
    data: &[(String, Data)],
) -> Result<Check, Wrong> {
    let span = check.span();
    let wrong = |why: String| (span.clone(), why);
    let CheckFile { status, json, equals, golden, tolerance, contains } = check.into_inner();
    if tolerance.is_some_and(|t| !(t >= 0.0 && t.is_finite())) {
        return Err(wrong("a tolerance is a number from 0".to_owned()));
    }
    match (status, json, equals, golden, contains) {
        (Some(statuses), None, None, None, None) if tolerance.is_none() => {
            Ok(Check::Status(statuses))
        }
        (None, None, None, None, Some(text)) if tolerance.is_none() => Ok(Check::Contains(text)),
        (None, Some(pointer), Some(value), None, None) => {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(wrong(format!(
                    "{pointer:?} is no JSON pointer: that begins with /, for instance \
                        /predictions/0/label"
                )));
            }
            let wanted = wanted(value, data).map_err(wrong)?;
            Ok(Check::Json { pointer, wanted, tolerance: tolerance.unwrap_or(0.0) })
        }
        (None, pointer, None, Some(file), None) => {
            let path = folder.join(file);
            let text =
                std::fs::read(&path).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
            let value = serde_json::from_slice(&text)
                .map_err(|e| wrong(format!("{}: {e}", path.display())))?;
            let pointer = pointer.unwrap_or_default();
            Ok(Check::Json {
                pointer,
                wanted: Wanted::Value(value),
                tolerance: tolerance.unwrap_or(0.0),
            })
        }
        _ => Err(wrong(FORMS.to_owned())),
    }
}

/// Parses an expected value or a placeholder for one: `"{{rows.label}}"`.
fn wanted(value: toml::Value, data: &[(String, Data)]) -> Result<Wanted, String> {
    if let toml::Value::String(text) = &value
        && text.contains("{{")
    {
        return match Template::parse(text, data).map_err(|(_, why)| why)?.only_part() {
            Some(Part::Data(file, Some(column))) => Ok(Wanted::Data(*file, column.clone())),
            _ => Err(format!(
                "equals = {text:?}: a value, or one column of a data file and nothing else"
            )),
        };
    }
    serde_json::to_value(value).map(Wanted::Value).map_err(|e| e.to_string())
}
