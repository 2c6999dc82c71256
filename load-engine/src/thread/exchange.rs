//! Exchange of one request and its answer on a user's connection.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use loadtest::measure::FailureKind;
use mio::{Token, event::Event};

use super::{Thread, stream::Stream, user::State};
use crate::http1::{Answer, Progress};

/// Bytes of an answer that are kept for checks.
const MOST_CHECKED_BYTES: usize = 1 << 20;
/// Most reads of one answer in a turn, so that an endless answer does not block the other users.
const READS: usize = 16;

impl Thread {
    pub(super) fn connect(&mut self, index: usize, now: Duration) {
        if self.users[index].connection.moves_to.is_some() {
            self.redirect(index);
        }
        let user = &mut self.users[index];
        user.connection.begun = now;
        user.request.sent = now;
        user.state = State::Connecting;
        let targets = &self.work.targets;
        let (addr, secure) =
            (targets.address(user.connection.target).addr, targets.secure(user.connection.target));
        match Stream::connect(addr, secure, self.poll.registry(), Token(index), self.is_stamped) {
            Ok(stream) => user.connection.stream = Some(stream),
            Err(error) => self.fail(index, connect_failure(&error)),
        }
    }

    /// Renders a user's request for its target.
    pub(super) fn render(&mut self, index: usize) {
        let user = &mut self.users[index];
        user.request.outgoing.clear();
        let targets = &self.work.targets;
        if targets.fixed(user.connection.target, user.request.task).is_none() {
            let to = targets.authority(user.connection.target);
            let sender = user.session.sender(user.number, user.request.random);
            targets.scenario.render(
                user.request.task,
                to,
                sender,
                &mut self.body,
                &mut user.request.outgoing,
            );
        }
        if !user.session.cookies.is_empty()
            && !targets.scenario.tasks()[usize::from(user.request.task)].names_cookies()
        {
            let fixed = targets.fixed(user.connection.target, user.request.task).map(AsRef::as_ref);
            user.add_cookies(fixed, targets.secure(user.connection.target).is_some());
        }
    }

    /// Moves a request that was not sent to another target.
    fn redirect(&mut self, index: usize) {
        let user = &mut self.users[index];
        self.busy[user.connection.target] -= 1;
        user.connection.move_on();
        self.busy[user.connection.target] += 1;
        self.render(index);
    }

    pub(super) fn begin_send(&mut self, index: usize, now: Duration) {
        let user = &mut self.users[index];
        user.request.sent = now;
        user.request.written = 0;
        let scenario = &self.work.targets.scenario;
        let is_login = scenario.login() == Some(user.request.task);
        let reads_body = is_login || scenario.tasks()[usize::from(user.request.task)].reads_body();
        user.connection.reader.reset(if reads_body { MOST_CHECKED_BYTES } else { 0 });
        self.send(index);
    }

    pub(super) fn handle(&mut self, event: &Event) {
        let index = event.token().0;
        let Some(user) = self.users.get_mut(index) else { return };
        // The connection of this event has just been dropped.
        let Some(stream) = &mut user.connection.stream else { return };
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
        self.recorder.connected(
            user.request.task,
            user.request.slot,
            now.saturating_sub(user.connection.begun),
        );
        self.begin_send(index, now);
    }

