//! Measurement at load of whether a model gains from batching.
//!
//! Some models cannot be batched (fixed batch size) and some must not be (rows affect each other).
//! Others gain nothing: a tree ensemble takes the same time for each row.

use std::time::{Duration, Instant};

use crate::{
    model::{Buffer, Kind, Model, Signature, Tensor, Value},
    predict::decode,
};

/// Rows of the test batch.
const ROWS: usize = 8;
/// Largest ratio of a row's time in a batch to its time alone that counts as a gain.
///
/// A ratio, not a time: the decision must not depend on the processor's momentary speed.
/// Otherwise two replicas of one image could serve at different rates.
/// Measured ratios: iris 0.13, penguins 0.22, digits 0.25.
const SHARE: f64 = 0.7;
/// Processor time of the measurement; a small quota makes it twenty times as long.
const BUDGET: Duration = Duration::from_millis(5);
/// Lowest number of runs of each kind: the first one finds cold processor caches.
const LEAST_TURNS: u32 = 2;
/// Relative tolerance between rows, for sums that are added in another order.
const TOLERANCE: f64 = 1e-3;

/// Returns a row if rows of several requests may run together without affecting each other.
///
/// The tested rows differ in every number, in sign and in magnitude.
/// This exposes models that take a mean over the batch or branch on its sum.
/// A model whose rows cannot be varied by numbers is not batched.
pub(super) fn can_batch(model: &mut Model) -> Option<Row> {
    let signature = std::sync::Arc::clone(&model.signature);
    if !leaves_batch_open(&signature) {
        return None;
    }
    let example = decode(&signature, signature.example.as_ref()?.get().as_bytes())
        .ok()
        .filter(|batch| batch.rows == 1)?
        .inputs;
    let rows = [
        vary(&example, 1.0, 0.5),
        vary(&example, -3.0, -7.0),
        example.clone(),
        vary(&example, 0.25, 40.0),
    ];
    if rows.iter().enumerate().any(|(i, row)| rows[..i].contains(row)) {
        return None;
    }
    let alone: Vec<Vec<Value>> =
        rows.iter().map(|row| model.run(row.clone(), 1).ok()).collect::<Option<_>>()?;
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let together = model.run(tile(&order.map(|i| &rows[i]), 1), order.len()).ok()?;
        let parts: Vec<&Vec<Value>> = order.iter().map(|&i| &alone[i]).collect();
        let same = together.iter().enumerate().all(|(output, whole)| {
            let parts: Option<Vec<&Value>> = parts.iter().map(|part| part.get(output)).collect();
            parts.is_some_and(|parts| is_stack(&parts, whole))
        });
        if !same || together.len() != signature.outputs.len() {
            return None;
        }
    }
    Some(Row(example))
}

/// Single row that the model has run.
pub(super) struct Row(Vec<Tensor>);

/// Returns true if a row takes markedly less time in a batch than alone.
///
/// Single and batched runs alternate in equal numbers, and the fastest of each counts.
/// Under a small quota, a process stops for most of each period.
/// Runs limited by the clock would end after the first one of a kind, with cold processor caches.
pub(super) fn gains(model: &mut Model, row: &Row) -> bool {
    let batch = tile(&[&row.0], ROWS);
    let (mut alone, mut together) = (Duration::MAX, Duration::MAX);
    let mut turns = 0;
    while turns < LEAST_TURNS || (alone + together) * turns < BUDGET {
        let (Some(one), Some(many)) = (time(model, &row.0, 1), time(model, &batch, ROWS)) else {
            return false;
        };
        (alone, together) = (alone.min(one), together.min(many));
        turns += 1;
    }
    let together = together / ROWS as u32;
    tracing::debug!(?alone, ?together, turns, "measured a row alone and in a batch");
    together < alone.mul_f64(SHARE)
}

