//! The open model in a load thread: the choice of a connection for the next request.

use std::time::Duration;

use loadtest::{
    measure::{FailureKind, Finished},
    workload::Balance,
};
use rand::RngExt;

use super::{Thread, user::Held};

impl Thread {
    /// Sends the open model's next request on a free or a new connection, or drops it.
    pub(super) fn arrive(&mut self, due: Duration, now: Duration) {
        let target = self.choose_target();
        let index = match self.free[target].pop() {
            Some(index) => index as usize,
            None if (self.present as usize) < self.users.len() => {
                let index = self.present as usize;
                self.present += 1;
                self.users[index].schedule.is_present = true;
                index
            }
            // All connections are in use or idle; an idle one moves to another target.
            None => match self.free.iter_mut().find_map(Vec::pop) {
                Some(index) => {
                    self.users[index as usize].connection.close();
                    index as usize
                }
                None => return self.drop_request(due, now),
            },
        };
        let user = &mut self.users[index];
        user.connection.target = target;
        self.pick(index, due);
        if self.work.targets.scenario.login().is_none() || self.users[index].is_logged_in() {
            return self.begin(index, due, now);
        }
        // The picked request is the login, which is due now. The arrival itself stays due at `due`.
        let task = self.work.targets.scenario.draw(&mut self.rng);
        let slot = self.recorder.begun(task, due);
        self.recorder.late(task, slot, now.saturating_sub(due));
        self.users[index].schedule.held = Some(Held { due, task, slot });
        self.begin(index, now, now);
    }

    /// Frees the connection for the next arrival, or for the one that waited for its login. Returns
    /// the due time of the latter.
    pub(super) fn free(&mut self, index: usize, now: Duration) -> Option<Duration> {
        let user = &mut self.users[index];
        let target = user.connection.target;
        if let Some(Held { due, task, slot }) = user.schedule.held.take() {
            if user.is_logged_in() {
                (user.request.task, user.request.slot, user.request.was_held) = (task, slot, true);
                return Some(due);
            }
            self.count_dropped(Held { due, task, slot }, now, now);
        }
        self.free[target].push(index as u32);
        None
    }

    fn choose_target(&mut self) -> usize {
        let count = self.active.len();
        let next = (self.last_target + 1) % count;
        self.last_target = match self.work.targets.balance {
            Balance::RoundRobin => next,
            Balance::Random => self.rng.random_range(0..count),
            // Ties go round-robin; otherwise the first target would get all requests that do not
            // overlap.
            Balance::LeastOutstanding => (0..count)
                .map(|offset| (next + offset) % count)
                .min_by_key(|&place| self.busy[self.active[place]])
                .unwrap_or(next),
        };
        self.active[self.last_target]
    }

    /// Counts a request that was due and is never sent.
    pub(super) fn drop_request(&mut self, due: Duration, now: Duration) {
        let task = self.work.targets.scenario.draw(&mut self.rng);
        let slot = self.recorder.begun(task, due);
        self.count_dropped(Held { due, task, slot }, due, now);
    }

    /// Counts a request that began to count and was dropped at `end`.
    fn count_dropped(&mut self, Held { due, task, slot }: Held, sent: Duration, end: Duration) {
        self.recorder.finished(&Finished {
            task,
            target: None,
            slot,
            due,
            sent,
            end,
            bytes: 0,
            failure: Some(FailureKind::Dropped),
        });
    }
}
