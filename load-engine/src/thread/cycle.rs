//! The cycle of a user: a request is due, begins, ends, and the next think time is drawn.

use std::time::Duration;

use loadtest::{
    measure::{FailureKind, Finished},
    workload::{Traffic, WaitTime},
};
use rand::RngExt;

use super::{Thread, timers::Due, user::State};

impl Thread {
    /// Picks the next task of user `index`, due at `due`, and counts the request.
    pub(super) fn pick(&mut self, index: usize, due: Duration) {
        let scenario = &self.work.targets.scenario;
        let user = &mut self.users[index];
        user.request.task = match scenario.login() {
            Some(login) if !user.is_logged_in() => login,
            _ => scenario.draw(&mut user.session.rng),
        };
        user.request.slot = self.recorder.begun(user.request.task, due);
    }

    /// Begins a request that is already counted.
    pub(super) fn begin(&mut self, index: usize, due: Duration, now: Duration) {
        let user = &mut self.users[index];
        user.request.due = due;
        user.request.resent = false;
        user.generation = user.generation.wrapping_add(1);
        user.request.deadline = now + self.work.targets.timeout;
        if !user.schedule.is_watched {
            user.schedule.is_watched = true;
            self.timers.set_deadline(user.request.deadline, index as u32);
        }
        self.in_flight += 1;
        self.busy[user.connection.target] += 1;
        let could = match self.work.segment.plan.traffic {
            Traffic::Open { .. } => due,
            // A user cannot begin a request before its last one has ended: that delay is the
            // server's.
            Traffic::Closed(_) => due.max(user.schedule.ended),
        };
        // The lag of a request that waited for its login was recorded on its arrival.
        if !std::mem::take(&mut user.request.was_held) {
            self.recorder.late(user.request.task, user.request.slot, now.saturating_sub(could));
        }
        if self.work.targets.fixed(user.connection.target, user.request.task).is_none() {
            user.request.random = user.session.rng.random();
        }
        user.session.iteration += 1;
        self.render(index);
        let user = &mut self.users[index];
        if user.connection.stream.is_some() {
            self.begin_send(index, now);
        } else {
            if std::mem::take(&mut user.connection.closed_while_idle) {
                self.recorder.reopened(user.request.task, user.request.slot);
            }
            self.connect(index, now);
        }
    }

    pub(super) fn give_up_overdue(&mut self) {
        let now = self.now();
        while let Some(user) = self.timers.pop_deadline(now) {
            let index = user as usize;
            let user = &mut self.users[index];
            user.schedule.is_watched = user.state != State::Waiting && user.request.deadline > now;
            if user.schedule.is_watched {
                self.timers.set_deadline(user.request.deadline, index as u32);
                continue;
            }
            let (state, generation) = (user.state, user.generation);
            // An answer that reached the kernel in time is in time, whenever this thread reads it.
            if state == State::Receiving {
                self.receive(index, false);
            }
            let user = &self.users[index];
            if user.state != State::Waiting && user.generation == generation {
                self.fail(index, FailureKind::Timeout);
            }
        }
    }

    /// Ends the current request of a user. Returns the due time of the next one if it can begin at
    /// once.
    pub(super) fn finish(
        &mut self,
        index: usize,
        now: Duration,
        bytes: u64,
        failure: Option<FailureKind>,
    ) -> Option<Duration> {
        let user = &mut self.users[index];
        user.state = State::Waiting;
        user.generation = user.generation.wrapping_add(1);
        user.schedule.ended = now;
        self.in_flight -= 1;
        self.busy[user.connection.target] -= 1;
        let (task, slot, due, sent, target) = (
            user.request.task,
            user.request.slot,
            user.request.due,
            user.request.sent,
            Some(user.connection.target),
        );
        user.connection.move_on();
        self.recorder.finished(&Finished {
            task,
            target,
            slot,
            due,
            sent,
            end: now,
            bytes,
            failure,
        });
        match self.work.segment.plan.traffic {
            Traffic::Open { .. } => self.free(index, now),
            Traffic::Closed(wait_time) => self.think(index, wait_time, now),
        }
    }

    fn think(&mut self, index: usize, wait_time: WaitTime, now: Duration) -> Option<Duration> {
        let user = &mut self.users[index];
        let has_logged_in =
            self.work.targets.scenario.login() == Some(user.request.task) && user.is_logged_in();
        let mut next = if has_logged_in {
            now
        } else {
            wait_time.next_due(user.request.due, now, &mut user.schedule.think_times)
        };
        let (last, until) = (self.end, user.schedule.until);
        // With pacing, requests may have been due while the user was busy. Those that it can no
        // longer send count as dropped.
        while now >= last.min(until) && next < last.min(until) && wait_time.is_scheduled() {
            self.drop_request(next, now);
            let user = &mut self.users[index];
            next = wait_time.next_due(next, now, &mut user.schedule.think_times);
        }
        let user = &mut self.users[index];
        // A time after the end is kept too: an amendment may move the end.
        if next > now || next >= until.min(last) {
            let at = next.min(until);
            self.timers.set_due(Due { at, user: index as u32, generation: user.generation });
            return None;
        }
        // Counted at once, so that its window does not end without it.
        self.pick(index, next);
        Some(next)
    }

    /// Removes a user that is no longer needed, for a while or for good.
    pub(super) fn leave(&mut self, index: usize) {
        let user = &mut self.users[index];
        user.connection.close();
        user.connection.closed_while_idle = false;
        if std::mem::take(&mut user.schedule.is_present) {
            self.present -= 1;
        }
        user.generation = user.generation.wrapping_add(1);
        if let Some(presence) =
            self.work.segment.plan.presence(user.number, &self.times, user.schedule.until)
        {
            user.schedule.until = presence.until;
            let due = Due { at: presence.from, user: index as u32, generation: user.generation };
            self.timers.set_due(due);
        }
    }
}
