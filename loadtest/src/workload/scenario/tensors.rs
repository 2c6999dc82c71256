//! Random tensors of a model's shape, for the Open Inference Protocol (KServe V2): as JSON, or with
//! the binary tensor extension.

use std::collections::BTreeMap;

use half::{bf16, f16};
use rand::{Rng, RngExt};
use serde::Deserialize;
use serde_json::{Value, json};

/// Tensors of a task, before the server was asked for the model's shape.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensors {
    /// Name of the model on the server.
    pub model: String,
    /// Version of the model; none for the server's choice.
    pub version: Option<String>,
    /// Rows per request, if the model leaves the batch dimension open.
    #[serde(default = "one")]
    pub batch_size: u32,
    /// True to send and request tensors as bytes behind the JSON.
    #[serde(default)]
    pub binary: bool,
    /// Full shapes of inputs, including the batch, for dimensions that the model leaves open.
    #[serde(default)]
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Ranges of the values of inputs, from the lowest to the highest.
    #[serde(default)]
    pub ranges: BTreeMap<String, (f64, f64)>,
}

/// Metadata of a model, as served at `GET /v2/models/NAME`.
#[derive(Debug, Clone, Deserialize)]
pub struct ModelMetadata {
    inputs: Vec<Input>,
}

#[derive(Debug, Clone, Deserialize)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

/// Bodies that differ only in their random values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bodies {
    pub(super) bodies: Vec<Vec<u8>>,
    /// Length of each body's JSON, if bytes follow it.
    pub(super) json_length: Option<usize>,
}

const MOST_BODIES: usize = 64;
const MOST_BYTES: usize = 16 << 20;
const MOST_ELEMENTS: u64 = 4 << 20;
/// Length of a random text, in bytes.
const TEXT_BYTES: usize = 8;

fn one() -> u32 {
    1
}

impl Tensors {
    /// Returns the path of the model's metadata, below the host.
    pub fn metadata_path(&self) -> String {
        match &self.version {
            Some(version) => format!("/v2/models/{}/versions/{version}", self.model),
            None => format!("/v2/models/{}", self.model),
        }
    }

    /// Returns the path of inference requests.
    pub fn infer_path(&self) -> String {
        format!("{}/infer", self.metadata_path())
    }

    /// Draws up to 64 bodies, about 16 MiB together, from which requests then choose: drawing for
    /// each request would make the generator pay for the server's tensors.
    ///
    /// Floats are from 0 to 1, integers from 0 to 9, unless the input has a range; texts are 8
    /// letters. An open dimension is the batch if it is the first, else 1, unless the input has a
    /// shape.
    ///
    /// # Errors
    /// Returns an error if the model has an input that cannot be drawn.
    pub(super) fn draw<R: Rng>(
        &self,
        metadata: &ModelMetadata,
        rng: &mut R,
    ) -> Result<Bodies, String> {
        self.check(metadata)?;
        let mut drawn = Bodies { bodies: Vec::new(), json_length: None };
        let mut bytes = 0;
        while drawn.bodies.len() < MOST_BODIES && (drawn.bodies.is_empty() || bytes < MOST_BYTES) {
            let (body, json_length) = self.body(metadata, rng)?;
            bytes += body.len();
            drawn.json_length = json_length;
            drawn.bodies.push(body);
        }
        Ok(drawn)
    }

    fn body<R: Rng>(
        &self,
        metadata: &ModelMetadata,
        rng: &mut R,
    ) -> Result<(Vec<u8>, Option<usize>), String> {
        // V2 has no 16-bit numbers in JSON, only as bytes. All inputs are then sent as bytes,
        // because the JSON of all bodies must have the same length.
        let has_16_bits =
            metadata.inputs.iter().any(|input| ["FP16", "BF16"].contains(&input.datatype.as_str()));
        let as_bytes = self.binary || has_16_bits;
        let mut inputs = Vec::new();
        let mut raw = Vec::new();
        for input in &metadata.inputs {
            let open =
                || input.shape.iter().enumerate().map(|(i, dim)| self.dimension(i, *dim)).collect();
            let shape: Vec<u64> = self.shapes.get(&input.name).cloned().unwrap_or_else(open);
            let range = self.ranges.get(&input.name).copied();
            let count = shape
                .iter()
                .try_fold(1u64, |count, dim| count.checked_mul(*dim))
                .filter(|count| *count <= MOST_ELEMENTS)
                .ok_or_else(|| {
                    format!("input {}: a tensor of shape {shape:?} is too large", input.name)
                })?;
            let mut input_json =
                json!({ "name": input.name, "datatype": input.datatype, "shape": shape });
            let before = raw.len();
            let values = (0..count)
                .map(|_| element(&input.datatype, range, rng, &mut raw))
                .collect::<Option<Vec<Value>>>();
            let values = values
                .ok_or_else(|| format!("input {} is {}: not known", input.name, input.datatype))?;
            if as_bytes {
                input_json["parameters"] = json!({ "binary_data_size": raw.len() - before });
            } else {
                raw.truncate(before);
                input_json["data"] = Value::Array(values);
            }
            inputs.push(input_json);
        }
        let mut request = json!({ "inputs": inputs });
        if self.binary {
            request["parameters"] = json!({ "binary_data_output": true });
        }
        let mut body = request.to_string().into_bytes();
        let json_length = (!raw.is_empty()).then_some(body.len());
        body.append(&mut raw);
        Ok((body, json_length))
    }

