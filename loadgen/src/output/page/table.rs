//! Tables of a page, with captions and scopes.

use loadtest::verdict::Verdict;

use super::{escape, parts};

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A figure, on the right.
    Figure(String),
    /// Words, on the left.
    Words(String),
    /// A verdict with its shape and colour.
    Verdict(Verdict),
    /// Nothing.
    Empty,
}

impl Cell {
    /// Returns a figure with a number of decimals; a dash for a missing one.
    pub fn number(value: impl Into<Option<f64>>, decimals: usize) -> Self {
        Self::Figure(value.into().map_or_else(|| "–".to_owned(), |v| format!("{v:.decimals$}")))
    }

    /// Returns a share in percent with one decimal; a dash for a missing one.
    pub fn share(share: impl Into<Option<f64>>) -> Self {
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        Self::Figure(share.into().map_or_else(|| "–".to_owned(), percent))
    }

    /// Returns a count.
    pub fn count(count: u64) -> Self {
        Self::Figure(crate::output::numbers::thousands(count as f64))
    }

    fn html(&self, is_header: bool) -> String {
        let (class, content) = match self {
            Self::Figure(text) => ("", escape(text)),
            Self::Words(text) => (" class=\"words\"", escape(text)),
            Self::Verdict(verdict) => (" class=\"words\"", parts::verdict(*verdict)),
            Self::Empty => ("", String::new()),
        };
        match is_header {
            true => format!("<th scope=\"row\"{class}>{content}</th>"),
            false => format!("<td{class}>{content}</td>"),
        }
    }
}

/// Returns a table whose first column names the rows; it scrolls sideways on a narrow screen.
/// Nothing without rows.
pub fn table(caption: &str, head: &[&str], rows: &[Vec<Cell>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let is_words = |column: usize| {
        rows.iter().any(|row| matches!(row.get(column), Some(Cell::Words(_) | Cell::Verdict(_))))
    };
    let head: String = head
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let class = if is_words(column) { " class=\"words\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", escape(name))
        })
        .collect();
    let row = |row: &Vec<Cell>| {
        let cells = row.iter().enumerate().map(|(column, cell)| cell.html(column == 0));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let (caption, body) = (escape(caption), rows.iter().map(row).collect::<String>());
    format!(
        "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n\
         <caption><span>{caption}</span></caption>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )
}
