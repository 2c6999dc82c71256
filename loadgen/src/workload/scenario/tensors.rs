//! Random tensors of a model's shape, for the Open Inference Protocol (KServe V2): as JSON, or with the binary tensor extension.

use half::{bf16, f16};
use rand::{Rng, RngExt};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a task sends to a model, before the model was asked for its shape.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensors {
    /// The model's name on the server.
    pub model: String,
    /// Its version; without one, the server's choice.
    pub version: Option<String>,
    /// Rows in a request, where the model leaves that open.
    #[serde(default = "one")]
    pub batch_size: u32,
    /// Whether tensors are sent, and asked for, as bytes behind the JSON.
    #[serde(default)]
    pub binary: bool,
}

/// What a server tells of a model at `GET /v2/models/NAME`.
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

/// Bodies that differ in nothing but their random values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bodies {
    pub(super) bodies: Vec<Vec<u8>>,
    /// Length of each one's JSON, if bytes follow it.
    pub(super) json_length: Option<usize>,
}

const MOST_BODIES: usize = 64;
const MOST_BYTES: usize = 16 << 20;
const MOST_ELEMENTS: u64 = 4 << 20;
/// Length of a random text.
const TEXT_BYTES: usize = 8;

fn one() -> u32 {
    1
}

impl Tensors {
    /// Where the server tells of the model, below the host.
    pub fn metadata_path(&self) -> String {
        match &self.version {
            Some(version) => format!("/v2/models/{}/versions/{version}", self.model),
            None => format!("/v2/models/{}", self.model),
        }
    }

    /// Where it infers.
    pub fn infer_path(&self) -> String {
        format!("{}/infer", self.metadata_path())
    }

    /// Draws up to 64 bodies, of 16 MiB at most together, that requests then choose from: drawing for each of them would make
    /// the generator pay for the server's tensors.
    ///
    /// Floats are from 0 to 1, integers from 0 to 9, texts are 8 letters; a dimension that is open is the batch if it is the
    /// first, else 1.
    ///
    /// # Errors
    /// When the model has an input that cannot be drawn.
    pub(super) fn draw<R: Rng>(&self, metadata: &ModelMetadata, rng: &mut R) -> Result<Bodies, String> {
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

    fn body<R: Rng>(&self, metadata: &ModelMetadata, rng: &mut R) -> Result<(Vec<u8>, Option<usize>), String> {
        // JSON has no numbers of 16 bits in V2: only bytes do. All inputs then, or bodies would have JSON of different lengths.
        let has_16_bits = metadata.inputs.iter().any(|input| ["FP16", "BF16"].contains(&input.datatype.as_str()));
        let as_bytes = self.binary || has_16_bits;
        let mut inputs = Vec::new();
        let mut raw = Vec::new();
        for input in &metadata.inputs {
            let shape: Vec<u64> = input.shape.iter().enumerate().map(|(i, dim)| self.dimension(i, *dim)).collect();
            let count = shape
                .iter()
                .try_fold(1u64, |count, dim| count.checked_mul(*dim))
                .filter(|count| *count <= MOST_ELEMENTS)
                .ok_or_else(|| format!("input {}: a tensor of shape {shape:?} is too large", input.name))?;
            let mut input_json = json!({ "name": input.name, "datatype": input.datatype, "shape": shape });
            let before = raw.len();
            let values = (0..count).map(|_| element(&input.datatype, rng, &mut raw)).collect::<Option<Vec<Value>>>();
            let values = values.ok_or_else(|| format!("input {} is {}: not known", input.name, input.datatype))?;
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

    fn dimension(&self, index: usize, dim: i64) -> u64 {
        match u64::try_from(dim) {
            Ok(dim) => dim,
            Err(_) if index == 0 => u64::from(self.batch_size),
            Err(_) => 1,
        }
    }
}

/// A random element: as JSON, and its bytes, little-endian, at the end of `raw`.
fn element<R: Rng>(datatype: &str, rng: &mut R, raw: &mut Vec<u8>) -> Option<Value> {
    macro_rules! push {
        ($value:expr) => {{
            let value = $value;
            raw.extend_from_slice(&value.to_le_bytes());
            value.into()
        }};
    }
    let digit: u8 = rng.random_range(0..10);
    let unit: f32 = rng.random();
    Some(match datatype {
        "BOOL" => {
            raw.push(digit & 1);
            (digit & 1 == 1).into()
        }
        "INT8" => push!(digit as i8),
        "UINT8" => push!(digit),
        "INT16" => push!(i16::from(digit)),
        "UINT16" => push!(u16::from(digit)),
        "INT32" => push!(i32::from(digit)),
        "UINT32" => push!(u32::from(digit)),
        "INT64" => push!(i64::from(digit)),
        "UINT64" => push!(u64::from(digit)),
        "FP32" => push!(unit),
        "FP64" => push!(f64::from(unit)),
        "FP16" => {
            raw.extend_from_slice(&f16::from_f32(unit).to_le_bytes());
            unit.into()
        }
        "BF16" => {
            raw.extend_from_slice(&bf16::from_f32(unit).to_le_bytes());
            unit.into()
        }
        "BYTES" => {
            let text: String = (0..TEXT_BYTES).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
            raw.extend_from_slice(&(TEXT_BYTES as u32).to_le_bytes());
            raw.extend_from_slice(text.as_bytes());
            text.into()
        }
        _ => return None,
    })
}
