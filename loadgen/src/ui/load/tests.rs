//! The load tests of a session: one runs at a time, earlier ones stay selectable.

use std::{
    collections::{HashMap, VecDeque},
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
    ui::{UiSettings, sweep::Sweeps},
};

/// Tests kept besides the current one.
const EARLIER: usize = 20;

/// Load tests of the page.
pub(in crate::ui) struct Tests {
    settings: Arc<UiSettings>,
    sweeps: Arc<Sweeps>,
    inner: Mutex<Inner>,
    /// Incremented with every change that the page shows.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// Oldest first; the last one is the current test.
    tests: VecDeque<Arc<Test>>,
    is_starting: bool,
    /// True if a stop came while a test was prepared.
    is_cancelled: bool,
    count: u64,
}

impl Tests {
    pub(in crate::ui) fn new(settings: Arc<UiSettings>, sweeps: Arc<Sweeps>) -> Self {
        Self { settings, sweeps, inner: Mutex::default(), changed: watch::Sender::new(0) }
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

    /// Returns true while a test runs.
    pub(in crate::ui) fn is_running(&self) -> bool {
        self.all().iter().any(|test| !test.inner().is_over)
    }

    pub(super) fn state(&self) -> State {
        self.current().map_or(State::Ready, |test| test.state())
    }

    /// Starts a test or, while one runs, changes its users; `fields` are those of the form. Returns
    /// the loaded hosts.
    ///
    /// # Errors
    /// Returns a message for the page.
    pub(in crate::ui) async fn swarm(
        self: &Arc<Self>,
        mut fields: HashMap<String, String>,
    ) -> Result<String, String> {
        let current = self.current();
        let running = current.filter(|test| !test.control.is_stopped() && !test.inner().is_over);
        if let Some(test) = running {
            let host = fields.entry("host".to_owned()).or_default();
            if host.trim().is_empty() {
                host.clone_from(&test.form.host);
            }
            return self.amend(&test, &Form::with_fields(fields, &self.settings.form));
        }
        self.start(Form::with_fields(fields, &self.settings.form)).await
    }

    /// Starts a test. Returns the loaded hosts.
    ///
    /// # Errors
    /// Returns a message for the page.
    pub(in crate::ui) async fn start(self: &Arc<Self>, form: Form) -> Result<String, String> {
        if let Some(sweep) = self.sweeps.running() {
            return Err(format!("{sweep} is measuring on this machine: stop it first"));
        }
        let starting = self.claim()?;
        // Spawned as a task, claim and all: a browser that disconnects cancels its request here,
        // while the test is prepared.
        let tests = Arc::clone(self);
        let launched = tokio::spawn(async move {
            let _starting = starting;
            tests.launch(form).await
        });
        let launched = launched.await.unwrap_or_else(|e| Err(Error::Machine(e.to_string())));
        let test = launched.map_err(|error| error.to_string())?;
        Ok(test.hosts.join(", "))
    }

    /// Stops every test, one that is being prepared too: no request begins any more, and those in
    /// flight may end.
    pub(in crate::ui) fn stop(&self) {
        let mut inner = self.inner();
        inner.is_cancelled = true;
        inner.tests.iter().for_each(|test| test.control.stop());
        drop(inner);
        self.change();
    }

    /// Stops every test, and waits until its last request has ended.
    pub(in crate::ui) async fn stop_and_wait(&self) {
        self.stop();
        self.wait().await;
    }

    /// Waits until all tests are over.
    pub(in crate::ui) async fn wait(&self) {
        let mut changes = self.changes();
        while self.all().iter().any(|test| !test.inner().is_over) {
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
        if !is_same_host(&form.host, &test.form.host) {
            return Err(format!("the running test loads {}: stop it first", test.form.host));
        }
        let users = form.users()?;
        let amended = test.control.amend(users.count, users.spawn_rate, users.run_time);
        amended.map_err(|error| error.to_string())?;
        self.change();
        Ok(test.hosts.join(", "))
    }

    /// Prepares and starts a test; it has begun when this returns.
    async fn launch(self: &Arc<Self>, form: Form) -> Result<Arc<Test>, Error> {
        let prepared = self.settings.prepare.load_test(&form).await?;
        let prepared = LoadTest { keeps: Keeps::Nothing, ..prepared };
        let control = Control::default();
        let test = self.push(form, &prepared, control.clone())?;
        tokio::spawn(replicas::watch(Arc::downgrade(&test), self.changed.clone()));
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
        let (tests, ending, running) = (Arc::clone(self), Arc::clone(&test), control.clone());
        tokio::spawn(async move {
            let ended = prepared.run(vec![sender], &running).await;
            // The view ends with the events.
            let _ = tokio::task::spawn_blocking(move || view.join()).await;
            ending.finish(ended);
            tests.change();
        });
        // Changes of the users need a plan that is played.
        while control.plan().is_none() && !test.inner().is_over {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(test)
    }

    /// Adds a test to the session, unless it was stopped before it began.
    fn push(&self, form: Form, test: &LoadTest, control: Control) -> Result<Arc<Test>, Error> {
        let mut inner = self.inner();
        if inner.is_cancelled {
            return Err(Error::Usage("the test was stopped before it began".to_owned()));
        }
        inner.count += 1;
        let test = Arc::new(Test::new(inner.count, form, test, control));
        if inner.tests.len() > EARLIER {
            inner.tests.pop_front();
        }
        inner.tests.push_back(Arc::clone(&test));
        drop(inner);
        self.change();
        Ok(test)
    }

    /// Claims the page for a start, until the result is dropped.
    fn claim(self: &Arc<Self>) -> Result<Starting, String> {
        let mut inner = self.inner();
        if inner.is_starting {
            return Err("another browser is starting a test; look at it first".to_owned());
        }
        inner.is_starting = true;
        inner.is_cancelled = false;
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

/// Returns true if two lists of hosts are the same but for their spelling.
fn is_same_host(one: &str, other: &str) -> bool {
    let names = |text: &str| -> Vec<String> {
        let plain = |name: &str| name.trim().trim_end_matches('/').to_ascii_lowercase();
        text.split(',').map(plain).collect()
    };
    names(one) == names(other)
}
