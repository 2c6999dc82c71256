//! The one place that names `ort`.
//!
//! Intra-op threads are always 1 and never spin: a worker is a thread with a session of its own, so parallelism comes
//! from workers, whose number follows the CPU quota. Left alone, ONNX Runtime sizes its pool by the host's cores and
//! ignores quotas (onnxruntime#29510), which under a quota burns each period in its first milliseconds.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use ort::{
    environment::Environment,
    session::{Session, SessionInputValue},
    value::{DynValue, Outlet, Shape, TensorElementType, ValueType},
};

use super::{Buffer, Element, Key, LoadError, RunError, Tensor, Value};

/// ONNX Runtime, loaded.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

/// An input or output of a model; a dimension that may vary is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name in the ONNX file.
    pub name: String,
    /// Type of its elements; for maps, of their values.
    pub element: Element,
    /// Dimensions, the batch first; empty for maps.
    pub dims: Vec<Option<usize>>,
    /// Whether it is a sequence of maps (`ZipMap`).
    pub maps: bool,
}

/// A model loaded for one worker.
pub struct LoadedModel {
    session: Session,
    /// In the file's order.
    pub inputs: Vec<Port>,
    /// In the file's order.
    pub outputs: Vec<Port>,
}

impl Runtime {
    /// Loads the library at `library`. A process can do this once.
    pub fn load(library: &Path) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Runtime { path: library.to_owned(), reason };
        let environment = ort::init_from(library)
            .map_err(|e| failed(e.to_string()))?
            .with_name("inference-api")
            .with_telemetry(false)
            .build()
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self { environment, library: library.to_owned() })
    }

    /// Where it was loaded from.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Loads a model into a session of its own.
    pub fn open(&self, model: &Path) -> Result<LoadedModel, LoadError> {
        let failed = |reason: String| LoadError::Model { path: model.to_owned(), reason };
        let session = open_session(&self.environment, model).map_err(|e| failed(plain(&e)))?;
        let inputs = ports(session.inputs(), "input").map_err(failed)?;
        let outputs = ports(session.outputs(), "output").map_err(failed)?;
        if let Some(input) = inputs.iter().find(|i| i.maps) {
            return Err(failed(format!("input {:?} is a sequence of maps; only tensors can be sent", input.name)));
        }
        Ok(LoadedModel { session, inputs, outputs })
    }
}

impl LoadedModel {
    /// Runs the model once. `tensors` are in the order of `inputs`; the answer is in the order of `outputs`.
    pub fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Value>, RunError> {
        let inputs = self
            .inputs
            .iter()
            .zip(tensors)
            .map(|(port, tensor)| Ok((Cow::Borrowed(port.name.as_str()), to_ort(tensor)?)))
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|e| RunError(plain(&e)))?;
        let outputs = self.session.run(inputs).map_err(|e| RunError(plain(&e)))?;
        self.outputs
            .iter()
            .map(|port| {
                let value = outputs.get(&port.name).ok_or_else(|| RunError(format!("no output {:?}", port.name)))?;
                from_ort(port, value).map_err(|e| RunError(plain(&e)))
            })
            .collect()
    }
}

/// The runtime's words without the places in its source code, which mean nothing to who reads them.
fn plain(error: &ort::Error) -> String {
    let mut text = error.to_string();
    while let Some(from) = text.find("/onnxruntime_src/") {
        let until = text[from..].find(") ").map_or(text.len(), |at| from + at + 2);
        text.replace_range(from..until, "");
    }
    text.trim().to_owned()
}

fn open_session(environment: &Environment, model: &Path) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_intra_op_spinning(false)?
        // Batch sizes vary from request to request, and a plan is kept for each size that was seen.
        .with_memory_pattern(false)?
        .commit_from_file(model)
}

fn ports(outlets: &[Outlet], what: &str) -> Result<Vec<Port>, String> {
    outlets
        .iter()
        .map(|outlet| {
            let unsupported =
                || format!("{what} {:?} is {}, which this server cannot serve", outlet.name(), outlet.dtype());
            match outlet.dtype() {
                ValueType::Tensor { ty, shape, .. } => Ok(Port {
                    name: outlet.name().to_owned(),
                    element: element(*ty).ok_or_else(unsupported)?,
                    dims: shape.iter().map(|&d| usize::try_from(d).ok()).collect(),
                    maps: false,
                }),
                ValueType::Sequence(inner) => match inner.as_ref() {
                    ValueType::Map {
                        key: TensorElementType::Int64 | TensorElementType::String,
                        value: TensorElementType::Float32,
                    } => Ok(Port {
                        name: outlet.name().to_owned(),
                        element: Element::Float32,
                        dims: Vec::new(),
                        maps: true,
                    }),
                    _ => Err(unsupported()),
                },
                _ => Err(unsupported()),
            }
        })
        .collect()
}

