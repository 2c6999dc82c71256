//! Single requests outside of a run, each on a connection of its own.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use loadtest::workload::Secure;
use rustls::ClientConnection;

use crate::http1::{Progress, Reader};

/// Answer to a one-shot request.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The answer's body.
    pub body: Vec<u8>,
    /// The server's message in one line, if the status is not 2xx.
    pub words: String,
}

/// Largest body that is kept.
const MOST_BYTES: usize = 64 << 20;

/// Sends a request's `bytes`, head and body unchanged, and reads the answer like a user of a run;
/// blocks for at most `patience`.
///
/// # Errors
/// Returns an error if no complete answer arrived. `InvalidData` means a fault of the peer: its
/// TLS, or an answer that is not HTTP/1.1.
pub fn request(
    addr: SocketAddr,
    secure: Option<&Secure>,
    bytes: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    let deadline = Instant::now() + patience;
    let mut connection = Connection::open(addr, secure, deadline)?;
    connection.write_all(bytes)?;
    let mut reader = Reader::default();
    reader.reset(MOST_BYTES);
    let mut buffer = vec![0; 64 * 1024];
    let answer = loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        connection.socket.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        match connection.read(&mut buffer) {
            Ok(0) => break reader.end().ok_or(io::ErrorKind::UnexpectedEof)?,
            Ok(read) => match reader.feed(&buffer[..read]) {
                Progress::NeedMore => {}
                Progress::Done(answer) => break answer,
                Progress::Malformed => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "not an HTTP/1.1 answer",
                    ));
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The system reports a read timeout as `WouldBlock`.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    };
    Ok(Answer { status: answer.status, body: reader.kept_body().to_owned(), words: reader.words() })
}

/// Checks that the address accepts connections and, with TLS, presents a trusted certificate.
///
/// # Errors
/// Returns an error if it does not; `InvalidData` means a fault of the peer's TLS.
pub fn connect(addr: SocketAddr, secure: Option<&Secure>, patience: Duration) -> io::Result<()> {
    Connection::open(addr, secure, Instant::now() + patience).map(drop)
}

struct Connection {
    socket: TcpStream,
    session: Option<ClientConnection>,
}

impl Connection {
    fn open(addr: SocketAddr, secure: Option<&Secure>, deadline: Instant) -> io::Result<Self> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut socket = TcpStream::connect_timeout(&addr, patience)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        let mut session = secure.map(Secure::session).transpose().map_err(io::Error::other)?;
        if let Some(session) = &mut session {
            while session.is_handshaking() {
                session.complete_io(&mut socket)?;
            }
        }
        Ok(Self { socket, session })
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.read(buffer),
            Some(session) => rustls::Stream::new(session, &mut self.socket).read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.write(bytes),
            Some(session) => rustls::Stream::new(session, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.session {
            None => self.socket.flush(),
            Some(session) => rustls::Stream::new(session, &mut self.socket).flush(),
        }
    }
}