    /// Checks that the given shapes and ranges belong to inputs of the model, and fit them.
    fn check(&self, metadata: &ModelMetadata) -> Result<(), String> {
        if metadata.inputs.is_empty() {
            return Err("the model has no inputs: there is nothing to send".to_owned());
        }
        let names = || {
            metadata.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        for name in self.shapes.keys().chain(self.ranges.keys()) {
            if !metadata.inputs.iter().any(|input| input.name == *name) {
                return Err(format!("there is no input {name}; there are: {}", names()));
            }
        }
        for input in &metadata.inputs {
            let Some(given) = self.shapes.get(&input.name) else { continue };
            let fits = given.len() == input.shape.len()
                && given.iter().zip(&input.shape).all(|(given, dim)| {
                    u64::try_from(*dim).is_ok_and(|dim| dim == *given) || *dim < 0
                });
            if !fits {
                return Err(format!(
                    "input {}: shape {given:?} does not fit the model's {:?}",
                    input.name, input.shape
                ));
            }
        }
        Ok(())
    }

    fn dimension(&self, index: usize, dim: i64) -> u64 {
        match u64::try_from(dim) {
            Ok(dim) => dim,
            Err(_) if index == 0 => u64::from(self.batch_size),
            Err(_) => 1,
        }
    }
}

/// Returns a random element as JSON, and appends its little-endian bytes to `raw`.
fn element<R: Rng>(
    datatype: &str,
    range: Option<(f64, f64)>,
    rng: &mut R,
    raw: &mut Vec<u8>,
) -> Option<Value> {
    macro_rules! push {
        ($value:expr) => {{
            let value = $value;
            raw.extend_from_slice(&value.to_le_bytes());
            value.into()
        }};
    }
    let (low, high) = range.unwrap_or((0.0, 9.0));
    // The parser checks the bounds of a range. A range without a whole number yields its lower
    // bound, rounded up.
    let whole = rng.random_range(low.ceil() as i64..=(high.floor() as i64).max(low.ceil() as i64));
    let (low, high) = range.unwrap_or((0.0, 1.0));
    let real = low + (high - low) * rng.random::<f64>();
    Some(match datatype {
        "BOOL" => {
            raw.push((whole & 1) as u8);
            (whole & 1 == 1).into()
        }
        "INT8" => push!(whole as i8),
        "UINT8" => push!(whole as u8),
        "INT16" => push!(whole as i16),
        "UINT16" => push!(whole as u16),
        "INT32" => push!(whole as i32),
        "UINT32" => push!(whole as u32),
        "INT64" => push!(whole),
        "UINT64" => push!(whole as u64),
        "FP32" => push!(real as f32),
        "FP64" => push!(real),
        "FP16" => {
            raw.extend_from_slice(&f16::from_f64(real).to_le_bytes());
            f16::from_f64(real).to_f32().into()
        }
        "BF16" => {
            raw.extend_from_slice(&bf16::from_f64(real).to_le_bytes());
            bf16::from_f64(real).to_f32().into()
        }
        "BYTES" => {
            let text: String =
                (0..TEXT_BYTES).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
            raw.extend_from_slice(&(TEXT_BYTES as u32).to_le_bytes());
            raw.extend_from_slice(text.as_bytes());
            text.into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;

    fn drawn(tensors: &Tensors, inputs: &Value) -> Result<Value, String> {
        let metadata: ModelMetadata = serde_json::from_value(json!({ "inputs": inputs })).unwrap();
        let bodies = tensors.draw(&metadata, &mut Pcg32::seed_from_u64(1))?;
        Ok(serde_json::from_slice(&bodies.bodies[0]).unwrap())
    }

    fn tensors(shape: Option<Vec<u64>>, range: Option<(f64, f64)>) -> Tensors {
        let of = |name: &str| name.to_owned();
        Tensors {
            model: of("m"),
            version: None,
            batch_size: 1,
            binary: false,
            shapes: shape.map(|shape| (of("ids"), shape)).into_iter().collect(),
            ranges: range.map(|range| (of("ids"), range)).into_iter().collect(),
        }
    }

    #[test]
    fn open_dimensions_and_values_are_as_they_are_asked_for() {
        let inputs = json!([{ "name": "ids", "datatype": "INT64", "shape": [-1, -1] }]);
        let body = drawn(&tensors(Some(vec![1, 128]), Some((100.0, 30_000.0))), &inputs).unwrap();
        let input = &body["inputs"][0];
        assert_eq!(
            (&input["shape"], input["data"].as_array().unwrap().len()),
            (&json!([1, 128]), 128)
        );
        assert!(
            input["data"]
                .as_array()
                .unwrap()
                .iter()
                .all(|id| (100..=30_000).contains(&id.as_i64().unwrap()))
        );
    }

    #[test]
    fn what_does_not_fit_the_model_is_refused() {
        let inputs = json!([{ "name": "ids", "datatype": "INT64", "shape": [-1, 4] }]);
        let told = |tensors: &Tensors, inputs: &Value| drawn(tensors, inputs).unwrap_err();
        assert!(told(&tensors(Some(vec![1, 128]), None), &inputs).contains("does not fit"));
        assert!(told(&tensors(Some(vec![1]), None), &inputs).contains("does not fit"));
        let other = json!([{ "name": "x", "datatype": "FP32", "shape": [-1, 4] }]);
        assert!(
            told(&tensors(None, Some((0.0, 1.0))), &other)
                .contains("there is no input ids; there are: x")
        );
        assert!(told(&tensors(None, None), &json!([])).contains("no inputs"));
    }
}
