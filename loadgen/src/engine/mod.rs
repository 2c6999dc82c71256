//! Sends what the plan says and records what comes back: a thread per core, users as small state
//! machines.
//!
//! A raw loop on epoll with one state machine a user, because 10,000 connections behind a general
//! client cost 19 kB each and a quarter of the rate, and the generator must never be the slowest
//! part. Nothing is shared between threads while they run: each has its own users, connections,
//! timers and recorder.

mod arrive;
mod ask;
mod calibrate;
mod control;
mod cookies;
mod exchange;
pub mod http1;
mod limits;
mod reports;
mod resources;
mod socket;
mod spread;
mod steal;
mod stream;
mod timers;
mod user;
mod wakeup;
mod worker;

use std::{
    collections::BTreeMap,
    sync::mpsc,
    time::{Duration, Instant},
};

pub use ask::{Asked, ask, greet};
pub use calibrate::calibrate;
pub use control::Control;
pub use limits::raise_file_limit;
pub use resources::pin_to;
pub(crate) use socket::Socket;
pub(crate) use steal::Steal;
pub(crate) use wakeup::Wakeup;

use crate::{
    event::Event,
    measure::{ByAddress, GeneratorLoad, GeneratorSecond, Second, ThreadSecond, Window, Words},
    workload::{Segment, StepTimes, Targets},
};

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A limit of this machine is too low for so many users.
    #[error("{what}\n  help: {help}")]
    Limit {
        /// Which limit, and how it is too low.
        what: String,
        /// How to lift it.
        help: String,
    },
    /// The system refused a thread or an event loop.
    #[error("the load engine could not start: {0}")]
    System(#[from] std::io::Error),
}

/// What a run measured.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// For each step of the plan that was begun; a step that was stopped has a shorter window.
    pub steps: Vec<Measured>,
    /// All requests, those of the ramps included.
    pub total: Measured,
    /// All requests by the address that they went to.
    pub addresses: ByAddress,
    /// What the server said of the first failure of each kind.
    pub words: Words,
    /// Whether it was stopped before the plan's end.
    pub stopped: bool,
}

/// What became of requests, all together and by task.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// All tasks.
    pub all: Window,
    /// Each task of the scenario, in its order.
    pub tasks: Vec<Window>,
}

impl Measured {
    /// Adds a thread's windows, one for each task.
    fn merge(&mut self, tasks: &[Window]) {
        self.tasks.resize_with(self.tasks.len().max(tasks.len()), Window::default);
        for (mine, theirs) in self.tasks.iter_mut().zip(tasks) {
            mine.merge(theirs);
            self.all.merge(theirs);
        }
    }
}

