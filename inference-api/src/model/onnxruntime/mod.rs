//! ONNX Runtime: the only module that uses `ort`.
//!
//! Each session has one intra-op thread, which never spins.
//! Parallelism comes from workers, each a thread with its own session.
//! Their number follows the CPU quota.
//! By default, ONNX Runtime sizes a pool by host cores and ignores quotas (onnxruntime#29510).
//! Under a quota, such a pool uses up each period in its first milliseconds.

mod values;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use ort::{
    environment::Environment,
    session::Session,
    value::{Outlet, TensorElementType, ValueType},
};

use super::{Element, LoadError, RunError, Tensor, Value, kind_of_file::stranger};

/// Loaded ONNX Runtime library.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

/// Input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Name in the ONNX file.
    pub name: String,
    /// Kind of value.
    pub kind: Kind,
    /// Element type; for `Maps` that of the values, for a `Map` text.
    pub element: Element,
    /// Dimensions, the batch first; `None` for a variable one.
    ///
    /// A `Sequence` has those of its tensors, a `Map` the fixed batch of 1, `Maps` none.
    pub dims: Vec<Option<usize>>,
}

/// Kind of value of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tensor.
    Tensor,
    /// Map from a key to a number, the input of scikit-learn's `DictVectorizer`, sent as JSON text.
    Map {
        /// True if keys are integers, not names.
        by_number: bool,
        /// Type of the values.
        value: Element,
    },
    /// One map per row, the output of `ZipMap`.
    Maps,
    /// Sequence of tensors, as multi-label classifiers return probabilities.
    Sequence,
}

impl Kind {
    /// Returns true if clients that know only tensors can receive this kind.
    pub fn is_tensor_like(self) -> bool {
        self != Self::Sequence
    }
}

/// Model loaded for one worker.
pub struct LoadedModel {
    session: Session,
    /// Inputs in the file's order.
    pub inputs: Vec<Port>,
    /// Outputs in the file's order.
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

    /// Returns the path of the loaded library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Loads a model into a session of its own.
    pub fn open(&self, model: &Path) -> Result<LoadedModel, LoadError> {
        let failed = |reason: String| LoadError::Model { path: model.to_owned(), reason };
        // Check first: the runtime would only report "system error number 13".
        if let Err(source) = std::fs::File::open(model) {
            return Err(LoadError::unreadable(model, source));
        }
        // For a file of another type, the runtime would only report that parsing failed.
        let session = open_session(&self.environment, model)
            .map_err(|e| failed(stranger(model).unwrap_or_else(|| plain(&e))))?;
        let inputs = ports(session.inputs(), input_kind, "input").map_err(failed)?;
        let outputs = ports(session.outputs(), output_kind, "output").map_err(failed)?;
        Ok(LoadedModel { session, inputs, outputs })
    }
}

impl LoadedModel {
    /// Runs the model once; `tensors` are in the order of `inputs`, results in that of `outputs`.
    pub fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Value>, RunError> {
        let inputs = self
            .inputs
            .iter()
            .zip(tensors)
            .map(|(port, tensor)| {
                Ok((Cow::Borrowed(port.name.as_str()), values::to_ort(port, tensor)?))
            })
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|e| run_error(&e))?;
        let outputs = self.session.run(inputs).map_err(|e| run_error(&e))?;
        self.outputs
            .iter()
            .map(|port| {
                let value = outputs
                    .get(&port.name)
                    .ok_or_else(|| RunError::Refused(format!("no output {:?}", port.name)))?;
                values::from_ort(port, value)
            })
            .collect()
    }
}

/// Messages of the runtime for failed allocations, which have no error code.
const NO_MEMORY: [&str; 3] = ["Failed to allocate memory", "bad_alloc", "bad allocation"];

fn run_error(error: &ort::Error) -> RunError {
    let text = plain(error);
    match NO_MEMORY.iter().any(|words| text.contains(words)) {
        true => RunError::Memory(text),
        false => RunError::Refused(text),
    }
}

