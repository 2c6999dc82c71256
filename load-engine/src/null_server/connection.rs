//! A client's connection to a null server.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use mio::net::TcpStream;

use crate::os::Socket;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const READ_BYTES: usize = 16 * 1024;
const MAX_REQUEST_BYTES: usize = 1 << 20;

pub(super) struct Connection {
    stream: Socket,
    /// Beginning of an incomplete request.
    begun: Vec<u8>,
}

impl Connection {
    /// Creates a connection. With `is_stamped` the kernel records the arrival of requests, since a
    /// thread that is woken reads them later.
    pub(super) fn new(stream: TcpStream, is_stamped: bool) -> Self {
        Self { stream: Socket::new(stream, is_stamped), begun: Vec::new() }
    }

    /// Writes one answer.
    pub(super) fn answer(&mut self) -> io::Result<()> {
        // Fits into the socket's buffer, unless the client does not read.
        self.stream.write_all(ANSWER)
    }

    /// Reads the available bytes without answering. Returns the number of complete requests, and
    /// the arrival time of their last bytes.
    ///
    /// # Errors
    /// Returns an error if the connection is closed, or the bytes are not HTTP.
    pub(super) fn read_stamped(&mut self) -> io::Result<(usize, Instant)> {
        let mut buffer = [0; READ_BYTES];
        let mut requests = 0;
        let mut came = Instant::now();
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    came = Instant::now().checked_sub(self.stream.age()).unwrap_or(came);
                    requests += self.add(&buffer[..read], false)?;
                    if read < READ_BYTES {
                        return Ok((requests, came));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((requests, came));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the available bytes, and answers every complete request at once.
    ///
    /// # Errors
    /// Returns an error if the connection is closed, or the bytes are not HTTP.
    pub(super) fn answer_all(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.add(&buffer[..read], true)?;
                    // A short read has emptied the socket.
                    if read < READ_BYTES {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, bytes: &[u8], at_once: bool) -> io::Result<usize> {
        if self.begun.is_empty() {
            return self.take(bytes, at_once);
        }
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(bytes);
        self.take(&begun, at_once)
    }

    /// Takes the complete requests in `bytes` and keeps the rest.
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
                _ if bytes.len() > MAX_REQUEST_BYTES => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                _ => {
                    self.begun = bytes.to_vec();
                    return Ok(requests);
                }
            }
        }
        Ok(requests)
    }
}

/// Returns the length of head and body of the request at the beginning of `bytes`; `None` if the
/// head is incomplete.
fn request_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let length = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let body = length
        .and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    Ok(Some(head.saturating_add(body)))
}
