//! A user's connection: bytes over TCP, or over TLS on the same event loop.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use loadtest::workload::Secure;
use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::ClientConnection;

use crate::os::Socket;

/// A connection that never blocks.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(Socket),
    /// Encrypted. Boxed: most users have none, and a session is large.
    Tls(Box<Session>),
}

/// A TLS session and the socket under it.
#[derive(Debug)]
pub struct Session {
    socket: Socket,
    tls: ClientConnection,
}

impl Stream {
    /// Begins to connect, and registers for all events. Where bytes are stamped, [`age`](Self::age)
    /// tells when they came.
    pub fn connect(
        addr: SocketAddr,
        secure: Option<&Secure>,
        registry: &Registry,
        token: Token,
        is_stamped: bool,
    ) -> io::Result<Self> {
        let mut tcp = TcpStream::connect(addr)?;
        registry.register(&mut tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        let socket = Socket::new(tcp, is_stamped);
        Ok(match secure {
            None => Self::Plain(socket),
            Some(secure) => {
                Self::Tls(Box::new(Session { socket, tls: secure.session().map_err(broken)? }))
            }
        })
    }

    /// Whether both sides may send requests and answers: for TLS, whether the handshake is over. It
    /// goes on by being asked.
    ///
    /// # Errors
    /// When the connection could not be made, or the peer is not whom the certificate has to name.
    pub fn establish(&mut self) -> io::Result<bool> {
        let socket = self.socket().tcp();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        // Without an error and without a peer it is still under way.
        if socket.peer_addr().is_err() {
            return Ok(false);
        }
        match self {
            Self::Plain(socket) => {
                undelayed(socket.tcp());
                Ok(true)
            }
            Self::Tls(session) => session.shake_hands(),
        }
    }

    /// Drops the connection at once. A reset, not a normal end: tens of thousands of sockets in
    /// TIME_WAIT would keep the next run from its source ports.
    pub fn reset(self) {
        // If the peer is gone already there is nothing to reset.
        let _ = socket2::SockRef::from(self.socket().tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Writes what the session still has to say; for plain connections nothing.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(session) => session.flush(),
        }
    }

    /// How long before they were read the last bytes had come.
    pub fn age(&self) -> Duration {
        self.socket().age()
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => &session.socket,
        }
    }
}

impl Read for Stream {
    /// `WouldBlock` once all that came is read, and 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(session) => session.read(buffer),
        }
    }
}

impl Write for Stream {
    /// `WouldBlock` if nothing could be taken. A session may keep what it took until
    /// [`Stream::flush`] brings it out.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(session) => session.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self)
    }
}

impl Session {
    fn shake_hands(&mut self) -> io::Result<bool> {
        undelayed(self.socket.tcp());
        self.flush()?;
        while self.tls.is_handshaking() {
            match self.take_in() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.flush()?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.flush()?;
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.take_in()? == 0 {
                return Ok(0);
            }
            // A renewed key is answered.
            self.flush()?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What did not go out before goes first; a peer that reads nothing must not cost memory.
        if self.tls.wants_write() {
            self.flush()?;
            if self.tls.wants_write() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let taken = self.tls.writer().write(bytes)?;
        self.flush()?;
        Ok(taken)
    }

    /// Takes one read's worth of the peer's records; how many bytes, 0 at the end.
    fn take_in(&mut self) -> io::Result<usize> {
        let count = loop {
            match self.tls.read_tls(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if let Err(error) = self.tls.process_new_packets() {
            // The peer is told why, if it can be.
            let _ = self.flush();
            return Err(broken(error));
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Small requests must not wait for the acknowledgement of the one before.
fn undelayed(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
