//! A user's connection: plain TCP, or TLS on the same event loop.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use loadtest::workload::Secure;
use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::ClientConnection;

use crate::os::Socket;

/// A non-blocking connection.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Plain(Socket),
    /// TLS. Boxed, because most users have none and a session is large.
    Tls(Box<Session>),
}

/// A TLS session and the socket under it.
#[derive(Debug)]
pub struct Session {
    socket: Socket,
    tls: ClientConnection,
}

impl Stream {
    /// Begins to connect, and registers for all events. With stamps, [`age`](Self::age) returns the
    /// time since the arrival of bytes.
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

    /// Returns true if requests can be sent: connected and, for TLS, after the handshake. Each call
    /// continues the handshake.
    ///
    /// # Errors
    /// Returns an error if the connection failed, or if the certificate is not trusted for the
    /// host.
    pub fn establish(&mut self) -> io::Result<bool> {
        let socket = self.socket().tcp();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        // Without an error and without a peer it is still connecting.
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

    /// Resets the connection instead of closing it normally: tens of thousands of sockets in
    /// TIME_WAIT would leave the next run without source ports.
    pub fn reset(self) {
        // If the peer is gone there is nothing to reset.
        let _ = socket2::SockRef::from(self.socket().tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Writes pending bytes of the TLS session; does nothing for plain connections.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(session) => session.flush(),
        }
    }

    /// Returns the time between arrival and reading of the last bytes.
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
    /// Returns `WouldBlock` once all available bytes are read, and 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(session) => session.read(buffer),
        }
    }
}

impl Write for Stream {
    /// Returns `WouldBlock` if nothing was accepted. A session may buffer bytes until
    /// [`Stream::flush`] writes them.
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
            // A key update may require an answer.
            self.flush()?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Buffered bytes go first; a peer that does not read must not cost memory.
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

    /// Reads TLS records once; returns the number of bytes, 0 at the end.
    fn take_in(&mut self) -> io::Result<usize> {
        let count = loop {
            match self.tls.read_tls(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if let Err(error) = self.tls.process_new_packets() {
            // Tells the peer the reason, if possible.
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

/// Disables Nagle's algorithm: small requests must not wait for the acknowledgement of earlier
/// ones.
fn undelayed(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
