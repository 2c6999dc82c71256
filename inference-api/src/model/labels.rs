//! Class labels stored in an ONNX file, which ONNX Runtime does not expose.
//!
//! The reader passes once through the file's protocol buffer (onnx.proto, `ModelProto`).
//! It skips the weights, however large they are.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Seek},
    path::Path,
};

/// Labels in the order of the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// Attribute `classlabels_int64s`.
    Numbers(Vec<i64>),
    /// Attribute `classlabels_strings`.
    Names(Vec<String>),
}

/// Fields of a node that are needed.
#[derive(Debug, Default)]
struct Node {
    op: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    labels: Option<Labels>,
}

/// Fields of a graph that are needed.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Node>,
    /// Small constants by name.
    constants: BTreeMap<String, Labels>,
}

/// Operators whose output has the labels of their first input.
const PASS: [&str; 6] = ["Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"];
/// Operators that select labels from their first input by class number.
const PICK: [&str; 2] = ["ArrayFeatureExtractor", "Gather"];
/// Largest text or constant, in bytes, that is considered as labels.
const MOST_BYTES: u64 = 1 << 20;
const MOST_LABELS: usize = 100_000;
/// Data types of a constant (onnx.proto, `TensorProto.DataType`).
const INT32: u64 = 6;
const INT64: u64 = 7;
const STRING: u64 = 8;

impl Labels {
    /// Reads the class labels behind the output `label` or, failing that, the output `scores`.
    ///
    /// Returns `None` if the file has none or is not parsable here; the runtime reports errors.
    pub fn read(model: &Path, label: &str, scores: &str) -> Option<Self> {
        let file = File::open(model).ok()?;
        let length = file.metadata().ok()?.len();
        let mut reader = Reader { inner: BufReader::with_capacity(1 << 16, file), at: 0 };
        let graph = reader.model(length).ok()?;
        graph.labels_of(label).or_else(|| graph.labels_of(scores))
    }

    /// Returns the number of classes.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(labels) => labels.len(),
            Self::Names(labels) => labels.len(),
        }
    }

    /// Returns true if there are no labels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the labels as text keys.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Numbers(labels) => labels.iter().map(ToString::to_string).collect(),
            Self::Names(labels) => labels.clone(),
        }
    }
}

impl Graph {
    /// Follows the graph backwards from an output to the node that labels its values.
    fn labels_of(&self, output: &str) -> Option<Labels> {
        let mut name = output;
        for _ in 0..self.nodes.len() {
            let node =
                self.nodes.iter().find(|node| node.outputs.iter().any(|output| output == name))?;
            if let Some(labels) = &node.labels {
                return Some(labels.clone());
            }
            let first = node.inputs.first()?;
            match node.op.as_str() {
                op if PICK.contains(&op) => return self.constants.get(first).cloned(),
                op if PASS.contains(&op) => name = first,
                _ => return None,
            }
        }
        None
    }
}

/// Forward-only reader of a protocol buffer.
struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
}

/// Value of a field, or the end of a length-delimited one.
enum Value {
    Number(u64),
    Until(u64),
    Passed,
}

impl<R: Read + Seek> Reader<R> {
    fn model(&mut self, end: u64) -> io::Result<Graph> {
        let mut graph = Graph::default();
        self.fields(end, |reader, field, value| match (field, value) {
            (7, Value::Until(end)) => reader.graph(end, &mut graph),
            _ => Ok(()),
        })?;
        Ok(graph)
    }

