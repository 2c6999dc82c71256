//! Decoder of chunked bodies, which may arrive cut at any byte.

/// Most hexadecimal digits of a size: enough for 2^60 bytes; more would overflow.
const MAX_SIZE_DIGITS: u8 = 15;

/// Position in a chunked body (RFC 9112, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// The line end after a chunk's data.
    DataEnd,
    /// Trailers; `blank` while the current line is empty.
    Trailers {
        blank: bool,
    },
}

/// Result of one step through a chunked body.
pub(super) enum Step {
    /// New state, and the number of bytes used.
    Next(Chunk, usize),
    /// The next byte is the last one of the body.
    End,
    Malformed,
}

impl Chunk {
    /// Uses at least one byte of `bytes`, which must not be empty.
    pub(super) fn step(self, bytes: &[u8]) -> Step {
        let byte = bytes[0];
        match self {
            Self::Size { size, digits } => match (byte as char).to_digit(16) {
                Some(digit) if digits < MAX_SIZE_DIGITS => Step::Next(
                    Self::Size { size: size * 16 + u64::from(digit), digits: digits + 1 },
                    1,
                ),
                None if digits > 0 => match byte {
                    b'\n' => Step::Next(Self::after_size(size), 1),
                    b'\r' | b';' | b' ' | b'\t' => Step::Next(Self::Extension { size }, 1),
                    _ => Step::Malformed,
                },
                _ => Step::Malformed,
            },
            Self::Extension { size } => match byte {
                b'\n' => Step::Next(Self::after_size(size), 1),
                _ => Step::Next(self, 1),
            },
            Self::Data { left } => {
                let used = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - used as u64;
                Step::Next(if left == 0 { Self::DataEnd } else { Self::Data { left } }, used)
            }
            Self::DataEnd => match byte {
                b'\r' => Step::Next(self, 1),
                b'\n' => Step::Next(Self::Size { size: 0, digits: 0 }, 1),
                _ => Step::Malformed,
            },
            Self::Trailers { blank } => match byte {
                b'\n' if blank => Step::End,
                b'\n' => Step::Next(Self::Trailers { blank: true }, 1),
                b'\r' => Step::Next(self, 1),
                _ => Step::Next(Self::Trailers { blank: false }, 1),
            },
        }
    }

    fn after_size(size: u64) -> Self {
        if size == 0 { Self::Trailers { blank: true } } else { Self::Data { left: size } }
    }
}
