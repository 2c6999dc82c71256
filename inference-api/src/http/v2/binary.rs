//! Binary tensors: little-endian and row-major; a four-byte length precedes each string.

use half::{bf16, f16};

use crate::model::{Buffer, Element};

/// Returns the bytes of one element; `None` for strings, whose lengths vary.
pub(super) fn size_of(element: Element) -> Option<usize> {
    match element {
        Element::Bool | Element::Int8 | Element::Uint8 => Some(1),
        Element::Int16 | Element::Uint16 | Element::Float16 | Element::Bfloat16 => Some(2),
        Element::Int32 | Element::Uint32 | Element::Float32 => Some(4),
        Element::Int64 | Element::Uint64 | Element::Float64 => Some(8),
        Element::Text => None,
    }
}

/// Decodes all of `bytes` as elements of this type.
///
/// # Errors
/// Returns the reason why the bytes are invalid.
pub(super) fn decode(element: Element, bytes: &[u8]) -> Result<Buffer, String> {
    if let Some(size) = size_of(element).filter(|size| !bytes.len().is_multiple_of(*size)) {
        return Err(format!(
            "{} bytes are no whole number of elements of {size} bytes",
            bytes.len()
        ));
    }
    macro_rules! numbers {
        ($variant:ident, $type:ty) => {
            Buffer::$variant(
                bytes.as_chunks().0.iter().map(|&b| <$type>::from_le_bytes(b)).collect(),
            )
        };
    }
    Ok(match element {
        Element::Bool => match bytes.iter().find(|b| **b > 1) {
            Some(byte) => return Err(format!("a BOOL is the byte 0 or 1, and not {byte}")),
            None => Buffer::Bool(bytes.iter().map(|b| *b == 1).collect()),
        },
        Element::Int8 => numbers!(Int8, i8),
        Element::Uint8 => numbers!(Uint8, u8),
        Element::Int16 => numbers!(Int16, i16),
        Element::Uint16 => numbers!(Uint16, u16),
        Element::Int32 => numbers!(Int32, i32),
        Element::Uint32 => numbers!(Uint32, u32),
        Element::Int64 => numbers!(Int64, i64),
        Element::Uint64 => numbers!(Uint64, u64),
        Element::Float16 => numbers!(Float16, f16),
        Element::Bfloat16 => numbers!(Bfloat16, bf16),
        Element::Float32 => numbers!(Float32, f32),
        Element::Float64 => numbers!(Float64, f64),
        Element::Text => Buffer::Text(strings(bytes)?),
    })
}

fn strings(mut bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) =
            bytes.split_first_chunk().ok_or("the length of a BYTES element is cut off")?;
        let length = u32::from_le_bytes(*length) as usize;
        let text = rest.get(..length).ok_or_else(|| {
            format!("a BYTES element announces {length} bytes, {} are left", rest.len())
        })?;
        strings.push(self::text(text)?);
        bytes = &rest[length..];
    }
    Ok(strings)
}

/// Decodes one string. NUL is refused because the runtime ends its strings there.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    let wrong =
        |why: String| format!("an element of BYTES is a string here, UTF-8 without NUL: {why}");
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err(wrong("there is a NUL in it".to_owned())),
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Appends the elements to `out` and returns their length in bytes.
pub(super) fn encode(buffer: &Buffer, out: &mut Vec<u8>) -> usize {
    let before = out.len();
    macro_rules! numbers {
        ($v:expr) => {
            $v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()))
        };
    }
    match buffer {
        Buffer::Bool(v) => out.extend(v.iter().map(|&b| u8::from(b))),
        Buffer::Int8(v) => numbers!(v),
        Buffer::Uint8(v) => out.extend_from_slice(v),
        Buffer::Int16(v) => numbers!(v),
        Buffer::Uint16(v) => numbers!(v),
        Buffer::Int32(v) => numbers!(v),
        Buffer::Uint32(v) => numbers!(v),
        Buffer::Int64(v) => numbers!(v),
        Buffer::Uint64(v) => numbers!(v),
        Buffer::Float16(v) => numbers!(v),
        Buffer::Bfloat16(v) => numbers!(v),
        Buffer::Float32(v) => numbers!(v),
        Buffer::Float64(v) => numbers!(v),
        Buffer::Text(v) => {
            for text in v {
                // A string longer than 4 GB does not fit into any body.
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    out.len() - before
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Element; 14] = [
        Element::Bool,
        Element::Int8,
        Element::Uint8,
        Element::Int16,
        Element::Uint16,
        Element::Int32,
        Element::Uint32,
        Element::Int64,
        Element::Uint64,
        Element::Float16,
        Element::Bfloat16,
        Element::Float32,
        Element::Float64,
        Element::Text,
    ];

    #[test]
    fn bytes_are_little_endian() {
        assert_eq!(
            decode(Element::Int32, &[1, 2, 0, 0, 255, 255, 255, 255]),
            Ok(Buffer::Int32(vec![513, -1]))
        );
        let text = [2, 0, 0, 0, b'h', b'i', 0, 0, 0, 0];
        assert_eq!(
            decode(Element::Text, &text),
            Ok(Buffer::Text(vec!["hi".to_owned(), String::new()]))
        );
        assert_eq!(decode(Element::Float16, &[0, 0x3c]), Ok(Buffer::Float16(vec![f16::ONE])));
        assert_eq!(decode(Element::Bfloat16, &[0x80, 0x3f]), Ok(Buffer::Bfloat16(vec![bf16::ONE])));
    }

    #[test]
    fn short_and_long_bytes_are_refused() {
        assert!(decode(Element::Float32, &[0; 7]).unwrap_err().contains("7 bytes"));
        assert!(decode(Element::Bool, &[2]).is_err());
        assert!(decode(Element::Text, &[1, 0, 0]).is_err());
        assert!(decode(Element::Text, &[255, 255, 255, 255, 1]).is_err());
        assert!(decode(Element::Text, &[1, 0, 0, 0, 0xff]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_was(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            i in 0..ALL.len(),
        ) {
            if let Ok(buffer) = decode(ALL[i], &bytes) {
                let mut out = Vec::new();
                prop_assert_eq!(encode(&buffer, &mut out), bytes.len());
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
