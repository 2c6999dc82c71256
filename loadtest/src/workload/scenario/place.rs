//! Positions in a file, as editors show them.

use std::ops::Range;

/// Byte range of a problem in the file, and its description.
pub(super) type Wrong = (Range<usize>, String);

/// Returns `:line:column`, both from 1.
pub(super) fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!(":{line}:{column}")
}
