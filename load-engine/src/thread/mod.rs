//! One load thread: its event loop, and the due times of its requests.

mod amend;
mod cookies;
mod cycle;
mod exchange;
mod open_model;
mod progress;
mod spread;
mod stream;
mod timers;
mod user;

use std::{
    io,
    sync::mpsc,
    time::{Duration, Instant},
};

use loadtest::{
    measure::{Recorder, ThreadSecond, Window},
    workload::{Schedule, Segment, StepTimes, Targets},
};
use mio::{Events, Poll, Token};
use rand::SeedableRng;
use rand_pcg::Pcg32;

pub use self::user::User;

use self::{
    spread::addresses_of,
    timers::{Due, Timers},
};
use crate::{
    Control,
    os::{ThreadUsage, TimerFd, pin_to},
};

/// Report of a load thread while it runs.
pub enum Report {
    /// A completed second.
    Second(Box<ThreadSecond>),
    /// A completed step: its index, and a window for each task.
    Step(usize, Vec<Window>),
}

/// Share of a run that one thread plays.
pub struct Work {
    pub segment: Segment,
    pub core: Option<usize>,
    pub targets: Targets,
    pub limits: Vec<Duration>,
    pub start: Instant,
    pub control: Control,
    /// Version of the segment's plan.
    pub plan_version: u64,
    pub reports: mpsc::Sender<Report>,
}

const TIMER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;
const READ_BYTES: usize = 64 * 1024;
/// Most requests begun before the sockets are polled again, so that answers do not wait for a long
/// row of due requests.
const BURST: usize = 64;

impl Work {
    /// Plays all users until the plan's end or a stop, and until the last request has ended.
    /// Returns the windows of all requests, one for each task, and whether the run was stopped.
    pub fn run(self) -> io::Result<(Vec<Window>, bool)> {
        if let Some(core) = self.core {
            pin_to(core)?;
        }
        Thread::new(self)?.run()
    }
}

struct Thread {
    pub(super) work: Work,
    pub(super) times: Vec<StepTimes>,
    /// Time from which no request begins.
    pub(super) end: Duration,
    pub(super) stopped: bool,
    pub(super) poll: Poll,
    timer_fd: TimerFd,
    pub(super) users: Vec<User>,
    /// Users present; in the open model, connections needed so far.
    pub(super) present: u32,
    pub(super) most_present: u32,
    in_flight: u32,
    pub(super) timers: Timers,
    /// Due and counted requests of users whose last one failed, delayed to the next turn so that
    /// they do not fail repeatedly in one.
    again: Vec<(u32, Duration)>,
    /// Users with answers that may not be fully read.
    pub(super) unread: Vec<u32>,
    /// Open model: the rest of the schedule, the next arrival's due time, and the free users by
    /// target.
    schedule: Option<Schedule>,
    arrival: Option<Duration>,
    pub(super) free: Vec<Vec<u32>>,
    /// Requests in flight by target.
    pub(super) busy: Vec<u32>,
    /// Targets that take load, the position of the last chosen one, and the version of the pool
    /// that they come from.
    pub(super) active: Vec<usize>,
    pub(super) last_target: usize,
    pub(super) pool_version: u64,
    pub(super) plan_version: u64,
    /// True if the kernel stamps the arrival of answers. Without a rate to keep only the throughput
    /// counts, so stamps are off.
    pub(super) is_stamped: bool,
    pub(super) rng: Pcg32,
    pub(super) recorder: Recorder,
    pub(super) usage: ThreadUsage,
    /// End of the current second, in whole seconds.
    pub(super) second: u64,
    /// Next step whose window is to be reported.
    pub(super) step: usize,
    pub(super) buffer: Box<[u8]>,
    /// Scratch buffer for a request's body.
    pub(super) body: Vec<u8>,
}

