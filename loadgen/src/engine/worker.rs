//! One load thread: its event loop and the users it plays.

use std::{
    io::{self, Read, Write},
    sync::mpsc,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};

use super::{
    Control, Report,
    http1::{Answer, Progress},
    resources::{ThreadUsage, pin_to},
    timers::{Timer, Timers},
    user::{State, User},
    wakeup::Wakeup,
};
use crate::{
    measure::{FailureKind, Finished, Recorder, Window},
    workload::{Segment, StepTimes, Targets},
};

/// What a thread is to do.
pub struct Work {
    pub segment: Segment,
    pub core: Option<usize>,
    pub targets: Targets,
    pub limits: Vec<Duration>,
    pub start: Instant,
    pub control: Control,
    pub reports: mpsc::Sender<Report>,
}

const WAKEUP: Token = Token(usize::MAX);
const EVENTS: usize = 1024;
const READ_BYTES: usize = 64 * 1024;
/// Requests begun before the sockets are looked at again: answers must not wait for a long row of due requests.
const BURST: usize = 64;

impl Work {
    /// Plays all users until the plan's end or a stop, and until the last request has ended. Returns the window of all
    /// requests and whether it was stopped.
    pub fn run(self) -> io::Result<(Window, bool)> {
        if let Some(core) = self.core {
            pin_to(core)?;
        }
        Thread::new(self)?.run()
    }
}

struct Thread {
    work: Work,
    times: Vec<StepTimes>,
    /// No request is begun from here on.
    end: Duration,
    stopped: bool,
    poll: Poll,
    wakeup: Wakeup,
    users: Vec<User>,
    spawned: u32,
    in_flight: u32,
    timers: Timers,
    recorder: Recorder,
    usage: ThreadUsage,
    /// When the current second ends, in whole seconds.
    second: u64,
    /// The next step whose window is to be reported.
    step: usize,
    buffer: Box<[u8]>,
}

