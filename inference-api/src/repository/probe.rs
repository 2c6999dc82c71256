//! Whether a model gains by batches, found out by running it.
//!
//! Some models cannot be batched (a fixed batch size), some must not be (rows that change one
//! another's answers), and some gain nothing: a tree ensemble takes each row as long as the one
//! before. So the model is asked, once, when it is loaded.

use std::time::{Duration, Instant};

use crate::{
    model::{Buffer, Kind, Model, Signature, Tensor, Value},
    predict::decode,
};

/// Rows in the batch that is tried.
const ROWS: usize = 8;
/// What a row must take less of in a batch than alone. A share, and no time: what decides must not
/// depend on how fast the processor runs at the moment, or two replicas of one image serve at
/// different rates. iris needs 0.13 of it, penguins 0.22, digits 0.25.
const SHARE: f64 = 0.7;
/// Processor time that is spent on finding out, which a small quota makes twenty times as long,
const BUDGET: Duration = Duration::from_millis(5);
/// but so many runs of each kind at least: the first finds nothing in the processor's caches.
const LEAST_TURNS: u32 = 2;
/// What rows may differ by, as a share, for sums that are added up in another order.
const TOLERANCE: f64 = 1e-3;

/// A row, if rows of several requests may be run together: each has its own answer, whatever comes
/// with it.
///
/// Rows are tried that differ in every number, in sign and in size, so that a model that takes a
/// mean over its batch, or branches on a sum over it, gives itself away. What no number tells apart
/// is not batched.
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

/// One row that was run.
pub(super) struct Row(Vec<Tensor>);

/// Whether a row takes markedly less time in a batch than alone.
///
/// Alone and together by turns, and as many of each: under a small quota a process is stopped for
/// most of a period, and were runs counted by the clock, those of one kind would end at the first,
/// while nothing is in the processor's caches yet. The fastest counts.
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
    tracing::debug!(?alone, ?together, turns, "a row alone, and in a batch");
    together < alone.mul_f64(SHARE)
}

/// How long a run takes; none if it fails.
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

/// Another row: its numbers that are not whole are multiplied and moved, each by its own amount.
/// Whole numbers may be categories, and texts have to be known: they stay.
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

/// The rows one after the other, so many times.
fn tile(rows: &[&Vec<Tensor>], times: usize) -> Vec<Tensor> {
    let inputs = rows.first().map_or(0, |row| row.len());
    (0..inputs)
        .map(|input| {
            let first = &rows[0][input];
            let mut data = Buffer::new(first.data.element());
            for _ in 0..times {
                for row in rows {
                    // Of one type, since they are of one input.
                    let _ = data.append(row[input].data.clone());
                }
            }
            let mut shape = first.shape.clone();
            shape[0] = rows.len() * times;
            Tensor { shape, data }
        })
        .collect()
}

/// Whether `whole` is the parts, one after the other.
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