fn element(ty: TensorElementType) -> Option<Element> {
    Some(match ty {
        TensorElementType::Float16 => Element::Float16,
        TensorElementType::Bfloat16 => Element::Bfloat16,
        TensorElementType::Float32 => Element::Float32,
        TensorElementType::Float64 => Element::Float64,
        TensorElementType::Int8 => Element::Int8,
        TensorElementType::Int16 => Element::Int16,
        TensorElementType::Int32 => Element::Int32,
        TensorElementType::Int64 => Element::Int64,
        TensorElementType::Uint8 => Element::Uint8,
        TensorElementType::Uint16 => Element::Uint16,
        TensorElementType::Uint32 => Element::Uint32,
        TensorElementType::Uint64 => Element::Uint64,
        TensorElementType::Bool => Element::Bool,
        TensorElementType::String => Element::Text,
        _ => return None,
    })
}

fn to_ort(tensor: Tensor) -> ort::Result<SessionInputValue<'static>> {
    let Tensor { shape, data } = tensor;
    macro_rules! own {
        ($v:expr) => {
            ort::value::Tensor::from_array((shape, $v)).map(Into::into)
        };
    }
    match data {
        Buffer::Float16(v) => own!(v),
        Buffer::Bfloat16(v) => own!(v),
        Buffer::Float32(v) => own!(v),
        Buffer::Float64(v) => own!(v),
        Buffer::Int8(v) => own!(v),
        Buffer::Int16(v) => own!(v),
        Buffer::Int32(v) => own!(v),
        Buffer::Int64(v) => own!(v),
        Buffer::Uint8(v) => own!(v),
        Buffer::Uint16(v) => own!(v),
        Buffer::Uint32(v) => own!(v),
        Buffer::Uint64(v) => own!(v),
        Buffer::Bool(v) => own!(v),
        Buffer::Text(v) => ort::value::Tensor::from_string_array((shape, v.as_slice())).map(Into::into),
    }
}

fn from_ort(port: &Port, value: &DynValue) -> ort::Result<Value> {
    if port.maps {
        return maps(value).map(Value::Maps);
    }
    macro_rules! tensor {
        ($variant:ident) => {{
            let (shape, data) = value.try_extract_tensor()?;
            Tensor { shape: dims(shape), data: Buffer::$variant(data.to_vec()) }
        }};
    }
    Ok(Value::Tensor(match port.element {
        Element::Float16 => tensor!(Float16),
        Element::Bfloat16 => tensor!(Bfloat16),
        Element::Float32 => tensor!(Float32),
        Element::Float64 => tensor!(Float64),
        Element::Int8 => tensor!(Int8),
        Element::Int16 => tensor!(Int16),
        Element::Int32 => tensor!(Int32),
        Element::Int64 => tensor!(Int64),
        Element::Uint8 => tensor!(Uint8),
        Element::Uint16 => tensor!(Uint16),
        Element::Uint32 => tensor!(Uint32),
        Element::Uint64 => tensor!(Uint64),
        Element::Bool => tensor!(Bool),
        Element::Text => {
            let (shape, data) = value.try_extract_strings()?;
            Tensor { shape: dims(shape), data: Buffer::Text(data) }
        }
    }))
}

fn dims(shape: &Shape) -> Vec<usize> {
    shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect()
}

/// In the order of the keys, which is that of the classes: converters sort both, and the runtime's order is its own.
fn maps(value: &DynValue) -> ort::Result<Vec<Vec<(Key, f32)>>> {
    let rows = value.try_extract_sequence::<ort::value::DynValueTypeMarker>()?;
    rows.iter()
        .map(|row| match row.dtype() {
            ValueType::Map { key: TensorElementType::String, .. } => {
                let pairs = row.try_extract_key_values::<String, f32>()?;
                Ok(pairs.into_iter().map(|(key, p)| (Key::Text(key), p)).collect())
            }
            _ => {
                let mut pairs = row.try_extract_key_values::<i64, f32>()?;
                pairs.sort_unstable_by_key(|(key, _)| *key);
                Ok(pairs.into_iter().map(|(key, p)| (Key::Int(key), p)).collect())
            }
        })
        .collect()
}
