//! Forms in scenario files.

use std::{collections::BTreeMap, path::Path};

use toml::Spanned;

use super::place::Wrong;
use crate::workload::{Field, Payload};

/// Builds a form from fields whose values have the syntax of curl's `-F`.
pub(super) fn form(
    fields: &BTreeMap<String, Spanned<String>>,
    folder: &Path,
) -> Result<Payload, Wrong> {
    let place = fields.values().next().map_or(0..0, Spanned::span);
    let parsed = fields.iter().map(|(name, value)| {
        let field = format!("{name}={}", value.get_ref()).parse::<Field>();
        field.map_err(|why| (value.span(), why))
    });
    let parsed = parsed.collect::<Result<Vec<_>, Wrong>>()?;
    Payload::form(&parsed, folder).map_err(|why| (place, why))
}
