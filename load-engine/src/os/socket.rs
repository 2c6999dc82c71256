//! TCP connections that know the arrival time of the bytes they read.
//!
//! A thread that is woken late, or whose processor the hypervisor gave to others, reads an answer
//! later than it arrived and would blame the server for the difference. The kernel records the
//! arrival (SO_TIMESTAMPNS).

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

/// A connection with optional arrival stamps.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    /// Buffer for a stamp, if stamps are enabled.
    control: Option<Vec<u8>>,
    age: Duration,
}

/// Oldest plausible stamp. Stamps use the wall clock, so an older one means that the clock was set.
const OLDEST: Duration = Duration::from_secs(10);

impl Socket {
    /// Wraps a connection, with stamps if they are wanted and the kernel supports them.
    pub fn new(tcp: TcpStream, is_stamped: bool) -> Self {
        let is_stamped = is_stamped && setsockopt(&tcp, ReceiveTimestampns, &true).is_ok();
        Self { tcp, control: is_stamped.then(|| cmsg_space!(TimeSpec)), age: Duration::ZERO }
    }

    /// Returns the time between arrival and reading of the last bytes; zero if it is unknown.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Returns the underlying connection.
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
