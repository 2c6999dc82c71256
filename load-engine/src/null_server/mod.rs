//! A server that does nothing but answer, faster than any real one, or after exactly the time that
//! it is told to take.
//!
//! Whatever a generator reaches against it, on the same processors, is the most that it can reach
//! at all: that is what a run is calibrated with, and what benchmarks of generators need (nginx is
//! the limit at wrk's rate). With delays, and a log of what they really were, it is what a
//! generator's figures are checked against.

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

/// The kernel cuts this to net.core.somaxconn.
const BACKLOG: i32 = 65_535;
const LISTENER: Token = Token(usize::MAX);
/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
const TIMER: Token = Token(usize::MAX - 1);

/// A null server on a thread of its own; it stops when this is dropped.
#[derive(Debug)]
pub struct NullServer {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Latencies>>,
}

impl NullServer {
    /// Listens on `addr`, on the processor `core` if one is given.
    ///
    /// # Errors
    /// When the address is taken, or the system refuses a thread.
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
                // Unpinned it serves as well, and whoever asked sees it in the rate.
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

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the process is ended.
    pub fn serve_for_ever(mut self) {
        if let Some(thread) = self.thread.take() {
            // A thread that panicked serves no more either.
            let _ = thread.join();
        }
    }

    /// Stops, and tells how long each request stayed that had a delay: from when it came until its
    /// answer was written.
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

/// Thousands may connect within a moment, and all the more while it is frozen.
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
            // Asleep until then, not awake: who is always awake is who the scheduler makes wait.
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
        // Answers that its requests still wait for would go to whoever has its place next.
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
