//! A TCP connection that knows when the bytes it reads came.
//!
//! A thread that is woken late, or whose processor the hypervisor lends to others, reads an answer
//! later than it came, and would call the difference the server's. The kernel notes when it had the
//! bytes (SO_TIMESTAMPNS).

use std::{
    io::{self, IoSliceMut, Read, Write},
    os::fd::AsRawFd,
    time::{Duration, SystemTime},
};

use mio::net::TcpStream;
use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns},
        time::TimeSpec,
    },
};

/// A connection; what it reads may be stamped.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    /// Room for a stamp, if bytes are stamped.
    control: Option<Vec<u8>>,
    age: Duration,
}

/// A stamp is of the wall clock. One that is further back is no stamp but a clock that was set.
const OLDEST: Duration = Duration::from_secs(10);

impl Socket {
    /// A connection, with stamps if they are wanted and the kernel has them.
    pub fn new(tcp: TcpStream, is_stamped: bool) -> Self {
        let is_stamped = is_stamped && setsockopt(&tcp, ReceiveTimestampns, &true).is_ok();
        Self { tcp, control: is_stamped.then(|| cmsg_space!(TimeSpec)), age: Duration::ZERO }
    }

    /// How long before they were read the last bytes had come; zero where nobody knows.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// The connection itself.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(control) = &mut self.control else { return self.tcp.read(buffer) };
        let mut parts = [IoSliceMut::new(buffer)];
        let received =
            recvmsg::<()>(self.tcp.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
        let came = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = came.map(|came| now.saturating_sub(came)).unwrap_or_default();
        self.age = if age > OLDEST { Duration::ZERO } else { age };
        Ok(received.bytes)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
