//! A run: one load thread for each part of a segment, and their merged reports.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use loadtest::{
    measure::{Measured, Outcome},
    workload::{Segment, Targets},
};

use crate::{
    Control, EngineError, LoadEvent,
    merge::Merge,
    os::{Steal, limits},
    thread::{Report, User, Work},
};

/// Runs a segment against the targets and blocks until it is over or stopped. `limits` are the
/// objective's latency limits, for the windows' slices. `observe` is called with every event, on
/// the calling thread.
///
/// # Errors
/// Returns an error if this machine does not allow so many connections, or refuses threads.
pub fn run(
    segment: &Segment,
    targets: &Targets,
    limits: &[Duration],
    observe: &dyn Fn(LoadEvent),
    control: &Control,
) -> Result<Outcome, EngineError> {
    limits::check(segment, targets, size_of::<User>())?;
    let parts = u32::try_from(segment.cores.len().max(1)).unwrap_or(1);
    let start = Instant::now();
    let mut version = control.begin(start, segment, targets);
    let (reports, inbox) = mpsc::channel();
    let mut threads = Vec::new();
    for part in 0..parts {
        let work = Work {
            segment: segment.split(part, parts),
            core: segment.cores.get(part as usize).copied(),
            targets: targets.clone(),
            limits: limits.to_vec(),
            start,
            control: control.clone(),
            plan_version: version,
            reports: reports.clone(),
        };
        let stop_all = control.clone();
        // A thread that fails stops the others: half of the users would be another load.
        let play = move || work.run().inspect_err(|_| stop_all.stop());
        let spawned = std::thread::Builder::new().name(format!("users-{part}")).spawn(play);
        threads.push(spawned.inspect_err(|_| control.stop())?);
    }
    drop(reports);

    let mut plan = Arc::clone(&segment.plan);
    let mut times = plan.times();
    let mut merge = Merge::new(parts, observe, times.clone(), Steal::new(&segment.cores));
    let mut announced = 0;
    for report in inbox {
        if let Some(amended) = control.newer_than(&mut version) {
            (times, plan) = (amended.times(), amended);
            merge.amend(times.clone());
        }
        match report {
            Report::Second(second) => {
                let now = Duration::from_secs(second.index);
                while announced < times.len() && times[announced].start < now {
                    observe(LoadEvent::StepStarted {
                        index: announced,
                        users: plan.steps[announced].users(),
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
    total.all.generator = merge.generator();
    Ok(Outcome {
        steps: merge.steps(),
        total,
        addresses: merge.addresses,
        words: merge.words,
        stopped,
    })
}
