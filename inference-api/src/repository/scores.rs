//! Detection at load of classifiers whose values are scores, not probabilities.
//!
//! A linear support vector machine has the outputs of any classifier, but its values are distances
//! from the planes between the classes. No field of an ONNX file tells them apart, so the model is
//! asked: its example runs once.

use std::sync::Arc;

use crate::{
    model::{Buffer, Model, Tensor, Value},
    predict::decode,
};

/// Tolerance of a sum of float32 probabilities.
const TOLERANCE: f64 = 1e-3;

/// Marks the classifier of a model that has just been loaded, if its example has scores. A model
/// without an example, or one that refuses it, keeps its probabilities.
pub(super) fn detect(model: &mut Model) {
    if example_has_scores(model) == Some(true) {
        model.mark_scores();
    }
}

fn example_has_scores(model: &mut Model) -> Option<bool> {
    let signature = Arc::clone(&model.signature);
    let classifier = signature.classifier.as_ref()?;
    let batch = decode(&signature, signature.example.as_ref()?.get().as_bytes()).ok()?;
    let values = model.run(batch.inputs, batch.rows).ok()?;
    let values = values.get(classifier.probabilities)?;
    Some(rows(values).iter().any(|row| !are_probabilities(row)))
}

fn are_probabilities(row: &[f64]) -> bool {
    let is_share = |value: &f64| (-TOLERANCE..=1.0 + TOLERANCE).contains(value);
    row.iter().all(is_share) && (row.iter().sum::<f64>() - 1.0).abs() <= TOLERANCE
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    match value {
        Value::Maps(maps) => {
            maps.iter().map(|map| map.iter().map(|(_, p)| f64::from(*p)).collect()).collect()
        }
        Value::Tensor(Tensor { shape, data: Buffer::Float32(data) }) => {
            let width = shape.iter().skip(1).product::<usize>().max(1);
            data.chunks(width).map(|row| row.iter().map(|p| f64::from(*p)).collect()).collect()
        }
        Value::Tensor(_) | Value::Sequence(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_one_are_probabilities() {
        assert!(are_probabilities(&[0.97849965, 0.021500297, 8.5e-8]));
        assert!(are_probabilities(&[1.0]));
        for scores in [&[1.4, -0.8, -7.2][..], &[-0.3, 0.3], &[0.2, 0.3], &[f64::NAN, 1.0]] {
            assert!(!are_probabilities(scores), "{scores:?}");
        }
    }
}
