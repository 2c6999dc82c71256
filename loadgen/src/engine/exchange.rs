//! One request and its answer on one user's connection.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use mio::{Token, event::Event};

use super::{
    http1::{Answer, Progress},
    stream::Stream,
    user::State,
    worker::Thread,
};
use crate::{measure::FailureKind, workload::Sender};

/// So much of an answer is kept for checks to look at.
const MOST_CHECKED_BYTES: usize = 1 << 20;
/// Reads of one answer in one turn: one without end must not keep the thread from everybody else's.
const READS: usize = 16;

impl Thread {
    pub(super) fn connect(&mut self, index: usize, now: Duration) {
        if self.users[index].moves_to.is_some() {
            self.redirect(index);
        }
        let user = &mut self.users[index];
        user.connect_begun = now;
        user.sent = now;
        user.state = State::Connecting;
        let targets = &self.work.targets;
        let (addr, secure) = (targets.address(user.target).addr, targets.secure(user.target));
        match Stream::connect(addr, secure, self.poll.registry(), Token(index), self.is_stamped) {
            Ok(stream) => user.stream = Some(stream),
            Err(error) => self.fail(index, connect_failure(&error)),
        }
    }

    /// Puts the bytes of a user's request together, for the target that it goes to.
    pub(super) fn render(&mut self, index: usize) {
        let user = &mut self.users[index];
        user.outgoing.clear();
        let targets = &self.work.targets;
        if targets.fixed(user.target, user.task).is_none() {
            let to = targets.authority(user.target);
            let iteration = user.iteration.wrapping_sub(1);
            let sender =
                Sender { user: user.number, iteration, token: &user.token, random: user.random };
            targets.scenario.render(user.task, to, sender, &mut self.body, &mut user.outgoing);
        }
        if !user.cookies.is_empty()
            && !targets.scenario.tasks()[usize::from(user.task)].names_cookies()
        {
            let fixed = targets.fixed(user.target, user.task).map(AsRef::as_ref);
            user.add_cookies(fixed, targets.secure(user.target).is_some());
        }
    }

    /// A request that was not sent goes to another target.
    fn redirect(&mut self, index: usize) {
        let user = &mut self.users[index];
        self.busy[user.target] -= 1;
        user.move_on();
        self.busy[user.target] += 1;
        self.render(index);
    }

    pub(super) fn begin_send(&mut self, index: usize, now: Duration) {
        let user = &mut self.users[index];
        user.sent = now;
        user.written = 0;
        let scenario = &self.work.targets.scenario;
        let is_login = scenario.login() == Some(user.task);
        let reads_body = is_login || scenario.tasks()[usize::from(user.task)].reads_body();
        user.reader.reset(if reads_body { MOST_CHECKED_BYTES } else { 0 });
        self.send(index);
    }

    pub(super) fn handle(&mut self, event: &Event) {
        let index = event.token().0;
        let Some(user) = self.users.get_mut(index) else { return };
        // An event of a connection that was dropped a moment ago.
        let Some(stream) = &mut user.stream else { return };
        match user.state {
            State::Receiving => {
                if event.is_writable() && stream.flush().is_err() {
                    return self.lost(index);
                }
                if event.is_readable() {
                    self.receive(index, event.is_read_closed());
                }
            }
            State::Waiting if event.is_readable() => self.look_at_idle(index),
            State::Waiting => {}
            State::Connecting => match stream.establish() {
                Ok(true) => self.connected(index),
                Ok(false) => {}
                Err(error) => self.fail(index, connect_failure(&error)),
            },
            State::Sending => {
                if event.is_writable() {
                    self.send(index);
                }
                if event.is_readable() && self.users[index].state != State::Waiting {
                    self.receive(index, event.is_read_closed());
                }
            }
        }
    }

    fn connected(&mut self, index: usize) {
        let now = self.now();
        let user = &self.users[index];
        self.recorder.connected(user.task, user.slot, now.saturating_sub(user.connect_begun));
        self.begin_send(index, now);
    }

