//! Tensors, independent of the runtime: a shape and a typed buffer.

use std::fmt;

use half::{bf16, f16};
use serde::Serialize;

/// Element types of requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// IEEE 754 binary16.
    Float16,
    /// Upper half of a binary32.
    Bfloat16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// Boolean.
    Bool,
    /// UTF-8 text.
    Text,
}

impl Element {
    /// Returns true for floating-point types.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64)
    }

    /// Returns true for integer types.
    pub fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, Self::Bool | Self::Text)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Bool => "bool",
            Self::Text => "string",
        })
    }
}

/// Elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are those of Element")]
pub enum Buffer {
    Float16(Vec<f16>),
    Bfloat16(Vec<bf16>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

/// Runs `$body` with `$vec` bound to the inner vector, whatever its type.
#[macro_export]
macro_rules! with_elements {
    ($buffer:expr, $vec:ident => $body:expr) => {
        match $buffer {
            $crate::model::Buffer::Float16($vec) => $body,
            $crate::model::Buffer::Bfloat16($vec) => $body,
            $crate::model::Buffer::Float32($vec) => $body,
            $crate::model::Buffer::Float64($vec) => $body,
            $crate::model::Buffer::Int8($vec) => $body,
            $crate::model::Buffer::Int16($vec) => $body,
            $crate::model::Buffer::Int32($vec) => $body,
            $crate::model::Buffer::Int64($vec) => $body,
            $crate::model::Buffer::Uint8($vec) => $body,
            $crate::model::Buffer::Uint16($vec) => $body,
            $crate::model::Buffer::Uint32($vec) => $body,
            $crate::model::Buffer::Uint64($vec) => $body,
            $crate::model::Buffer::Bool($vec) => $body,
            $crate::model::Buffer::Text($vec) => $body,
        }
    };
}

impl Buffer {
    /// Creates an empty buffer for elements of this type.
    pub fn new(element: Element) -> Self {
        match element {
            Element::Float16 => Self::Float16(Vec::new()),
            Element::Bfloat16 => Self::Bfloat16(Vec::new()),
            Element::Float32 => Self::Float32(Vec::new()),
            Element::Float64 => Self::Float64(Vec::new()),
            Element::Int8 => Self::Int8(Vec::new()),
            Element::Int16 => Self::Int16(Vec::new()),
            Element::Int32 => Self::Int32(Vec::new()),
            Element::Int64 => Self::Int64(Vec::new()),
            Element::Uint8 => Self::Uint8(Vec::new()),
            Element::Uint16 => Self::Uint16(Vec::new()),
            Element::Uint32 => Self::Uint32(Vec::new()),
            Element::Uint64 => Self::Uint64(Vec::new()),
            Element::Bool => Self::Bool(Vec::new()),
            Element::Text => Self::Text(Vec::new()),
        }
    }

    /// Returns the element type.
    pub fn element(&self) -> Element {
        match self {
            Self::Float16(_) => Element::Float16,
            Self::Bfloat16(_) => Element::Bfloat16,
            Self::Float32(_) => Element::Float32,
            Self::Float64(_) => Element::Float64,
            Self::Int8(_) => Element::Int8,
            Self::Int16(_) => Element::Int16,
            Self::Int32(_) => Element::Int32,
            Self::Int64(_) => Element::Int64,
            Self::Uint8(_) => Element::Uint8,
            Self::Uint16(_) => Element::Uint16,
            Self::Uint32(_) => Element::Uint32,
            Self::Uint64(_) => Element::Uint64,
            Self::Bool(_) => Element::Bool,
            Self::Text(_) => Element::Text,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        with_elements!(self, v => v.len())
    }

    /// Returns true if the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves all elements of `other` to the end; returns false if the types differ.
    #[must_use]
    pub fn append(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Float16(a), Self::Float16(b)) => a.extend(b),
            (Self::Bfloat16(a), Self::Bfloat16(b)) => a.extend(b),
            (Self::Float32(a), Self::Float32(b)) => a.extend(b),
            (Self::Float64(a), Self::Float64(b)) => a.extend(b),
            (Self::Int8(a), Self::Int8(b)) => a.extend(b),
            (Self::Int16(a), Self::Int16(b)) => a.extend(b),
            (Self::Int32(a), Self::Int32(b)) => a.extend(b),
            (Self::Int64(a), Self::Int64(b)) => a.extend(b),
            (Self::Uint8(a), Self::Uint8(b)) => a.extend(b),
            (Self::Uint16(a), Self::Uint16(b)) => a.extend(b),
            (Self::Uint32(a), Self::Uint32(b)) => a.extend(b),
            (Self::Uint64(a), Self::Uint64(b)) => a.extend(b),
            (Self::Bool(a), Self::Bool(b)) => a.extend(b),
            (Self::Text(a), Self::Text(b)) => a.extend(b),
            _ => return false,
        }
        true
    }

    /// Removes and returns the first `count` elements.
    #[must_use]
    pub fn split_front(&mut self, count: usize) -> Self {
        fn front<T>(v: &mut Vec<T>, count: usize) -> Vec<T> {
            let rest = v.split_off(count.min(v.len()));
            std::mem::replace(v, rest)
        }
        match self {
            Self::Float16(v) => Self::Float16(front(v, count)),
            Self::Bfloat16(v) => Self::Bfloat16(front(v, count)),
            Self::Float32(v) => Self::Float32(front(v, count)),
            Self::Float64(v) => Self::Float64(front(v, count)),
            Self::Int8(v) => Self::Int8(front(v, count)),
            Self::Int16(v) => Self::Int16(front(v, count)),
            Self::Int32(v) => Self::Int32(front(v, count)),
            Self::Int64(v) => Self::Int64(front(v, count)),
            Self::Uint8(v) => Self::Uint8(front(v, count)),
            Self::Uint16(v) => Self::Uint16(front(v, count)),
            Self::Uint32(v) => Self::Uint32(front(v, count)),
            Self::Uint64(v) => Self::Uint64(front(v, count)),
            Self::Bool(v) => Self::Bool(front(v, count)),
            Self::Text(v) => Self::Text(front(v, count)),
        }
    }
}

/// Dense tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions, the batch first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Buffer,
}

/// Output of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Tensor.
    Tensor(Tensor),
    /// One map per row, as from scikit-learn's `ZipMap`: class to probability, in class order.
    Maps(Vec<Vec<(Key, f32)>>),
    /// Sequence of tensors, each with its own shape.
    Sequence(Vec<Tensor>),
}

/// Class key of a `ZipMap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// Integer label.
    Int(i64),
    /// Name.
    Text(String),
}
