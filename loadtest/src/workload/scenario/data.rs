//! Rows that fill in requests: a CSV file with a header, or one JSON object per line.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Sender;

/// Rows of a data file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Data {
    rows: Vec<Map<String, Value>>,
    order: Order,
}

/// Order in which requests use the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// Each user goes through all rows, beginning with a different one.
    #[default]
    Sequential,
    /// Each request uses a random row.
    Random,
}

impl Data {
    /// Reads a data file.
    ///
    /// # Errors
    /// Returns the line that is wrong.
    pub(super) fn read(path: &Path, order: Order) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let rows = if path.extension().is_some_and(|extension| extension == "csv") {
            let mut reader = csv::Reader::from_path(path).map_err(|e| wrong(e.to_string()))?;
            let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
            let row = |record: csv::Result<csv::StringRecord>| {
                let record = record.map_err(|e| wrong(e.to_string()))?;
                Ok(header
                    .iter()
                    .zip(record.iter())
                    .map(|(k, v)| (k.to_owned(), Value::from(v)))
                    .collect())
            };
            reader.records().map(row).collect::<Result<Vec<_>, String>>()?
        } else {
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let row = |(number, line): (usize, &str)| {
                serde_json::from_str(line).map_err(|e| wrong(format!("line {}: {e}", number + 1)))
            };
            lines.map(row).collect::<Result<Vec<_>, String>>()?
        };
        if rows.is_empty() {
            return Err(wrong("there are no rows".to_owned()));
        }
        Ok(Self { rows, order })
    }

    /// Returns the columns of the first row.
    pub(super) fn columns(&self) -> Vec<String> {
        self.rows.first().map(|row| row.keys().cloned().collect()).unwrap_or_default()
    }

    fn row(&self, sender: Sender<'_>) -> &Map<String, Value> {
        let wanted = match self.order {
            Order::Sequential => u64::from(sender.user).wrapping_add(sender.iteration),
            Order::Random => sender.random,
        };
        &self.rows[(wanted % self.rows.len() as u64) as usize]
    }

    /// Returns a column of the sender's row, if the row has it.
    pub(super) fn value(&self, sender: Sender<'_>, column: &str) -> Option<&Value> {
        self.row(sender).get(column)
    }

    /// Writes a value of the sender's row as JSON, strings without their quotes, which the template
    /// has. A column that the row lacks is empty.
    pub(super) fn write(&self, sender: Sender<'_>, column: Option<&str>, out: &mut Vec<u8>) {
        let row = self.row(sender);
        let text = match column {
            None => serde_json::to_string(row).unwrap_or_default(),
            Some(column) => match row.get(column) {
                None => String::new(),
                Some(Value::String(text)) => {
                    let quoted = serde_json::to_string(text).unwrap_or_default();
                    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
                }
                Some(value) => value.to_string(),
            },
        };
        out.extend_from_slice(text.as_bytes());
    }
}