    fn send(&mut self, index: usize) {
        let user = &mut self.users[index];
        let request = self.work.targets.request(
            user.connection.target,
            user.request.task,
            &user.request.outgoing,
        );
        let Some(stream) = &mut user.connection.stream else { return };
        loop {
            match stream.write(&request[user.request.written..]) {
                Ok(written) => {
                    user.request.written += written;
                    if user.request.written == request.len() {
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

    /// Handles a server that takes no more of a request. It may have answered before it closed, as
    /// with a 413 before the body was read.
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

    /// Continues with answers that may not be fully read.
    pub(super) fn read_on(&mut self) {
        for index in std::mem::take(&mut self.unread) {
            let index = index as usize;
            let user = &mut self.users[index];
            user.connection.is_unread = false;
            if matches!(user.state, State::Receiving | State::Sending) {
                self.receive(index, false);
            }
        }
    }

    pub(super) fn receive(&mut self, index: usize, read_closed: bool) {
        for _ in 0..READS {
            let user = &mut self.users[index];
            let Some(stream) = &mut user.connection.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => match user.connection.reader.end() {
                    Some(answer) => return self.answered(index, answer, true),
                    None => return self.lost(index),
                },
                Ok(read) => match user.connection.reader.feed(&self.buffer[..read]) {
                    Progress::NeedMore => {}
                    Progress::Done(answer) => return self.answered(index, answer, read_closed),
                    Progress::Malformed => return self.fail(index, FailureKind::Malformed),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lost(index),
            }
        }
        if !std::mem::replace(&mut self.users[index].connection.is_unread, true) {
            self.unread.push(index as u32);
        }
    }

    /// Handles an event on an idle connection: usually its end.
    fn look_at_idle(&mut self, index: usize) {
        let user = &mut self.users[index];
        let Some(stream) = &mut user.connection.stream else { return };
        match stream.read(&mut self.buffer) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            _ => {
                user.connection.close();
                user.connection.closed_while_idle = true;
            }
        }
    }

    /// Handles a connection that ended before the answer did. If it was reused and no byte had
    /// come, the server closed it while idle and the request crossed with that. The request is then
    /// sent a second time (RFC 9112, section 9.3.1).
    fn lost(&mut self, index: usize) {
        let user = &mut self.users[index];
        if user.connection.has_answered
            && !user.connection.reader.has_begun()
            && !user.request.resent
        {
            user.request.resent = true;
            user.connection.close();
            self.recorder.resent(user.request.task, user.request.slot);
            let now = self.now();
            return self.connect(index, now);
        }
        self.fail(index, FailureKind::ConnectionClosed);
    }

    fn answered(&mut self, index: usize, answer: Answer, closed: bool) {
        let now = self.now();
        let user = &self.users[index];
        // Uses the arrival time, not the time at which this thread reads the answer.
        let age = user.connection.stream.as_ref().map(Stream::age).unwrap_or_default();
        // A stamp before the sending is wrong: the wall clock was set.
        let came = now.checked_sub(age).filter(|came| *came >= user.request.sent).unwrap_or(now);
        let failure = if came > user.request.deadline {
            Some(FailureKind::Timeout)
        } else {
            self.look_at(index, answer.status)
        };
        let user = &mut self.users[index];
        if let Some(kind) = failure {
            self.recorder.words(kind, || user.connection.reader.words());
        }
        if !user.connection.reader.set_cookies().is_empty() {
            let request = self.work.targets.request(
                user.connection.target,
                user.request.task,
                &user.request.outgoing,
            );
            user.session.cookies.take(
                user.connection.target,
                request,
                user.connection.reader.set_cookies(),
            );
        }
        // After an answer to a partly written request, the rest of the request would precede the
        // next one.
        if answer.keep_alive && !closed && user.state != State::Sending {
            user.connection.has_answered = true;
        } else {
            user.connection.close();
            user.connection.closed_while_idle = answer.keep_alive && closed;
        }
        if let Some(due) = self.finish(index, came, answer.bytes, failure) {
            self.begin(index, due, now);
        }
    }

    /// Returns the failure of an answer, if it has one; stores a login's token.
    fn look_at(&mut self, index: usize, status: u16) -> Option<FailureKind> {
        let user = &mut self.users[index];
        let scenario = &self.work.targets.scenario;
        let is_good = (200..300).contains(&status);
        if !is_good && !scenario.tasks()[usize::from(user.request.task)].names_statuses() {
            return Some(FailureKind::Status(status));
        }
        let sender = user.session.sender(user.number, user.request.random);
        if let Some(failed) = scenario.failed_check(
            user.request.task,
            status,
            user.connection.reader.kept_body(),
            sender,
        ) {
            return Some(if user.connection.reader.is_cut() {
                FailureKind::TooLarge
            } else {
                FailureKind::Check(failed)
            });
        }
        if scenario.login() == Some(user.request.task) {
            match scenario.token(user.connection.reader.kept_body()) {
                Some(token) => {
                    (user.session.token, user.session.token_of) = (token, user.connection.target);
                }
                None if user.connection.reader.is_cut() => return Some(FailureKind::TooLarge),
                None => return Some(FailureKind::NoToken),
            }
        }
        None
    }

    pub(super) fn fail(&mut self, index: usize, kind: FailureKind) {
        let now = self.now();
        let user = &mut self.users[index];
        let target = user.connection.target;
        let cannot_connect = kind.is_unreachable() || user.state == State::Connecting;
        user.connection.close();
        let next = self.finish(index, now, 0, Some(kind));
        if cannot_connect {
            let targets = &self.work.targets;
            targets.pool.refuse(targets.address(target));
            let user = &mut self.users[index];
            if user.connection.target == target {
                user.connection.target = targets.next_active(target);
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