    fn graph(&mut self, end: u64, graph: &mut Graph) -> io::Result<()> {
        self.fields(end, |reader, field, value| {
            match (field, value) {
                (1, Value::Until(end)) => graph.nodes.push(reader.node(end)?),
                (5, Value::Until(end)) if end - reader.at < MOST_BYTES => {
                    if let Some((name, labels)) = reader.constant(end)? {
                        graph.constants.insert(name, labels);
                    }
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn node(&mut self, end: u64) -> io::Result<Node> {
        let mut node = Node::default();
        self.fields(end, |reader, field, value| {
            match (field, value) {
                (1, Value::Until(end)) => node.inputs.push(reader.text(end)?),
                (2, Value::Until(end)) => node.outputs.push(reader.text(end)?),
                (4, Value::Until(end)) => node.op = reader.text(end)?,
                (5, Value::Until(end)) => {
                    if let Some(labels) = reader.attribute(end)? {
                        node.labels = Some(labels);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(node)
    }

    /// Returns the labels if this attribute has them.
    fn attribute(&mut self, end: u64) -> io::Result<Option<Labels>> {
        let (mut name, mut numbers, mut texts) = (String::new(), Vec::new(), Vec::new());
        self.fields(end, |reader, field, value| {
            // Files of the usual library store the name first; skip the values of other attributes.
            let is_ours = name.is_empty() || name.starts_with("classlabels_");
            match (field, value) {
                (1, Value::Until(end)) => name = reader.text(end)?,
                (8, Value::Number(number)) if is_ours => numbers.push(number.cast_signed()),
                (8, Value::Until(end)) if is_ours => reader.packed(end, &mut numbers)?,
                (9, Value::Until(end)) if is_ours && texts.len() < MOST_LABELS => {
                    texts.push(reader.text(end)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(match name.as_str() {
            "classlabels_int64s" | "classlabels_ints" if !numbers.is_empty() => {
                Some(Labels::Numbers(numbers))
            }
            "classlabels_strings" if !texts.is_empty() => Some(Labels::Names(texts)),
            _ => None,
        })
    }

    /// Returns a constant that may be labels, and its name.
    fn constant(&mut self, end: u64) -> io::Result<Option<(String, Labels)>> {
        let (mut name, mut kind, mut raw) = (String::new(), 0, Vec::new());
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        self.fields(end, |reader, field, value| {
            match (field, value) {
                (2, Value::Number(number)) => kind = number,
                (5 | 7, Value::Number(number)) => numbers.push(number.cast_signed()),
                (5 | 7, Value::Until(end)) => reader.packed(end, &mut numbers)?,
                (6, Value::Until(end)) => texts.push(reader.text(end)?),
                (8, Value::Until(end)) => name = reader.text(end)?,
                (9, Value::Until(end)) => raw = reader.bytes(end)?,
                _ => {}
            }
            Ok(())
        })?;
        let of_raw = |size: usize| -> Vec<i64> {
            let number =
                |bytes: &[u8]| bytes.iter().rev().fold(0i64, |n, byte| (n << 8) | i64::from(*byte));
            let signed = |n: i64| if size == 4 { i64::from(n as i32) } else { n };
            raw.chunks_exact(size).map(|bytes| signed(number(bytes))).collect()
        };
        let labels = match kind {
            STRING => Labels::Names(texts),
            INT32 if numbers.is_empty() => Labels::Numbers(of_raw(4)),
            INT64 if numbers.is_empty() => Labels::Numbers(of_raw(8)),
            INT32 | INT64 => Labels::Numbers(numbers),
            _ => return Ok(None),
        };
        Ok((!labels.is_empty()).then_some((name, labels)))
    }

    /// Calls `each` with every field until `end` and skips the bytes that it leaves.
    fn fields(
        &mut self,
        end: u64,
        mut each: impl FnMut(&mut Self, u64, Value) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            let tag = self.varint()?;
            let (value, until) = match tag & 7 {
                0 => (Value::Number(self.varint()?), self.at),
                1 => (Value::Passed, self.at + 8),
                2 => {
                    let length = self.varint()?;
                    let until = self
                        .at
                        .checked_add(length)
                        .filter(|until| *until <= end)
                        .ok_or(ErrorKind::InvalidData)?;
                    (Value::Until(until), until)
                }
                5 => (Value::Passed, self.at + 4),
                _ => return Err(ErrorKind::InvalidData.into()),
            };
            each(self, tag >> 3, value)?;
            self.skip_to(until)?;
        }
        Ok(())
    }

    fn packed(&mut self, end: u64, numbers: &mut Vec<i64>) -> io::Result<()> {
        while self.at < end && numbers.len() < MOST_LABELS {
            numbers.push(self.varint()?.cast_signed());
        }
        Ok(())
    }

    fn text(&mut self, end: u64) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(end)?).into_owned())
    }

    /// Returns the bytes until `end`; none if they are more than labels can have.
    fn bytes(&mut self, end: u64) -> io::Result<Vec<u8>> {
        let length = end - self.at;
        if length > MOST_BYTES {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; length as usize];
        self.inner.read_exact(&mut bytes)?;
        self.at = end;
        Ok(bytes)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.inner.read_exact(&mut byte)?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(ErrorKind::InvalidData.into())
    }

    fn skip_to(&mut self, until: u64) -> io::Result<()> {
        let ahead = i64::try_from(until.checked_sub(self.at).ok_or(ErrorKind::InvalidData)?);
        self.inner.seek_relative(ahead.map_err(|_| ErrorKind::InvalidData)?)?;
        self.at = until;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    #[test]
    fn a_zipmap_and_a_classifier_tell_their_labels() {
        let read = |name: &str| Labels::read(&fixture(name), "output_label", "output_probability");
        assert_eq!(read("zipmap_int.onnx"), Some(Labels::Numbers(vec![10, 20, 30])));
        let names = ["low", "middle", "high"].map(str::to_owned).to_vec();
        let told = read("zipmap_string.onnx").unwrap();
        let mut sorted = (told.names(), names);
        sorted.0.sort();
        sorted.1.sort();
        assert_eq!(sorted.0, sorted.1);
    }

    #[test]
    fn a_model_without_classes_has_no_labels() {
        assert_eq!(Labels::read(&fixture("regressor.onnx"), "y", "y"), None);
        assert_eq!(Labels::read(Path::new("/nowhere"), "y", "y"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let length = bytes.len() as u64;
            let _ = Reader { inner: BufReader::new(Cursor::new(bytes)), at: 0 }.model(length);
        }

        #[test]
        fn any_damage_to_a_model_is_read_without_a_panic(at in 0usize..600, byte in any::<u8>()) {
            let mut bytes = std::fs::read(fixture("zipmap_int.onnx")).unwrap();
            let place = at % bytes.len();
            bytes[place] = byte;
            let length = bytes.len() as u64;
            let _ = Reader { inner: BufReader::new(Cursor::new(bytes)), at: 0 }.model(length);
        }
    }
}