/// Returns the runtime's message without its source locations, which do not help users.
fn plain(error: &ort::Error) -> String {
    in_words(&error.to_string())
}

/// Removes source locations and line breaks from a message.
///
/// A location is a path, a line and a function up to the end of its parameters:
/// `/onnxruntime_src/a.cc:85 f(const x&) The message`.
fn in_words(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    while let Some(from) = text.find("/onnxruntime_src/") {
        let rest = &text[from..];
        let path = rest.find(' ').unwrap_or(rest.len());
        let until = rest.find(") ").map_or(path, |at| at + 1);
        text.replace_range(from..from + until, "");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.contains("locale") {
        true => format!("{text}\n  help: {LOCALE}"),
        false => text,
    }
}

/// Advice for text models, whose tokens the runtime compares by locale.
const LOCALE: &str = "models of texts need the locale en_US.UTF-8: localedef -i en_US -f UTF-8 \
    en_US.UTF-8 (of Debian's locales and libc-bin), or LOCPATH for a folder that has it";

fn open_session(environment: &Environment, model: &Path) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_intra_op_spinning(false)?
        // Batch sizes vary between requests, and the runtime would keep a plan for each size.
        .with_memory_pattern(false)?
        .commit_from_file(model)
}

fn ports(
    outlets: &[Outlet],
    kind_of: impl Fn(&ValueType) -> Option<(Kind, Element, Vec<Option<usize>>)>,
    what: &str,
) -> Result<Vec<Port>, String> {
    outlets
        .iter()
        .map(|outlet| match kind_of(outlet.dtype()) {
            Some((kind, element, dims)) => {
                Ok(Port { name: outlet.name().to_owned(), kind, element, dims })
            }
            None => Err(format!(
                "{what} {:?} is {}, which this server cannot serve",
                outlet.name(),
                outlet.dtype()
            )),
        })
        .collect()
}

fn input_kind(dtype: &ValueType) -> Option<(Kind, Element, Vec<Option<usize>>)> {
    match dtype {
        ValueType::Map { key, value } => {
            let by_number = match key {
                TensorElementType::Int64 => true,
                TensorElementType::String => false,
                _ => return None,
            };
            let value = element(*value).filter(|value| {
                matches!(value, Element::Float32 | Element::Float64 | Element::Int64)
            })?;
            Some((Kind::Map { by_number, value }, Element::Text, vec![Some(1)]))
        }
        other => tensor(other, Kind::Tensor),
    }
}

fn output_kind(dtype: &ValueType) -> Option<(Kind, Element, Vec<Option<usize>>)> {
    match dtype {
        ValueType::Sequence(inner) => match inner.as_ref() {
            ValueType::Map {
                key: TensorElementType::Int64 | TensorElementType::String,
                value: TensorElementType::Float32,
            } => Some((Kind::Maps, Element::Float32, Vec::new())),
            inner => tensor(inner, Kind::Sequence),
        },
        other => tensor(other, Kind::Tensor),
    }
}

fn tensor(dtype: &ValueType, kind: Kind) -> Option<(Kind, Element, Vec<Option<usize>>)> {
    match dtype {
        ValueType::Tensor { ty, shape, .. } => {
            Some((kind, element(*ty)?, shape.iter().map(|&d| usize::try_from(d).ok()).collect()))
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_words_are_without_places_in_its_source_and_whole() {
        for (said, told) in [
            (
                "Load failed: /onnxruntime_src/a/b.cc:85 void f(const std::string&) The words.",
                "Load failed: The words.",
            ),
            ("/onnxruntime_src/a.h:1 no parentheses", "no parentheses"),
            (
                "Exception:\n/onnxruntime_src/a.cc:1 f(int)\nSecond line\nand third",
                "Exception: Second line and third",
            ),
            ("nothing of that", "nothing of that"),
        ] {
            assert_eq!(in_words(said), told);
        }
        assert!(in_words("Failed to construct locale with name:en_US.UTF-8").contains("localedef"));
    }
}
