//! Incremental reader of HTTP/1.1 answers that keeps as little as possible.
//!
//! Bodies are counted, and kept only on request. A head that arrives in pieces is kept until it is
//! complete. In the usual case one read brings the whole answer, and nothing is copied.

mod chunk;
mod framing;

use chunk::{Chunk, Step};
use framing::{Framing, framing};

/// Progress of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    NeedMore,
    /// The answer is complete.
    Done(Answer),
    /// The bytes are not a valid HTTP/1.1 answer.
    Malformed,
}

/// A complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// True if the connection may be reused.
    pub keep_alive: bool,
    /// Bytes of head and body.
    pub bytes: u64,
}

/// Reader of one answer.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
    /// Bytes of an incomplete head.
    head: Vec<u8>,
    status: u16,
    keep_alive: bool,
    bytes: u64,
    /// Bytes of the body that the caller wants.
    wanted: usize,
    /// Bytes of the body that are kept: for an answer other than 2xx at least its beginning.
    most_kept: usize,
    kept: Vec<u8>,
    /// Bytes of the body so far.
    body_bytes: usize,
    set_cookies: Vec<String>,
    location: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// Remaining bytes of a body of known length.
    Sized(u64),
    Chunked(Chunk),
    /// The body ends with the connection.
    UntilClose,
}

/// Headers that fit on the stack, and the largest number accepted.
const FEW_HEADERS: usize = 64;
const MAX_HEADERS: usize = 4096;
const MAX_HEAD_BYTES: usize = 256 * 1024;
/// Bytes kept of an answer other than 2xx, to show the server's message.
const WORDS: usize = 512;

/// Error for a head with more headers than fit.
struct TooManyHeaders;

