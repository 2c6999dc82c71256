//! One client's connection to a null server.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const READ_BYTES: usize = 16 * 1024;
const MAX_REQUEST_BYTES: usize = 1 << 20;

pub(super) struct Connection {
    stream: TcpStream,
    /// The beginning of a request that came in pieces.
    begun: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, begun: Vec::new() }
    }

    /// Writes one answer.
    pub(super) fn answer(&mut self) -> io::Result<()> {
        // Small enough for the socket's buffer, unless the client does not read.
        self.stream.write_all(ANSWER)
    }

    /// Reads what has come. Answers every whole request at once and returns 0, or else how many there are to be answered.
    ///
    /// # Errors
    /// When the connection is over, or what comes is no HTTP.
    pub(super) fn read(&mut self, at_once: bool) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let mut requests = 0;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    requests += if self.begun.is_empty() {
                        self.take(&buffer[..read], at_once)?
                    } else {
                        let mut begun = std::mem::take(&mut self.begun);
                        begun.extend_from_slice(&buffer[..read]);
                        self.take(&begun, at_once)?
                    };
                    // A short read has emptied the socket.
                    if read < READ_BYTES {
                        return Ok(requests);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(requests),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes every whole request in `bytes` and keeps the rest.
    fn take(&mut self, mut bytes: &[u8], at_once: bool) -> io::Result<usize> {
        let mut requests = 0;
        while !bytes.is_empty() {
            match request_length(bytes)? {
                Some(length) if length <= bytes.len() => {
                    if at_once {
                        self.answer()?;
                    } else {
                        requests += 1;
                    }
                    bytes = &bytes[length..];
                }
                _ if bytes.len() > MAX_REQUEST_BYTES => return Err(io::ErrorKind::InvalidData.into()),
                _ => {
                    self.begun = bytes.to_vec();
                    return Ok(requests);
                }
            }
        }
        Ok(requests)
    }
}

/// Head and body of the request at the beginning of `bytes`; none if its head is not whole.
fn request_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let length = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let body = length.and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse::<usize>().ok()).unwrap_or(0);
    Ok(Some(head.saturating_add(body)))
}
