//! One request outside of any run, on a connection of its own: what is asked before users come.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use loadtest::workload::Secure;
use rustls::ClientConnection;

use crate::http1::{Progress, Reader};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// 200, 503, …
    pub status: u16,
    /// The answer's body.
    pub body: Vec<u8>,
    /// What it says of itself in a line, if it is no 2xx.
    pub words: String,
}

/// An answer that is larger is not for us.
const MOST_BYTES: usize = 64 << 20;

/// Sends a request's `bytes`, head and body as they are, and reads the answer, as users of a run would;
/// blocks for `patience` at most.
///
/// # Errors
/// When no whole answer came. `InvalidData` is the peer's fault: its TLS, or an answer that is
/// none.
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
            // What the system calls a read that took too long.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    };
    Ok(Answer { status: answer.status, body: reader.kept_body().to_owned(), words: reader.words() })
}

/// Whether the address takes connections and, where TLS is wanted, has a certificate that is
/// trusted.
///
/// # Errors
/// When it does not; `InvalidData` is the peer's TLS.
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
