//! Data frames: tables with named columns, as JSON or CSV.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::columns::{self, Order};
use crate::{
    model::{Element, Signature},
    predict::{Batch, Fault, decode_rows},
};

#[derive(Deserialize)]
struct Split<'a> {
    columns: Option<Vec<Value>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads `{"columns": […], "index": […], "data": [[…], …]}`; the index is ignored.
pub(super) fn split(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    const FIELD: &str = "dataframe_split.data";
    let wanted = |e: serde_json::Error| Fault {
        field: "dataframe_split".to_owned(),
        expected: "an object with columns and data, a list of rows".to_owned(),
        got: e.to_string(),
        malformed: false,
    };
    let split: Split<'_> = serde_json::from_str(json.get()).map_err(wanted)?;
    let Some(columns) = split.columns else {
        return decode_rows(signature, FIELD, split.data.get());
    };
    let columns: Vec<String> = columns.iter().map(column_name).collect();
    let order = columns::order(signature, "dataframe_split.columns", &columns)?;
    let rows: Vec<Vec<&RawValue>> = serde_json::from_str(split.data.get()).map_err(wanted)?;
    if let Some((i, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != columns.len()) {
        return Err(width(format!("{FIELD}[{i}]"), columns.len(), row.len()));
    }
    order.read(signature, FIELD, rows.iter().map(|row| row.iter().map(|cell| cell.get()).collect()))
}

/// Reads `[{column: value, …}, …]`.
pub(super) fn records(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    const FIELD: &str = "dataframe_records";
    let records: Vec<Record<'_>> = serde_json::from_str(json.get()).map_err(|e| Fault {
        field: FIELD.to_owned(),
        expected: "a list of records".to_owned(),
        got: e.to_string(),
        malformed: false,
    })?;
    let Some(first) = records.first() else { return decode_rows(signature, FIELD, "[]") };
    let known: BTreeSet<&str> = signature.features.iter().map(|f| f.name.as_str()).collect();
    if records.iter().all(|record| record.0.iter().all(|(name, _)| known.contains(name.as_str()))) {
        return decode_rows(signature, FIELD, json.get());
    }
    // Some names are unknown to the model: the first record sets the order of the columns.
    let columns: Vec<String> = first.0.iter().map(|(name, _)| name.clone()).collect();
    let order = columns::order(signature, FIELD, &columns)?;
    let mut rows = Vec::with_capacity(records.len());
    for (i, record) in records.iter().enumerate() {
        let same_order = record.0.iter().map(|(name, _)| name).eq(&columns);
        let cell =
            |name: &String| record.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.get());
        let row: Option<Vec<&str>> = match same_order {
            true => Some(record.0.iter().map(|(_, value)| value.get()).collect()),
            false => columns.iter().map(cell).collect(),
        };
        match row.filter(|row| row.len() == record.0.len()) {
            Some(row) => rows.push(row),
            None => {
                return Err(Fault {
                    field: format!("{FIELD}[{i}]"),
                    expected: "the names that the first record has".to_owned(),
                    got: "others".to_owned(),
                    malformed: false,
                });
            }
        }
    }
    order.read(signature, FIELD, rows.into_iter())
}

/// Reads a header line with column names, then one line per row. An empty cell is a missing value.
pub(super) fn csv(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    let wanted = |e: csv::Error| Fault {
        field: "body".to_owned(),
        expected: "CSV with a line of column names".to_owned(),
        got: e.to_string(),
        malformed: true,
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let columns: Vec<String> =
        reader.headers().map_err(wanted)?.iter().map(str::to_owned).collect();
    let order = columns::order(signature, "csv", &columns)?;
    let texts: Vec<bool> =
        (0..columns.len()).map(|column| is_text(signature, &order, column)).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wanted)?;
        rows.push(
            record
                .iter()
                .zip(&texts)
                .map(|(cell, is_text)| cell_json(cell, *is_text))
                .collect::<Vec<_>>(),
        );
    }
    order.read(signature, "csv", rows.iter().map(|row| row.iter().map(String::as_str).collect()))
}

fn is_text(signature: &Signature, order: &Order, column: usize) -> bool {
    let feature = order.feature(column).and_then(|feature| signature.features.get(feature));
    feature.is_some_and(|f| signature.inputs[f.input].element == Element::Text)
}

fn cell_json(cell: &str, is_text: bool) -> String {
    let value = match cell {
        _ if is_text => cell.into(),
        "" => Value::Null,
        "true" | "True" => true.into(),
        "false" | "False" => false.into(),
        // A cell that is not a number stays text; decoding rejects it with its position.
        _ => {
            serde_json::from_str(cell).ok().filter(Value::is_number).unwrap_or_else(|| cell.into())
        }
    };
    value.to_string()
}

fn width(field: String, expected: usize, got: usize) -> Fault {
    Fault {
        field,
        expected: format!("{expected} values, one a column"),
        got: format!("{got} values"),
        malformed: false,
    }
}

/// Returns a column's name; pandas numbers unnamed columns.
fn column_name(column: &Value) -> String {
    column.as_str().map_or_else(|| column.to_string(), str::to_owned)
}

/// Fields of an object in their written order.
struct Record<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fields).map(Record)
    }
}