/// Returns the duration of a run; `None` if it fails.
fn time(model: &mut Model, inputs: &[Tensor], rows: usize) -> Option<Duration> {
    let inputs = inputs.to_vec();
    let run = Instant::now();
    model.run(inputs, rows).ok()?;
    Some(run.elapsed())
}

fn leaves_batch_open(signature: &Signature) -> bool {
    signature.no_rows.is_none()
        && signature.inputs.iter().all(|port| port.dims.first() == Some(&None))
        && signature.outputs.iter().all(|port| match port.kind {
            Kind::Maps => true,
            Kind::Tensor => port.dims.first() == Some(&None),
            Kind::Map { .. } | Kind::Sequence => false,
        })
}

/// Returns another row: each non-integer number is scaled and shifted by its own amount.
///
/// Integers may be categories and texts must be known, so both stay.
fn vary(row: &[Tensor], factor: f64, shift: f64) -> Vec<Tensor> {
    let number = |(i, x): (usize, f64)| x * factor + shift * (1.0 + (i % 5) as f64 / 8.0);
    let vary = |tensor: &Tensor| {
        let data = match &tensor.data {
            Buffer::Float32(v) => Buffer::Float32(
                v.iter().map(|x| f64::from(*x)).enumerate().map(number).map(|x| x as f32).collect(),
            ),
            Buffer::Float64(v) => {
                Buffer::Float64(v.iter().copied().enumerate().map(number).collect())
            }
            other => other.clone(),
        };
        Tensor { shape: tensor.shape.clone(), data }
    };
    row.iter().map(vary).collect()
}

/// Returns the rows concatenated, repeated `times` times.
fn tile(rows: &[&Vec<Tensor>], times: usize) -> Vec<Tensor> {
    let inputs = rows.first().map_or(0, |row| row.len());
    (0..inputs)
        .map(|input| {
            let first = &rows[0][input];
            let mut data = Buffer::new(first.data.element());
            for _ in 0..times {
                for row in rows {
                    // The append succeeds: all rows of one input have one type.
                    let _ = data.append(row[input].data.clone());
                }
            }
            let mut shape = first.shape.clone();
            shape[0] = rows.len() * times;
            Tensor { shape, data }
        })
        .collect()
}

/// Returns true if `whole` is the concatenation of the parts.
fn is_stack(parts: &[&Value], whole: &Value) -> bool {
    match whole {
        Value::Tensor(whole) => {
            let mut stacked = Buffer::new(whole.data.element());
            let fits = parts.iter().all(|part| match part {
                Value::Tensor(part) => {
                    part.shape.first() == Some(&1)
                        && part.shape.get(1..) == whole.shape.get(1..)
                        && stacked.append(part.data.clone())
                }
                Value::Maps(_) | Value::Sequence(_) => false,
            });
            fits && whole.shape.first() == Some(&parts.len()) && are_close(&stacked, &whole.data)
        }
        Value::Maps(whole) => {
            let mut stacked = Vec::new();
            for part in parts {
                match part {
                    Value::Maps(part) => stacked.extend(part),
                    Value::Tensor(_) | Value::Sequence(_) => return false,
                }
            }
            stacked.len() == whole.len()
                && stacked.iter().zip(whole).all(|(x, y)| {
                    x.len() == y.len()
                        && x.iter().zip(y).all(|((k, p), (l, q))| {
                            k == l && is_close(f64::from(*p), f64::from(*q))
                        })
                })
        }
        Value::Sequence(_) => false,
    }
}

fn are_close(a: &Buffer, b: &Buffer) -> bool {
    match (a, b) {
        (Buffer::Float32(a), Buffer::Float32(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(x, y)| is_close(f64::from(*x), f64::from(*y)))
        }
        (Buffer::Float64(a), Buffer::Float64(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| is_close(*x, *y))
        }
        _ => a == b,
    }
}

fn is_close(x: f64, y: f64) -> bool {
    (x.is_nan() && y.is_nan()) || (x - y).abs() <= TOLERANCE * x.abs().max(y.abs()).max(1e-6)
}
