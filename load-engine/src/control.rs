//! Control of a run from outside.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use loadtest::workload::{Plan, Segment, Targets};

use crate::{EngineError, os::limits, thread::User};

/// A handle on a run; clones control the same run.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    /// Number of amendments. Load threads read it in every turn and take the lock only after one.
    version: AtomicU64,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    start: Instant,
    segment: Segment,
    targets: Targets,
}

/// Time from an amendment to its beginning. Load threads wake up once a second at least.
const LEAD: Duration = Duration::from_millis(1100);

impl Control {
    /// Stops the run: no request begins any more, and those in flight may end.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns true if the run was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Changes the users of the running test, and its run time, which counts from now. The change
    /// begins a little later, when all load threads know of it, so that no user comes late.
    ///
    /// # Errors
    /// Returns an error if no test runs, if its plan does not allow the change, or if a limit of
    /// this machine is too low for so many users.
    pub fn amend(
        &self,
        users: u32,
        spawn_rate: f64,
        run_time: Duration,
    ) -> Result<Arc<Plan>, EngineError> {
        let mut running = self.running();
        let Some(running) = running.as_mut().filter(|_| !self.is_stopped()) else {
            return Err(EngineError::Amend("no test is running".to_owned()));
        };
        let now = running.start.elapsed() + LEAD;
        let plan = running.segment.plan.amended(now, users, spawn_rate, run_time);
        let plan = Arc::new(plan.map_err(EngineError::Amend)?);
        let segment = Segment { plan: Arc::clone(&plan), ..running.segment.clone() };
        limits::check(&segment, &running.targets, size_of::<User>())?;
        running.segment = segment;
        self.0.version.fetch_add(1, Ordering::Release);
        Ok(plan)
    }

    /// Returns the plan of the run that began last, with its amendments.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        self.running().as_ref().map(|running| Arc::clone(&running.segment.plan))
    }

    /// Begins a run. Returns the version of its plan.
    pub(crate) fn begin(&self, start: Instant, segment: &Segment, targets: &Targets) -> u64 {
        let (segment, targets) = (segment.clone(), targets.clone());
        *self.running() = Some(Running { start, segment, targets });
        self.0.version.load(Ordering::Acquire)
    }

    /// Returns the plan if it was amended since version `seen`, and updates `seen`.
    pub(crate) fn newer_than(&self, seen: &mut u64) -> Option<Arc<Plan>> {
        let version = self.0.version.load(Ordering::Acquire);
        if version == *seen {
            return None;
        }
        *seen = version;
        self.plan()
    }

    /// Locks the running plan, ignoring poison: a panic cannot leave it half changed.
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
