//! Text with placeholders that are filled in for each request: `{{user}}`, `{{iteration}}`,
//! `{{token}}`, `{{rows.column}}`, `{{rows}}`.

use super::{Sender, data::Data};

/// A parsed text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Part>);

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Literal(Vec<u8>),
    User,
    Iteration,
    Token,
    /// A column of a data file; none for the whole row.
    Data(usize, Option<String>),
}

impl Template {
    /// Parses a text into its pieces.
    ///
    /// # Errors
    /// Returns the byte position of the problem, and its description.
    pub(super) fn parse(text: &str, data: &[(String, Data)]) -> Result<Self, (usize, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        let at = |rest: &str| text.len() - rest.len();
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                parts.push(Part::Literal(rest[..open].into()));
            }
            let inside = &rest[open + 2..];
            let close =
                inside.find("}}").ok_or_else(|| (at(&rest[open..]), "{{ without }}".to_owned()))?;
            let name = inside[..close].trim();
            parts.push(place(name, data).map_err(|why| (at(&rest[open..]), why))?);
            rest = &inside[close + 2..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Ok(Self(parts))
    }

    /// Returns a template of these bytes without placeholders.
    pub(super) fn literal(bytes: &[u8]) -> Self {
        Self(vec![Part::Literal(bytes.to_vec())])
    }

    /// Returns true if there is no placeholder.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Returns the only piece, if there is exactly one.
    pub(super) fn only_part(&self) -> Option<&Part> {
        match &self.0[..] {
            [part] => Some(part),
            _ => None,
        }
    }

    pub(super) fn uses_token(&self) -> bool {
        self.0.contains(&Part::Token)
    }

    /// Writes the text with its placeholders filled in.
    pub(super) fn render(&self, sender: Sender<'_>, data: &[Data], out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::User => out.extend_from_slice(sender.user.to_string().as_bytes()),
                Part::Iteration => out.extend_from_slice(sender.iteration.to_string().as_bytes()),
                Part::Token => out.extend_from_slice(sender.token.as_bytes()),
                Part::Data(index, column) => data[*index].write(sender, column.as_deref(), out),
            }
        }
    }
}

fn place(name: &str, data: &[(String, Data)]) -> Result<Part, String> {
    match name {
        "user" => return Ok(Part::User),
        "iteration" => return Ok(Part::Iteration),
        "token" => return Ok(Part::Token),
        _ => {}
    }
    let (file, column) =
        name.split_once('.').map_or((name, None), |(file, column)| (file, Some(column)));
    let Some(index) = data.iter().position(|(name, _)| name == file) else {
        let files: Vec<&str> = data.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "{{{{{name}}}}} is not known; there are user, iteration, token{}",
            list(&files)
        ));
    };
    if let Some(column) = column {
        let columns = data[index].1.columns();
        if !columns.iter().any(|c| c == column) {
            return Err(format!("{file} has no column {column:?}; it has {}", columns.join(", ")));
        }
    }
    Ok(Part::Data(index, column.map(str::to_owned)))
}

fn list(files: &[&str]) -> String {
    files.iter().map(|file| format!(" and {file}.COLUMN")).collect()
}