impl Thread {
    fn new(work: Work) -> io::Result<Self> {
        let plan = &work.segment.plan;
        let times = plan.times();
        let mut timers = Timers::default();
        let targets = work.targets.len().max(1);
        let mut users: Vec<User> = work
            .segment
            .users()
            .map(|number| User::new(number, plan.seed, number as usize % targets))
            .collect();
        let mut schedule = work.segment.arrivals();
        if schedule.is_none() {
            for (index, user) in users.iter_mut().enumerate() {
                if let Some(presence) = plan.presence(user.number, &times, Duration::ZERO) {
                    user.schedule.until = presence.until;
                    timers.set_due(Due { at: presence.from, user: index as u32, generation: 0 });
                }
            }
        }
        let poll = Poll::new()?;
        let mut recorder =
            Recorder::new(times.clone(), work.targets.scenario.tasks().len(), &work.limits);
        recorder.reach(addresses_of(&work.targets));
        Ok(Self {
            end: plan.duration(),
            recorder,
            timer_fd: TimerFd::new(poll.registry(), TIMER)?,
            poll,
            times,
            users,
            timers,
            again: Vec::new(),
            unread: Vec::new(),
            arrival: schedule.as_mut().and_then(Iterator::next),
            schedule,
            free: vec![Vec::new(); targets],
            busy: vec![0; targets],
            active: work.targets.active().collect(),
            last_target: targets - 1,
            pool_version: 0,
            is_stamped: plan.planned_per_second(0).is_some(),
            rng: Pcg32::seed_from_u64(plan.seed ^ u64::from(work.segment.index)),
            plan_version: work.plan_version,
            work,
            stopped: false,
            present: 0,
            most_present: 0,
            in_flight: 0,
            usage: ThreadUsage::default(),
            second: 1,
            step: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            body: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<(Vec<Window>, bool)> {
        self.usage.take();
        let mut events = Events::with_capacity(EVENTS);
        let mut last = Duration::ZERO;
        let mut is_idle = false;
        loop {
            let now = self.now();
            if is_idle {
                self.usage.idle(now - last);
            }
            last = now;
            if !self.stopped && now < self.end && self.work.control.is_stopped() {
                self.stopped = true;
                self.end = now;
            }
            self.follow_pool();
            self.follow_plan();
            self.begin_again();
            let has_begun = self.begin_due();
            let now = self.now();
            self.report(now);
            if now >= self.end
                && self.in_flight == 0
                && self.again.is_empty()
                && self.next_due().is_none_or(|due| due >= self.end)
            {
                break;
            }
            let second = Duration::from_secs(self.second);
            let next =
                self.timers.next().into_iter().chain(self.arrival).fold(second, Duration::min);
            if next > now
                && self.again.is_empty()
                && self.unread.is_empty()
                && !self.work.segment.busy_poll
            {
                self.timer_fd.set(next, now)?;
                self.wait(&mut events, None)?;
            } else {
                self.wait(&mut events, Some(Duration::ZERO))?;
            }
            is_idle = !has_begun && events.is_empty() && self.work.segment.busy_poll;
            for event in &events {
                if event.token() != TIMER {
                    self.handle(event);
                }
            }
            self.read_on();
            self.give_up_overdue();
        }
        self.report_rest();
        self.users.iter_mut().for_each(|user| user.connection.close());
        let mut total = self.recorder.take_total();
        // Steps follow each other: the total is as long as the run, and its users are the largest
        // number present.
        for window in &mut total {
            window.length = self.end;
            window.users = 0;
        }
        if let Some(first) = total.first_mut() {
            first.users = self.most_present;
        }
        Ok((total, self.stopped))
    }

    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.work.start.elapsed()
    }

    /// Returns the due time of the next request that has not begun.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.next_due().into_iter().chain(self.arrival).min()
    }

    /// Begins the requests delayed by the last turn.
    fn begin_again(&mut self) {
        for (index, due) in std::mem::take(&mut self.again) {
            let now = self.now();
            self.begin(index as usize, due, now);
        }
    }

    pub(super) fn begin_later(&mut self, index: usize, due: Duration) {
        self.again.push((index as u32, due));
    }

    /// Begins the requests that are due. Returns true if there was one.
    fn begin_due(&mut self) -> bool {
        for turn in 0..BURST {
            let now = self.now();
            if let Some(due) = self.arrival.filter(|due| *due <= now) {
                self.arrival = self.schedule.as_mut().and_then(Iterator::next);
                if due < self.end {
                    self.arrive(due, now);
                }
                continue;
            }
            let Some(due) = self.timers.pop_due(now) else { return turn > 0 };
            let index = due.user as usize;
            let user = &mut self.users[index];
            if user.generation != due.generation || due.at >= self.end {
                continue;
            }
            if due.at >= user.schedule.until {
                self.leave(index);
                continue;
            }
            if !user.schedule.is_present {
                user.schedule.is_present = true;
                self.present += 1;
            }
            self.pick(index, due.at);
            self.begin(index, due.at, now);
        }
        true
    }
}
