//! The run that the page controls.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use load_engine::{Control, LoadEvent};
use loadtest::workload::{Plan, Scenario, Segment, Targets};

use super::{
    UiSettings,
    stats::{Report, State, Stats},
};
use crate::{
    Error,
    event::{Event, forward},
    runner::{Reached, Source, follow},
};

/// Content of the form.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) users: u32,
    pub(super) spawn_rate: f64,
    pub(super) sources: Vec<Source>,
    pub(super) run_time: Duration,
}

/// State of the page: at most one run at a time.
pub(super) struct Runs {
    settings: UiSettings,
    stats: Arc<Mutex<Stats>>,
    current: Mutex<Control>,
}

impl Runs {
    pub(super) fn new(settings: UiSettings) -> Self {
        let stats = Stats::new(&settings.named(), &settings.request);
        Self {
            settings,
            stats: Arc::new(Mutex::new(stats)),
            current: Mutex::new(Control::default()),
        }
    }

    pub(super) fn settings(&self) -> &UiSettings {
        &self.settings
    }

    /// Starts a run.
    pub(super) async fn start(self: &Arc<Self>, swarm: Swarm) -> Result<(), Error> {
        let plan =
            Plan::steady(swarm.users, swarm.spawn_rate, swarm.run_time, self.settings.wait_time)
                .and_then(|plan| plan.check().map(|()| plan))
                .map_err(Error::Usage)?;
        if !lock(&self.stats).claim(&super::named(&swarm.sources)) {
            return Err(Error::Usage("a test is running; stop it first".to_owned()));
        }
        let control = Control::default();
        *lock(&self.current) = control.clone();
        // Spawned as a task: a browser that disconnects cancels its request here, which must not
        // leave the page claimed.
        let runs = Arc::clone(self);
        let launch = tokio::spawn(async move { runs.launch(swarm, plan, control).await });
        launch.await.unwrap_or_else(|e| Err(Error::Machine(e.to_string())))
    }

    async fn launch(&self, swarm: Swarm, plan: Plan, control: Control) -> Result<(), Error> {
        let prepared = self.prepare(swarm, plan).await;
        if prepared.is_err() {
            lock(&self.stats).set_state(State::Stopped);
        }
        let (segment, targets, reached) = prepared?;
        let (sender, inbox) = mpsc::channel();
        let following = follow(reached, targets.pool.clone(), sender.clone());
        let stats = Arc::clone(&self.stats);
        std::thread::spawn(move || {
            for event in inbox {
                match event {
                    Event::Load(LoadEvent::Second(second)) => lock(&stats).add(&second),
                    Event::Log(text) => lock(&stats).set_notice(text),
                    _ => {}
                }
            }
        });
        let stats = Arc::clone(&self.stats);
        std::thread::spawn(move || {
            let ended = load_engine::run(&segment, &targets, &[], &forward(&sender), &control);
            drop(following);
            let mut stats = lock(&stats);
            if let Err(error) = ended {
                stats.set_problem(error.to_string());
            }
            stats.set_state(State::Stopped);
        });
        Ok(())
    }

    /// Connects to the sources and checks that they accept the request.
    async fn prepare(
        &self,
        swarm: Swarm,
        plan: Plan,
    ) -> Result<(Segment, Targets, Vec<Reached>), Error> {
        let mut reached = Vec::new();
        for source in swarm.sources {
            reached.push(Reached::source(source, &self.settings.trust).await?);
        }
        let first = reached.first().ok_or_else(|| Error::Usage("there is no host".to_owned()))?;
        let request = first.complete(self.settings.request.clone()).await?;
        let mut targets = Targets::new(Scenario::single(&request));
        targets.timeout = self.settings.timeout;
        for host in &reached {
            host.check(&request, self.settings.timeout).await?;
            host.add_to(&mut targets);
        }
        let segment = Segment::whole(plan, self.settings.pin.clone());
        Ok((segment, targets, reached))
    }

    /// Stops the run: no request begins any more, and those in flight may end.
    pub(super) fn stop(&self) {
        lock(&self.current).stop();
    }

    /// Stops the run, and waits until the last request has ended.
    pub(super) async fn stop_and_wait(&self) {
        self.stop();
        while lock(&self.stats).is_running() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) fn report(&self) -> Report {
        lock(&self.stats).report()
    }

    pub(super) fn reset(&self) {
        lock(&self.stats).reset();
    }
}

/// Locks a mutex, ignoring poison: a thread that panicked left figures that are at most a second
/// old.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
