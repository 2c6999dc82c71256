//! The load tests of a session: one runs at a time, earlier ones stay selectable.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use load_engine::Control;
use tokio::sync::watch;

use super::{
    Form, replicas,
    test::{State, Test},
};
use crate::{
    Error,
    event::Event,
    load_test::{Keeps, LoadTest},
    ui::UiSettings,
};

/// Tests kept besides the current one.
const EARLIER: usize = 20;

/// Load tests of the page.
pub(in crate::ui) struct Tests {
    settings: Arc<UiSettings>,
    inner: Mutex<Inner>,
    /// Incremented with every change that the page shows.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// Oldest first; the last one is the current test.
    tests: VecDeque<Arc<Test>>,
    is_starting: bool,
    count: u64,
}

impl Tests {
    pub(in crate::ui) fn new(settings: Arc<UiSettings>) -> Self {
        Self { settings, inner: Mutex::default(), changed: watch::Sender::new(0) }
    }

    pub(in crate::ui) fn settings(&self) -> &UiSettings {
        &self.settings
    }

    /// Returns a receiver of changes.
    pub(in crate::ui) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns the test that runs or ran last.
    pub(in crate::ui) fn current(&self) -> Option<Arc<Test>> {
        self.inner().tests.back().cloned()
    }

    /// Returns the test with a number.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Test>> {
        self.inner().tests.iter().find(|test| test.id == id).cloned()
    }

    /// Returns all tests, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Test>> {
        self.inner().tests.iter().cloned().collect()
    }

    pub(super) fn state(&self) -> State {
        self.current().map_or(State::Ready, |test| test.state())
    }

    /// Starts a test or, while one runs, changes its users. Returns the loaded hosts.
    ///
    /// # Errors
    /// Returns a message for the page.
    pub(in crate::ui) async fn swarm(self: &Arc<Self>, form: Form) -> Result<String, String> {
        let current = self.current();
        let running = current.filter(|test| !test.control.is_stopped() && !test.inner().is_over);
        if let Some(test) = running {
            return self.amend(&test, &form);
        }
        let _starting = self.claim()?;
        // Spawned as a task: a browser that disconnects cancels its request here, which must not
        // leave the page claimed.
        let tests = Arc::clone(self);
        let launched = tokio::spawn(async move { tests.launch(form).await.map(|_| tests) }).await;
        let launched = launched.unwrap_or_else(|e| Err(Error::Machine(e.to_string())));
        let tests = launched.map_err(|error| error.to_string())?;
        Ok(tests.current().map(|test| test.hosts.join(", ")).unwrap_or_default())
    }

    /// Stops the current test: no request begins any more, and those in flight may end.
    pub(in crate::ui) fn stop(&self) {
        if let Some(test) = self.current() {
            test.control.stop();
            self.change();
        }
    }

    /// Stops the current test, and waits until its last request has ended.
    pub(in crate::ui) async fn stop_and_wait(&self) {
        self.stop();
        self.wait().await;
    }

    /// Waits until the current test is over.
    pub(in crate::ui) async fn wait(&self) {
        let mut changes = self.changes();
        while self.current().is_some_and(|test| !test.inner().is_over) {
            // A test that ends is a change.
            let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
        }
    }

    /// Resets the figures of the current test.
    pub(in crate::ui) fn reset(&self) {
        if let Some(test) = self.current() {
            test.reset();
            self.change();
        }
    }

    fn amend(&self, test: &Test, form: &Form) -> Result<String, String> {
        if !test.form.has_steady_users() {
            return Err("the running test follows steps or arrivals: stop it first".to_owned());
        }
        if form.host != test.form.host {
            return Err(format!("the running test loads {}: stop it first", test.form.host));
        }
        let users = form.users()?;
        let amended = test.control.amend(users.count, users.spawn_rate, users.run_time);
        let plan = amended.map_err(|error| error.to_string())?;
        test.inner().plan = plan.as_ref().clone();
        self.change();
        Ok(test.hosts.join(", "))
    }

    /// Prepares and starts a test.
    async fn launch(self: &Arc<Self>, form: Form) -> Result<(), Error> {
        let prepared = self.settings.prepare.load_test(&form).await?;
        let prepared = LoadTest { keeps: Keeps::Nothing, ..prepared };
        let control = Control::default();
        let test = {
            let mut inner = self.inner();
            inner.count += 1;
            let test = Arc::new(Test::new(inner.count, form, &prepared, control.clone()));
            if inner.tests.len() > EARLIER {
                inner.tests.pop_front();
            }
            inner.tests.push_back(Arc::clone(&test));
            test
        };
        self.change();
        tokio::spawn(replicas::watch(Arc::downgrade(&test)));
        let (sender, events) = mpsc::channel();
        let (tests, shown) = (Arc::clone(self), Arc::clone(&test));
        let view = std::thread::spawn(move || {
            for event in events {
                shown.add(&event);
                if !matches!(event, Event::Log(_)) {
                    tests.change();
                }
            }
        });
        let tests = Arc::clone(self);
        tokio::spawn(async move {
            let ended = prepared.run(vec![sender], &control).await;
            // The view ends with the events.
            let _ = tokio::task::spawn_blocking(move || view.join()).await;
            test.finish(ended);
            tests.change();
        });
        Ok(())
    }

    /// Claims the page for a start, until the result is dropped.
    fn claim(self: &Arc<Self>) -> Result<Starting, String> {
        let mut inner = self.inner();
        if inner.is_starting {
            return Err("another browser is starting a test; look at it first".to_owned());
        }
        inner.is_starting = true;
        Ok(Starting(Arc::clone(self)))
    }

    fn change(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Locks the list, ignoring poison: a panic cannot leave it half changed.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claim of the page while a test is prepared.
struct Starting(Arc<Tests>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.inner().is_starting = false;
    }
}
