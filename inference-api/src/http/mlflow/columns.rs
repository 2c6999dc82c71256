//! Assignment of table columns to features, computed once for all rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Layout, Signature},
    predict::{Batch, Fault, decode_rows, shorten},
};

/// Assignment of a table's columns to the model's features.
pub(super) struct Order {
    /// Column of each feature; `None` for a nullable feature without a column.
    columns: Vec<Option<usize>>,
    /// Column names of the table.
    names: Vec<String>,
}

/// Matches a table's columns to features by name, or by position if the model has no names.
///
/// If all features are present by name, further columns are ignored, as MLflow does.
/// Names are checked once here, not in each row.
///
/// # Errors
/// Returns an error if a column is not a feature and could be misspelt.
/// Returns an error if a feature has no column or two.
pub(super) fn order(
    signature: &Signature,
    field: &str,
    columns: &[String],
) -> Result<Order, Fault> {
    let features = &signature.features;
    let fault = |expected: String, got: String| Fault {
        field: field.to_owned(),
        expected,
        got,
        malformed: false,
    };
    let known: BTreeMap<&str, usize> =
        features.iter().enumerate().map(|(i, f)| (f.name.as_str(), i)).collect();
    let are_known = columns.iter().all(|name| known.contains_key(name.as_str()));
    let given: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let all_there = features.iter().all(|f| given.contains(f.name.as_str()));
    let names = columns.to_vec();
    if !are_known && !all_there && is_positional(signature, columns) {
        return Ok(Order {
            columns: (0..features.len().max(columns.len())).map(Some).collect(),
            names,
        });
    }
    let mut order = vec![None; features.len()];
    for (position, name) in columns.iter().enumerate() {
        if all_there && !known.contains_key(name.as_str()) {
            continue;
        }
        let feature = known.get(name.as_str()).ok_or_else(|| {
            let names: Vec<_> = features.iter().map(|f| f.name.as_str()).take(12).collect();
            fault(
                format!("the columns {}", names.join(", ")),
                format!("the column {:?}", shorten(name)),
            )
        })?;
        if order[*feature].replace(position).is_some() {
            return Err(fault("each column once".to_owned(), format!("{:?} twice", shorten(name))));
        }
    }
    if let Some((feature, _)) =
        features.iter().zip(&order).find(|(f, column)| column.is_none() && !f.nullable)
    {
        return Err(fault(format!("a column {:?}", feature.name), "none of this name".to_owned()));
    }
    Ok(Order { columns: order, names })
}

/// Returns true if columns are unnamed, or named for a model that has no feature names.
fn is_positional(signature: &Signature, columns: &[String]) -> bool {
    let are_numbers = columns.iter().enumerate().all(|(i, name)| *name == i.to_string());
    are_numbers || (!signature.has_names && signature.layout != Layout::Columns)
}

impl Order {
    /// Reads rows of JSON cells, in the order of the table's columns.
    pub(super) fn read<'a>(
        &self,
        signature: &Signature,
        field: &'static str,
        rows: impl Iterator<Item = Vec<&'a str>>,
    ) -> Result<Batch, Fault> {
        let mut json = String::from("[");
        for (i, row) in rows.enumerate() {
            json.push_str(if i == 0 { "" } else { "," });
            // A row of this layout is the tensor itself.
            let (open, close) =
                if signature.layout == Layout::Tensor { ("", "") } else { ("[", "]") };
            json.push_str(open);
            for (j, column) in self.columns.iter().enumerate() {
                json.push_str(if j == 0 { "" } else { "," });
                json.push_str(
                    column.map_or("null", |column| row.get(column).copied().unwrap_or("null")),
                );
            }
            json.push_str(close);
        }
        json.push(']');
        let is_row = signature.layout == Layout::Tensor;
        decode_rows(signature, field, &json)
            .map_err(|fault| if is_row { fault } else { self.as_sent(field, fault) })
    }

    /// Renames a fault's field to the sender's column: rows are read in the features' order.
    fn as_sent(&self, field: &str, fault: Fault) -> Fault {
        let place = fault.field.strip_prefix(field).and_then(|rest| {
            let (row, rest) = rest.strip_prefix('[')?.split_once(']')?;
            let (feature, rest) = rest.strip_prefix('[')?.split_once(']')?;
            let name = self.names.get((*self.columns.get(feature.parse::<usize>().ok()?)?)?)?;
            Some(format!("{field}[{row}].{}{rest}", shorten(name)))
        });
        Fault { field: place.unwrap_or(fault.field), ..fault }
    }

    /// Returns the feature of a column.
    pub(super) fn feature(&self, column: usize) -> Option<usize> {
        self.columns.iter().position(|c| *c == Some(column))
    }
}