    fn send(&mut self, index: usize) {
        let user = &mut self.users[index];
        let request = self.work.targets.request(user.target, user.task, &user.outgoing);
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
                Err(_) => return self.refused_midway(index),
            }
        }
    }

    /// The server takes no more of a request. It may have said why before it closed: a 413 comes
    /// before the body was read.
    fn refused_midway(&mut self, index: usize) {
        let user = &mut self.users[index];
        user.state = State::Sending;
        let generation = user.generation;
        self.receive(index, true);
        let user = &self.users[index];
        if user.generation == generation && user.state == State::Sending {
            self.lost(index);
        }
    }

    /// Goes on with answers of which there may be more.
    pub(super) fn read_on(&mut self) {
        for index in std::mem::take(&mut self.unread) {
            let index = index as usize;
            let user = &mut self.users[index];
            user.is_unread = false;
            if matches!(user.state, State::Receiving | State::Sending) {
                self.receive(index, false);
            }
        }
    }

    pub(super) fn receive(&mut self, index: usize, read_closed: bool) {
        for _ in 0..READS {
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
        if !std::mem::replace(&mut self.users[index].is_unread, true) {
            self.unread.push(index as u32);
        }
    }

    /// Something came on a connection on which nothing was asked: usually its end.
    fn look_at_idle(&mut self, index: usize) {
        let user = &mut self.users[index];
        let Some(stream) = &mut user.stream else { return };
        match stream.read(&mut self.buffer) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            _ => {
                user.disconnect();
                user.closed_while_idle = true;
            }
        }
    }

    /// The connection ended before the answer did. If it is an old one and no byte had come, the
    /// server closed it while idle and the request crossed with that: it is sent once more (RFC
    /// 9112, section 9.3.1).
    fn lost(&mut self, index: usize) {
        let user = &mut self.users[index];
        if user.used && !user.reader.has_begun() && !user.resent {
            user.resent = true;
            user.disconnect();
            self.recorder.resent(user.task, user.slot);
            let now = self.now();
            return self.connect(index, now);
        }
        self.fail(index, FailureKind::ConnectionClosed);
    }

    fn answered(&mut self, index: usize, answer: Answer, closed: bool) {
        let now = self.now();
        let user = &self.users[index];
        // When it came, and not when this thread came to read it.
        let age = user.stream.as_ref().map(Stream::age).unwrap_or_default();
        // One that is older than the request is none: the wall clock was set.
        let came = now.checked_sub(age).filter(|came| *came >= user.sent).unwrap_or(now);
        let failure = if came > user.deadline {
            Some(FailureKind::Timeout)
        } else {
            self.look_at(index, answer.status)
        };
        let user = &mut self.users[index];
        if let Some(kind) = failure {
            self.recorder.words(kind, || user.reader.words());
        }
        if !user.reader.set_cookies().is_empty() {
            let request = self.work.targets.request(user.target, user.task, &user.outgoing);
            user.cookies.take(user.target, request, user.reader.set_cookies());
        }
        // An answer to a request that was not wholly written leaves the rest of it between us and
        // the next.
        if answer.keep_alive && !closed && user.state != State::Sending {
            user.used = true;
        } else {
            user.disconnect();
            user.closed_while_idle = answer.keep_alive && closed;
        }
        if let Some(due) = self.finish(index, came, answer.bytes, failure) {
            self.begin(index, due, now);
        }
    }

    /// Whether an answer is what it should be; a login's token is taken.
    fn look_at(&mut self, index: usize, status: u16) -> Option<FailureKind> {
        let user = &mut self.users[index];
        let scenario = &self.work.targets.scenario;
        let is_good = (200..300).contains(&status);
        if !is_good && !scenario.tasks()[usize::from(user.task)].names_statuses() {
            return Some(FailureKind::Status(status));
        }
        let iteration = user.iteration.wrapping_sub(1);
        let sender =
            Sender { user: user.number, iteration, token: &user.token, random: user.random };
        if let Some(failed) =
            scenario.failed_check(user.task, status, user.reader.kept_body(), sender)
        {
            return Some(if user.reader.is_cut() {
                FailureKind::TooLarge
            } else {
                FailureKind::Check(failed)
            });
        }
        if scenario.login() == Some(user.task) {
            match scenario.token(user.reader.kept_body()) {
                Some(token) => (user.token, user.token_of) = (token, user.target),
                None if user.reader.is_cut() => return Some(FailureKind::TooLarge),
                None => return Some(FailureKind::NoToken),
            }
        }
        None
    }

    pub(super) fn fail(&mut self, index: usize, kind: FailureKind) {
        let now = self.now();
        let user = &mut self.users[index];
        let target = user.target;
        let cannot_connect = kind.is_unreachable() || user.state == State::Connecting;
        user.disconnect();
        let next = self.finish(index, now, 0, Some(kind));
        if cannot_connect {
            let targets = &self.work.targets;
            targets.pool.refuse(targets.address(target));
            let user = &mut self.users[index];
            if user.target == target {
                user.target = targets.next_active(target);
            }
        }
        if let Some(due) = next {
            self.begin_later(index, due);
        }
    }
}

fn connect_failure(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
        io::ErrorKind::InvalidData => FailureKind::Tls,
        _ => FailureKind::ConnectFailed,
    }
}