impl Thread {
    fn new(work: Work) -> io::Result<Self> {
        let plan = &work.segment.plan;
        let times = plan.times();
        let mut timers = Timers::default();
        let mut users = Vec::new();
        for (index, number) in work.segment.users().enumerate() {
            if let Some(at) = plan.spawn_time(number, &times) {
                users.push(User::new(number, plan.seed, work.targets.addrs.len()));
                timers.set_due(Timer { at, user: index as u32, generation: 0 });
            }
        }
        let poll = Poll::new()?;
        Ok(Self {
            end: plan.duration(),
            recorder: Recorder::new(times.clone(), &work.limits),
            wakeup: Wakeup::new(poll.registry(), WAKEUP)?,
            poll,
            times,
            users,
            timers,
            work,
            stopped: false,
            spawned: 0,
            in_flight: 0,
            usage: ThreadUsage::default(),
            second: 1,
            step: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    fn run(mut self) -> io::Result<(Window, bool)> {
        self.usage.take();
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = self.now();
            if !self.stopped && now < self.end && self.work.control.is_stopped() {
                self.stopped = true;
                self.end = now;
            }
            self.begin_due();
            self.give_up_overdue();
            let now = self.now();
            self.report(now);
            if now >= self.end && self.in_flight == 0 {
                break;
            }
            let second = Duration::from_secs(self.second);
            let next = self.timers.next().map_or(second, |t| t.min(second));
            if next > now {
                self.wakeup.set(next, now)?;
                self.wait(&mut events, None)?;
            } else {
                self.wait(&mut events, Some(Duration::ZERO))?;
            }
            for event in &events {
                if event.token() != WAKEUP {
                    self.handle(event);
                }
            }
        }
        self.report_rest();
        self.users.iter_mut().for_each(User::disconnect);
        Ok((self.recorder.take_total(), self.stopped))
    }

    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    fn now(&self) -> Duration {
        self.work.start.elapsed()
    }

    /// Begins requests whose time has come.
    fn begin_due(&mut self) {
        for _ in 0..BURST {
            let now = self.now();
            let Some(timer) = self.timers.pop_due(now) else { return };
            let index = timer.user as usize;
            if self.users[index].generation != timer.generation || timer.at >= self.end {
                continue;
            }
            let user = &mut self.users[index];
            if !user.spawned {
                user.spawned = true;
                self.spawned += 1;
            }
            user.due = timer.at;
            user.resent = false;
            user.generation = user.generation.wrapping_add(1);
            let deadline = Timer { at: now + self.work.targets.timeout, user: timer.user, generation: user.generation };
            self.timers.set_deadline(deadline);
            self.in_flight += 1;
            self.recorder.begun(timer.at, now.saturating_sub(timer.at));
            if self.users[index].stream.is_some() {
                self.begin_send(index, now);
            } else {
                if std::mem::take(&mut self.users[index].closed_while_idle) {
                    self.recorder.reopened(timer.at);
                }
                self.connect(index, now);
            }
        }
    }

    fn give_up_overdue(&mut self) {
        let now = self.now();
        while let Some(timer) = self.timers.pop_deadline(now) {
            let index = timer.user as usize;
            if self.users[index].generation == timer.generation {
                self.fail(index, FailureKind::Timeout);
            }
        }
    }

    fn connect(&mut self, index: usize, now: Duration) {
        let user = &mut self.users[index];
        user.connect_begun = now;
        user.sent = now;
        user.state = State::Connecting;
        let connected = TcpStream::connect(self.work.targets.addrs[user.target]).and_then(|mut stream| {
            self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => user.stream = Some(stream),
            Err(error) => self.fail(index, connect_failure(&error)),
        }
    }

    fn begin_send(&mut self, index: usize, now: Duration) {
        let user = &mut self.users[index];
        user.sent = now;
        user.written = 0;
        user.reader.reset();
        self.send(index);
    }

    fn handle(&mut self, event: &Event) {
        let index = event.token().0;
        let Some(user) = self.users.get(index) else { return };
        // An event of a connection that was dropped a moment ago.
        let Some(stream) = &user.stream else { return };
        match user.state {
            State::Connecting => {
                if let Ok(Some(error)) | Err(error) = stream.take_error() {
                    return self.fail(index, connect_failure(&error));
                }
                // Without an error and without a peer it is still under way.
                if stream.peer_addr().is_err() {
                    return;
                }
                // Small requests must not wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                let now = self.now();
                self.recorder.connected(user.due, now.saturating_sub(user.connect_begun));
                self.begin_send(index, now);
            }
            State::Sending => {
                if event.is_writable() {
                    self.send(index);
                }
                if event.is_readable() && self.users[index].state != State::Waiting {
                    self.receive(index, event.is_read_closed());
                }
            }
            State::Receiving if event.is_readable() => self.receive(index, event.is_read_closed()),
            State::Waiting if event.is_readable() => self.look_at_idle(index),
            State::Receiving | State::Waiting => {}
        }
    }

    fn send(&mut self, index: usize) {
        let user = &mut self.users[index];
        let request = &self.work.targets.requests[user.target];
        let Some(stream) = &mut user.stream else { return };
        loop {
            match stream.write(&request[user.written..]) {
                Ok(written) => {
                    user.written += written;
                    if user.written == request.len() {
                        user.state = State::Receiving;
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    user.state = State::Sending;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lost(index),
            }
        }
    }

    fn receive(&mut self, index: usize, read_closed: bool) {
        loop {
            let user = &mut self.users[index];
            let Some(stream) = &mut user.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => match user.reader.end() {
                    Some(answer) => return self.answered(index, answer, true),
                    None => return self.lost(index),
                },
                Ok(read) => match user.reader.feed(&self.buffer[..read]) {
                    Progress::NeedMore => {}
                    Progress::Done(answer) => return self.answered(index, answer, read_closed),
                    Progress::Malformed => return self.fail(index, FailureKind::Malformed),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lost(index),
            }
        }
    }

    /// Something came on a connection on which nothing was asked: usually its end.
    fn look_at_idle(&mut self, index: usize) {
        let user = &mut self.users[index];
        let Some(stream) = &mut user.stream else { return };
        match stream.read(&mut self.buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            _ => {
                user.disconnect();
                user.closed_while_idle = true;
            }
        }
    }

    /// The connection ended before the answer did. If it is an old one and no byte had come, the server closed it while
    /// idle and the request crossed with that: it is sent once more (RFC 9112, section 9.3.1).
    fn lost(&mut self, index: usize) {
        let user = &mut self.users[index];
        if user.used && !user.reader.has_begun() && !user.resent {
            user.resent = true;
            user.disconnect();
            self.recorder.resent(user.due);
            let now = self.now();
            return self.connect(index, now);
        }
        self.fail(index, FailureKind::ConnectionClosed);
    }

    fn answered(&mut self, index: usize, answer: Answer, closed: bool) {
        let user = &mut self.users[index];
        // An answer to a request that was not wholly written leaves the rest of it between us and the next.
        if answer.keep_alive && !closed && user.state != State::Sending {
            user.used = true;
        } else {
            user.disconnect();
            user.closed_while_idle = answer.keep_alive && closed;
        }
        let failure = (!(200..300).contains(&answer.status)).then_some(FailureKind::Status(answer.status));
        self.finish(index, answer.bytes, failure);
    }

    fn fail(&mut self, index: usize, kind: FailureKind) {
        let targets = self.work.targets.addrs.len();
        let user = &mut self.users[index];
        user.disconnect();
        user.target = (user.target + 1) % targets;
        self.finish(index, 0, Some(kind));
    }

    fn finish(&mut self, index: usize, bytes: u64, failure: Option<FailureKind>) {
        let now = self.now();
        let user = &mut self.users[index];
        user.state = State::Waiting;
        user.generation = user.generation.wrapping_add(1);
        self.in_flight -= 1;
        self.recorder.finished(&Finished { due: user.due, sent: user.sent, end: now, bytes, failure });
        let next = self.work.segment.plan.wait_time.next_due(user.due, now, &mut user.rng);
        if next < self.end {
            self.timers.set_due(Timer { at: next, user: index as u32, generation: user.generation });
        }
    }

    /// Reports seconds and steps that are over.
    fn report(&mut self, now: Duration) {
        while now >= Duration::from_secs(self.second) {
            let (cpu, run_delay) = self.usage.take();
            let second = self.recorder.take_second(self.second, self.spawned, cpu, run_delay);
            self.second += 1;
            // The receiver lives as long as the threads do.
            let _ = self.work.reports.send(Report::Second(Box::new(second)));
        }
        while self.step < self.times.len()
            && now >= self.times[self.step].end.min(self.end)
            && self.times[self.step].measured_from < self.end
            && self.recorder.is_complete(self.step)
        {
            self.report_step();
        }
    }

    /// At the end, with nothing in flight: the rest of the last second, and the steps that were begun.
    fn report_rest(&mut self) {
        let (cpu, run_delay) = self.usage.take();
        let second = self.recorder.take_second(self.second, self.spawned, cpu, run_delay);
        let _ = self.work.reports.send(Report::Second(Box::new(second)));
        while self.step < self.times.len() && self.times[self.step].measured_from < self.end {
            self.report_step();
        }
    }

    fn report_step(&mut self) {
        let mut window = self.recorder.take_step(self.step);
        let times = self.times[self.step];
        window.length = times.end.min(self.end).saturating_sub(times.measured_from);
        if window.users == 0 {
            window.users = self.spawned;
        }
        let _ = self.work.reports.send(Report::Step(self.step, Box::new(window)));
        self.step += 1;
    }
}

fn connect_failure(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
        _ => FailureKind::ConnectFailed,
    }
}
