//! Amendments of the plan while it runs.

use std::{sync::Arc, time::Duration};

use loadtest::workload::{Plan, Presence, Traffic};

use super::{
    Thread,
    timers::Due,
    user::{State, User},
};

impl Thread {
    /// Applies an amendment of the plan. The past of both plans is the same, so only users who
    /// come or leave from now on are touched.
    pub(super) fn follow_plan(&mut self) {
        let Some(plan) = self.work.control.newer_than(&mut self.plan_version) else { return };
        if self.stopped {
            return;
        }
        let now = self.now();
        self.times = plan.times();
        self.end = plan.duration();
        self.recorder.amend(self.times.clone());
        self.work.segment.plan = Arc::clone(&plan);
        let known = self.users.last().map(|user| user.number);
        let is_new = |number: &u32| known.is_none_or(|known| *number > known);
        let seed = plan.seed;
        let new = self.work.segment.users().filter(is_new).map(|number| {
            let target = self.active[number as usize % self.active.len().max(1)];
            User::new(number, seed, target)
        });
        let new: Vec<User> = new.collect();
        self.users.extend(new);
        self.spread_users();
        for index in 0..self.users.len() {
            self.follow_presence(index, &plan, now);
        }
    }

    /// Applies the amended plan to a user.
    fn follow_presence(&mut self, index: usize, plan: &Plan, now: Duration) {
        let user = &mut self.users[index];
        let before = user.schedule.until;
        let presence = plan.presence(user.number, &self.times, now);
        let is_present = user.schedule.is_present;
        let at = match presence {
            Some(Presence { from, until }) if from > now || !is_present => {
                // A present user whose next presence begins later leaves now, and comes back then.
                user.schedule.until = if is_present { now } else { until };
                if is_present { now } else { from }
            }
            Some(Presence { until, .. }) if until == before => return,
            Some(Presence { until, .. }) => {
                user.schedule.until = until;
                // A user that was about to leave may have no due time of its own.
                let next = (before != Duration::MAX && user.state == State::Waiting)
                    .then(|| next_due(user, plan.traffic, now));
                next.flatten().unwrap_or(until).min(until)
            }
            None => {
                user.schedule.until = now;
                if !is_present {
                    user.generation = user.generation.wrapping_add(1);
                    return;
                }
                now
            }
        };
        // A request in flight ends first; its user leaves or thinks by the new plan then.
        if user.state == State::Waiting {
            let is_thinking_on = is_present && before == Duration::MAX;
            if !is_thinking_on {
                user.generation = user.generation.wrapping_add(1);
            }
            self.timers.set_due(Due { at, user: index as u32, generation: user.generation });
        }
    }
}

fn next_due(user: &mut User, traffic: Traffic, now: Duration) -> Option<Duration> {
    let Traffic::Closed(wait_time) = traffic else { return None };
    let due = wait_time.next_due(user.request.due, now, &mut user.schedule.think_times);
    Some(due.max(now))
}
