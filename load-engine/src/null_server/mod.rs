//! A server that answers without any work, faster than a real one, or after an exact delay.
//!
//! The rate of a generator against it, on the same processors, is the highest that the generator
//! can reach. Runs are calibrated with it, and benchmarks of generators need it (nginx is the limit
//! at wrk's rate). With delays, and a log of their true lengths, it verifies a generator's figures.

mod connection;
mod delay;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use loadtest::measure::Latencies;
use mio::{Events, Interest, Poll, Token, net::TcpListener};
use socket2::{Domain, Socket, Type};

pub use delay::{Behaviour, Delay, Freeze};

use self::{connection::Connection, delay::Pending};
use crate::os::{TimerFd, pin_to};

/// Backlog of the listener; the kernel reduces it to net.core.somaxconn.
const BACKLOG: i32 = 65_535;
const LISTENER: Token = Token(usize::MAX);
/// Interval at which the thread checks for a stop.
const LOOK: Duration = Duration::from_millis(50);
const TIMER: Token = Token(usize::MAX - 1);

/// A null server on a thread of its own, which stops when this is dropped.
#[derive(Debug)]
pub struct NullServer {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Latencies>>,
}

impl NullServer {
    /// Starts a server that listens on `addr`, on the processor `core` if one is given.
    ///
    /// # Errors
    /// Returns an error if the address is taken, or the system refuses a thread.
    pub fn start(addr: SocketAddr, core: Option<usize>, behaviour: Behaviour) -> io::Result<Self> {
        let mut listener = listen(addr)?;
        let addr = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = TimerFd::new(poll.registry(), TIMER)?;
        let stopping = Arc::clone(&stop);
        let serve = move || {
            if let Some(core) = core {
                // Pinning is best effort: an unpinned server works too, at another rate.
                let _ = pin_to(core);
            }
            let pending = Pending::new(&behaviour);
            let mut server = Server {
                poll,
                timer,
                listener,
                connections: Vec::new(),
                free: Vec::new(),
                pending,
                freeze: behaviour.freeze,
                start: Instant::now(),
                log: Latencies::default(),
            };
            let mut events = Events::with_capacity(1024);
            while !stopping.load(Ordering::Relaxed) && server.turn(&mut events).is_ok() {}
            server.log
        };
        let thread = Some(std::thread::Builder::new().name("null-server".to_owned()).spawn(serve)?);
        Ok(Self { addr, stop, thread })
    }

    /// Returns the address on which the server listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the process ends.
    pub fn serve_for_ever(mut self) {
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped serving, too.
            let _ = thread.join();
        }
    }

    /// Stops the server. Returns the times of delayed requests, from their arrival until the answer
    /// was written.
    pub fn stop(mut self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens the listener, with a backlog for thousands of simultaneous connections, in particular
/// while the server is frozen.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Server {
    poll: Poll,
    timer: TimerFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    pending: Pending,
    freeze: Option<Freeze>,
    start: Instant,
    log: Latencies,
}

impl Server {
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        if let Some(left) = self.freeze.and_then(|freeze| freeze.left(self.start.elapsed())) {
            std::thread::park_timeout(left.min(LOOK));
            return Ok(());
        }
        self.answer_due();
        if let Some(due) = self.pending.next() {
            // Sleeps until then instead of polling: the scheduler delays threads that never sleep.
            self.timer.set(due.saturating_duration_since(self.start), self.start.elapsed())?;
        }
        match self.poll.poll(events, Some(LOOK)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            let index = match event.token() {
                LISTENER => {
                    self.accept();
                    continue;
                }
                TIMER => continue,
                Token(index) => index,
            };
            let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if self.pending.is_immediate() {
                if connection.answer_all().is_err() {
                    self.close(index);
                }
                continue;
            }
            match connection.read_stamped() {
                Ok((requests, came)) => (0..requests).for_each(|_| self.pending.push(came, index)),
                Err(_) => self.close(index),
            }
        }
        Ok(())
    }

    fn answer_due(&mut self) {
        loop {
            let now = Instant::now();
            let Some((index, read)) = self.pending.pop(now) else { return };
            let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if connection.answer().is_err() {
                self.close(index);
            } else {
                self.log.record(read.elapsed());
            }
        }
    }

    fn close(&mut self, index: usize) {
        self.connections[index] = None;
        // Pending answers would otherwise go to the next connection with this index.
        self.pending.forget(index);
        self.free.push(index);
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let _ = stream.set_nodelay(true);
            if self.poll.registry().register(&mut stream, Token(index), Interest::READABLE).is_ok()
            {
                self.connections[index] =
                    Some(Connection::new(stream, !self.pending.is_immediate()));
            } else {
                self.free.push(index);
            }
        }
    }
}