/// Runs a segment against the targets and blocks until it is over or stopped. `limits` are the
/// objective's latency limits, for the windows' slices. Events go to `events` as they happen;
/// nobody needs to listen.
///
/// # Errors
/// When this machine does not allow so many connections, or refuses threads.
pub fn run(
    segment: &Segment,
    targets: &Targets,
    limits: &[Duration],
    events: &mpsc::Sender<Event>,
    control: &Control,
) -> Result<Outcome, EngineError> {
    limits::check(segment, targets)?;
    let parts = u32::try_from(segment.cores.len().max(1)).unwrap_or(1);
    let start = Instant::now();
    let (reports, inbox) = mpsc::channel();
    let mut threads = Vec::new();
    for part in 0..parts {
        let work = worker::Work {
            segment: segment.split(part, parts),
            core: segment.cores.get(part as usize).copied(),
            targets: targets.clone(),
            limits: limits.to_vec(),
            start,
            control: control.clone(),
            reports: reports.clone(),
        };
        let stop_all = control.clone();
        // One that fails takes the others with it: half the users are not what was asked for.
        let play = move || work.run().inspect_err(|_| stop_all.stop());
        let spawned = std::thread::Builder::new().name(format!("users-{part}")).spawn(play);
        threads.push(spawned.inspect_err(|_| control.stop())?);
    }
    drop(reports);

    let times = segment.plan.times();
    let mut merge = Merge {
        parts,
        events,
        times: &times,
        steal: Steal::new(&segment.cores),
        generator: BTreeMap::new(),
        seconds: BTreeMap::new(),
        steps: BTreeMap::new(),
        addresses: ByAddress::new(),
        words: Words::new(),
    };
    let mut announced = 0;
    for report in inbox {
        match report {
            Report::Second(second) => {
                let now = Duration::from_secs(second.index);
                while announced < times.len() && times[announced].start < now {
                    merge.tell(Event::StepStarted {
                        index: announced,
                        users: segment.plan.steps[announced].users(),
                    });
                    announced += 1;
                }
                merge.second(&second);
            }
            Report::Step(index, windows) => merge.step(index, &windows),
        }
    }
    merge.flush();
    let mut total = Measured::default();
    let mut stopped = false;
    for thread in threads {
        let (windows, was_stopped) =
            thread.join().map_err(|_| std::io::Error::other("a load thread panicked"))??;
        total.merge(&windows);
        stopped |= was_stopped;
    }
    total.all.generator = GeneratorLoad::of(merge.generator.values());
    let steps = merge.steps.into_values().map(|(_, window)| window).collect();
    Ok(Outcome { steps, total, addresses: merge.addresses, words: merge.words, stopped })
}

/// What a load thread reports while it runs.
enum Report {
    Second(Box<ThreadSecond>),
    Step(usize, Vec<Window>),
}

/// Puts the threads' shares of seconds and steps together.
struct Merge<'a> {
    parts: u32,
    events: &'a mpsc::Sender<Event>,
    times: &'a [StepTimes],
    steal: Steal,
    /// What the generator used in each second.
    generator: BTreeMap<u64, GeneratorSecond>,
    seconds: BTreeMap<u64, (u32, Second)>,
    steps: BTreeMap<usize, (u32, Measured)>,
    addresses: ByAddress,
    words: Words,
}

impl Merge<'_> {
    fn second(&mut self, part: &ThreadSecond) {
        let index = part.index;
        for (kind, words) in &part.words {
            self.words.entry(*kind).or_insert_with(|| words.clone());
        }
        for (address, requests) in &part.addresses {
            self.addresses.entry(*address).or_default().merge(requests);
        }
        let (have, second) =
            self.seconds.entry(index).or_insert_with(|| (0, Second { index, ..Second::default() }));
        *have += 1;
        second.add(part);
        if *have == self.parts
            && let Some((_, mut second)) = self.seconds.remove(&index)
        {
            // Here and not in the threads: on a large machine the kernel takes its time to put that
            // file together.
            second.generator.steal = self.steal.take();
            self.generator.insert(index, second.generator);
            self.tell(Event::Second(Box::new(second)));
        }
    }

    /// The last seconds, which not every thread has reported.
    fn flush(&mut self) {
        for (_, (_, second)) in std::mem::take(&mut self.seconds) {
            self.tell(Event::Second(Box::new(second)));
        }
    }

    fn step(&mut self, index: usize, part: &[Window]) {
        let (have, measured) = self.steps.entry(index).or_default();
        *have += 1;
        measured.merge(part);
        if *have == self.parts {
            let is_in = |second: u64| {
                let at = Duration::from_secs(second);
                self.times
                    .get(index)
                    .is_some_and(|times| at > times.measured_from && at <= times.end)
            };
            let seconds = self.generator.iter().filter(|(second, _)| is_in(**second));
            measured.all.generator = GeneratorLoad::of(seconds.map(|(_, generator)| generator));
            let window = Box::new(measured.all.clone());
            self.tell(Event::StepEnded { index, window });
        }
    }

    fn tell(&self, event: Event) {
        // A view that has gone away does not end the run.
        let _ = self.events.send(event);
    }
}
