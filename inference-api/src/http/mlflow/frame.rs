//! Data frames: columns that have names, as JSON or CSV.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    model::{Layout, Signature},
    predict::{Batch, Fault, decode_rows},
};

#[derive(Deserialize)]
struct Split<'a> {
    columns: Option<Vec<Value>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// `{"columns": […], "index": […], "data": [[…], …]}`; the index says nothing to a model.
pub(super) fn split(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    const FIELD: &str = "dataframe_split";
    let wanted = |e: serde_json::Error| Fault {
        field: FIELD.to_owned(),
        expected: "an object with columns and data".to_owned(),
        got: e.to_string(),
        malformed: false,
    };
    let split: Split<'_> = serde_json::from_str(json.get()).map_err(wanted)?;
    let columns: Vec<String> = split.columns.unwrap_or_default().iter().map(column_name).collect();
    if in_order(signature, &columns) {
        return decode_rows(signature, "dataframe_split.data", split.data.get());
    }
    let rows: Vec<Vec<&RawValue>> = serde_json::from_str(split.data.get()).map_err(wanted)?;
    let mut records = String::from("[");
    for (i, row) in rows.iter().enumerate() {
        if row.len() != columns.len() {
            return Err(Fault {
                field: format!("dataframe_split.data[{i}]"),
                expected: format!("{} values, one a column", columns.len()),
                got: format!("{} values", row.len()),
                malformed: false,
            });
        }
        records.push_str(if i == 0 { "{" } else { ",{" });
        for (j, (name, value)) in columns.iter().zip(row).enumerate() {
            let comma = if j == 0 { "" } else { "," };
            records.push_str(&format!("{comma}{}:{}", Value::from(name.as_str()), value.get()));
        }
        records.push('}');
    }
    records.push(']');
    decode_rows(signature, "dataframe_split.data", &records)
}

/// `[{column: value, …}, …]`.
pub(super) fn records(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    const FIELD: &str = "dataframe_records";
    if signature.has_names {
        return decode_rows(signature, FIELD, json.get());
    }
    // Names that the model does not know stand for positions, in the order in which they come.
    let wanted = |e: serde_json::Error| Fault {
        field: FIELD.to_owned(),
        expected: "a list of records".to_owned(),
        got: e.to_string(),
        malformed: false,
    };
    let records: Vec<Ordered<'_>> = serde_json::from_str(json.get()).map_err(wanted)?;
    let rows: Vec<String> = records
        .iter()
        .map(|record| format!("[{}]", record.0.iter().map(|v| v.get()).collect::<Vec<_>>().join(",")))
        .collect();
    decode_rows(signature, FIELD, &format!("[{}]", rows.join(",")))
}

/// A header line with the columns' names, then a line a row. An empty cell is a missing value.
pub(super) fn csv(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    let wanted = |e: csv::Error| Fault {
        field: "body".to_owned(),
        expected: "CSV with a line of column names".to_owned(),
        got: e.to_string(),
        malformed: true,
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let columns: Vec<String> = reader.headers().map_err(wanted)?.iter().map(str::to_owned).collect();
    let by_position = in_order(signature, &columns);
    let is_text = |position: usize, name: &str| {
        let feature = match by_position {
            true => signature.features.get(position),
            false => signature.features.iter().find(|f| f.name == name),
        };
        feature.is_some_and(|f| signature.inputs[f.input].element == crate::model::Element::Text)
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wanted)?;
        let cells = record.iter().zip(&columns).enumerate().map(|(i, (cell, name))| cell_value(cell, is_text(i, name)));
        rows.push(match by_position {
            true => Value::Array(cells.collect()),
            false => Value::Object(columns.iter().cloned().zip(cells).collect::<Map<_, _>>()),
        });
    }
    decode_rows(signature, "csv", &Value::Array(rows).to_string())
}

fn cell_value(cell: &str, is_text: bool) -> Value {
    if is_text {
        return cell.into();
    }
    match cell {
        "" => Value::Null,
        "true" | "True" => true.into(),
        "false" | "False" => false.into(),
        // What is no number is left as it is, and refused with its place.
        _ => serde_json::from_str(cell).ok().filter(Value::is_number).unwrap_or_else(|| cell.into()),
    }
}

/// Whether columns are taken by position: they are the features in order, or the model knows no names for them.
fn in_order(signature: &Signature, columns: &[String]) -> bool {
    let are_the_features = columns.iter().eq(signature.features.iter().map(|f| &f.name));
    let are_numbers = (0..columns.len()).map(|i| i.to_string()).eq(columns.iter().cloned());
    let has_no_names = !signature.has_names && signature.layout != Layout::Columns;
    are_the_features || are_numbers || has_no_names
}

/// pandas numbers columns that were not named.
fn column_name(column: &Value) -> String {
    column.as_str().map_or_else(|| column.to_string(), str::to_owned)
}

/// An object's values in the order in which they were written.
struct Ordered<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Ordered<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> serde::de::Visitor<'de> for Values {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some((_, value)) = map.next_entry::<serde::de::IgnoredAny, &RawValue>()? {
                    values.push(value);
                }
                Ok(values)
            }
        }
        deserializer.deserialize_map(Values).map(Ordered)
    }
}
