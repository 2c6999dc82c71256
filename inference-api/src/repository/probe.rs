//! Whether a model gains by batches, found out by running it.
//!
//! Some models cannot be batched (a fixed batch size), some must not be (rows that change one another's answers), and some
//! gain nothing: a tree ensemble takes each row as long as the one before. So the model is asked, once, when it is loaded.

use std::time::{Duration, Instant};

use crate::{
    model::{Buffer, Model, Signature, Tensor, Value},
    predict::decode,
};

/// Rows in the batch that is tried.
const ROWS: usize = 8;
/// What a row must take less of in a batch than alone,
const SHARE: f64 = 0.7;
/// and how much time that must save: about what queueing a request costs is 1 us.
const SAVED: Duration = Duration::from_micros(3);
/// Runs of each kind are repeated for so long; the fastest counts.
const BUDGET: Duration = Duration::from_millis(10);
/// What rows may differ by, as a share, for sums that are added up in another order.
const TOLERANCE: f64 = 1e-3;

/// A row, if rows of several requests may be run together: each has its own answer, whatever comes with it.
pub(super) fn can_batch(model: &mut Model) -> Option<Row> {
    let signature = std::sync::Arc::clone(&model.signature);
    if !leaves_batch_open(&signature) {
        return None;
    }
    let one = decode(&signature, signature.example.get().as_bytes()).ok().filter(|batch| batch.rows == 1)?.inputs;
    let other: Vec<Tensor> = one.iter().map(halved).collect();
    let together = tile(&[&one, &other], 1);
    let (a, b) = (model.run(one.clone(), 1).ok()?, model.run(other, 1).ok()?);
    let both = model.run(together, 2).ok()?;
    let same = a.iter().zip(&b).zip(&both).all(|((a, b), both)| is_stack(a, b, both));
    (same && both.len() == a.len()).then_some(Row(one))
}

/// One row that was run.
pub(super) struct Row(Vec<Tensor>);

/// Whether a row takes markedly less time in a batch than alone.
pub(super) fn gains(model: &mut Model, row: &Row) -> bool {
    let batch = tile(&[&row.0], ROWS);
    let alone = fastest(model, &row.0, 1);
    let together = fastest(model, &batch, ROWS) / u32::try_from(ROWS).unwrap_or(1);
    together < alone.mul_f64(SHARE) && alone.saturating_sub(together) > SAVED
}

fn fastest(model: &mut Model, inputs: &[Tensor], rows: usize) -> Duration {
    let begun = Instant::now();
    let mut fastest = Duration::MAX;
    while fastest == Duration::MAX || begun.elapsed() < BUDGET {
        let inputs = inputs.to_vec();
        let run = Instant::now();
        if model.run(inputs, rows).is_err() {
            return Duration::MAX;
        }
        fastest = fastest.min(run.elapsed());
    }
    fastest
}

fn leaves_batch_open(signature: &Signature) -> bool {
    signature.no_rows.is_none()
        && signature.inputs.iter().all(|port| port.dims.first() == Some(&None))
        && signature.outputs.iter().all(|port| port.maps || port.dims.first() == Some(&None))
}

/// Another row: numbers that are not whole are halved, so that it differs where it can without leaving what is allowed.
fn halved(tensor: &Tensor) -> Tensor {
    let data = match &tensor.data {
        Buffer::Float32(v) => Buffer::Float32(v.iter().map(|x| x / 2.0).collect()),
        Buffer::Float64(v) => Buffer::Float64(v.iter().map(|x| x / 2.0).collect()),
        other => other.clone(),
    };
    Tensor { shape: tensor.shape.clone(), data }
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

/// Whether `both` is `a` and then `b`.
fn is_stack(a: &Value, b: &Value, both: &Value) -> bool {
    match (a, b, both) {
        (Value::Tensor(a), Value::Tensor(b), Value::Tensor(both)) => {
            let rows_fit = a.shape.first() == Some(&1) && both.shape.first() == Some(&2);
            let mut stacked = a.data.clone();
            rows_fit
                && a.shape[1..] == both.shape[1..]
                && stacked.append(b.data.clone())
                && are_close(&stacked, &both.data)
        }
        (Value::Maps(a), Value::Maps(b), Value::Maps(both)) => {
            let stacked: Vec<_> = a.iter().chain(b).collect();
            stacked.len() == both.len()
                && stacked.iter().zip(both).all(|(x, y)| {
                    x.len() == y.len()
                        && x.iter().zip(y).all(|((k, p), (l, q))| k == l && is_close(f64::from(*p), f64::from(*q)))
                })
        }
        _ => false,
    }
}

fn are_close(a: &Buffer, b: &Buffer) -> bool {
    match (a, b) {
        (Buffer::Float32(a), Buffer::Float32(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| is_close(f64::from(*x), f64::from(*y)))
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