impl Reader {
    /// Takes the next bytes. Bytes after the end of the answer make it malformed, because they
    /// answer no request.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Progress {
        self.bytes += bytes.len() as u64;
        if self.state == State::Head {
            let kept = std::mem::take(&mut self.head);
            if kept.is_empty() {
                match self.parse_head(bytes) {
                    Err(progress) => return progress,
                    Ok(used) => bytes = &bytes[used..],
                }
            } else {
                let mut whole = kept;
                whole.extend_from_slice(bytes);
                // A head ends only with a line end. Parsing after each byte would cost the square
                // of its length.
                if !bytes.contains(&b'\n') && whole.len() <= MAX_HEAD_BYTES {
                    self.head = whole;
                    return Progress::NeedMore;
                }
                return match self.parse_head(&whole) {
                    Err(progress) => progress,
                    Ok(used) => self.body(&whole[used..]),
                };
            }
        }
        self.body(bytes)
    }

    /// Returns the answer if the end of the connection completes it.
    pub fn end(&self) -> Option<Answer> {
        (self.state == State::UntilClose).then(|| self.answer())
    }

    /// Returns true if a byte of the answer has arrived.
    pub fn has_begun(&self) -> bool {
        self.bytes > 0
    }

    /// Prepares for the next answer, of whose body up to `most_kept` bytes are kept.
    pub fn reset(&mut self, most_kept: usize) {
        let (mut head, mut kept) = (std::mem::take(&mut self.head), std::mem::take(&mut self.kept));
        head.clear();
        kept.clear();
        *self = Self { head, kept, wanted: most_kept, most_kept, ..Self::default() };
    }

    /// Returns the kept part of the body.
    pub fn kept_body(&self) -> &[u8] {
        &self.kept
    }

    /// Returns true if the body is larger than the wanted bytes.
    pub fn is_cut(&self) -> bool {
        self.body_bytes > self.wanted
    }

    /// Returns the server's message in one line for an answer other than 2xx: its redirect location
    /// and the beginning of the body.
    pub fn words(&self) -> String {
        let location = self.location.as_ref().map(|location| format!("Location: {location}"));
        let beginning = &self.kept[..self.kept.len().min(WORDS)];
        let text =
            String::from_utf8_lossy(beginning).split_whitespace().collect::<Vec<_>>().join(" ");
        location
            .into_iter()
            .chain(Some(text).filter(|text| !text.is_empty()))
            .collect::<Vec<_>>()
            .join(" · ")
    }

    /// Returns the values of the `Set-Cookie` headers.
    pub fn set_cookies(&self) -> &[String] {
        &self.set_cookies
    }

    /// Returns the bytes kept: of an incomplete head, of the body, and of cookies.
    pub fn kept_bytes(&self) -> usize {
        self.head.len() + self.kept.len() + self.set_cookies.iter().map(String::len).sum::<usize>()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.most_kept.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.body_bytes += bytes.len();
    }

    fn answer(&self) -> Answer {
        Answer { status: self.status, keep_alive: self.keep_alive, bytes: self.bytes }
    }

    /// Parses a head at the beginning of `bytes` and returns its length.
    fn parse_head(&mut self, bytes: &[u8]) -> Result<usize, Progress> {
        self.parse_head_with(bytes, &mut [httparse::EMPTY_HEADER; FEW_HEADERS]).unwrap_or_else(
            |TooManyHeaders| {
                let mut many = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
                self.parse_head_with(bytes, &mut many).unwrap_or(Err(Progress::Malformed))
            },
        )
    }

    /// Parses a head with space for `headers.len()` headers.
    fn parse_head_with<'b>(
        &mut self,
        bytes: &'b [u8],
        headers: &mut [httparse::Header<'b>],
    ) -> Result<Result<usize, Progress>, TooManyHeaders> {
        let mut offset = 0;
        loop {
            let mut response = httparse::Response::new(headers);
            let used = match response.parse(&bytes[offset..]) {
                Ok(httparse::Status::Complete(used)) => used,
                Err(httparse::Error::TooManyHeaders) => return Err(TooManyHeaders),
                Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_BYTES => {
                    self.head.extend_from_slice(&bytes[offset..]);
                    return Ok(Err(Progress::NeedMore));
                }
                _ => return Ok(Err(Progress::Malformed)),
            };
            offset += used;
            let status = response.code.unwrap_or(0);
            // 100 Continue and 103 Early Hints come before the answer itself.
            if (100..200).contains(&status) {
                continue;
            }
            self.status = status;
            let Some((framing, keep_alive)) = framing(&response) else {
                return Ok(Err(Progress::Malformed));
            };
            self.keep_alive = keep_alive;
            self.set_cookies.clear();
            let named = |name: &'static str| {
                let all = response
                    .headers
                    .iter()
                    .filter(move |header| header.name.eq_ignore_ascii_case(name));
                all.filter_map(|header| std::str::from_utf8(header.value).ok().map(str::to_owned))
            };
            self.set_cookies.extend(named("set-cookie"));
            if !(200..300).contains(&status) {
                self.most_kept = self.wanted.max(WORDS);
                self.location = named("location").next();
            }
            self.state = match framing {
                Framing::None => State::Sized(0),
                Framing::Sized(length) => State::Sized(length),
                Framing::Chunked => State::Chunked(Chunk::Size { size: 0, digits: 0 }),
                Framing::UntilClose => State::UntilClose,
            };
            return Ok(Ok(offset));
        }
    }

    fn body(&mut self, mut bytes: &[u8]) -> Progress {
        match self.state {
            State::Head => Progress::NeedMore,
            State::UntilClose => {
                self.keep(bytes);
                Progress::NeedMore
            }
            State::Sized(left) => match left.cmp(&(bytes.len() as u64)) {
                std::cmp::Ordering::Equal => {
                    self.keep(bytes);
                    Progress::Done(self.answer())
                }
                std::cmp::Ordering::Less => Progress::Malformed,
                std::cmp::Ordering::Greater => {
                    self.keep(bytes);
                    self.state = State::Sized(left - bytes.len() as u64);
                    Progress::NeedMore
                }
            },
            State::Chunked(mut chunk) => {
                while !bytes.is_empty() {
                    match chunk.step(bytes) {
                        Step::Next(next, used) => {
                            if matches!(chunk, Chunk::Data { .. }) {
                                self.keep(&bytes[..used]);
                            }
                            chunk = next;
                            bytes = &bytes[used..];
                        }
                        Step::End if bytes.len() == 1 => return Progress::Done(self.answer()),
                        Step::End | Step::Malformed => return Progress::Malformed,
                    }
                }
                self.state = State::Chunked(chunk);
                Progress::NeedMore
            }
        }
    }
}

#[cfg(test)]
mod tests;
