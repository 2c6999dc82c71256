//! `loadgen ui`: a page with Locust's form and API, and a page for sweeps.
//!
//! The pages are views: load tests and sweeps send events, which fill figures here, and nothing is
//! measured. `guard` protects them, so that a foreign web page cannot drive a generator on this
//! machine.

mod assets;
mod guard;
mod load;
mod login;
mod routes;
mod sweep;

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use accounts::Users;
use async_trait::async_trait;
use loadtest::workload::{Host, HostError};

pub use self::{
    load::Form,
    sweep::{SweepForm, Workload},
};

use self::{guard::Guard, load::Tests, login::Login, routes::router, sweep::Sweeps};
use crate::{Error, load_test::LoadTest, runner::Source};

/// Preparation of what a form asks for; the command line implements it, so that a form accepts what
/// `loadgen run` accepts.
#[async_trait]
pub trait Prepare: Send + Sync {
    /// Returns the load test of a form, its hosts reached and its request checked.
    ///
    /// # Errors
    /// Returns an error for an invalid field, a host that may not be loaded, and a target that
    /// refuses the request.
    async fn load_test(&self, form: &Form) -> Result<LoadTest, Error>;

    /// Returns the example of the model that a form's host serves.
    ///
    /// # Errors
    /// Returns an error if the host may not be loaded, or has no example.
    async fn example(&self, form: &Form) -> Result<String, Error>;

    /// Returns the workloads that a sweep may size, and a message if some could not be listed.
    async fn workloads(&self) -> (Vec<Workload>, Option<String>);

    /// Checks flags of `loadgen sweep`.
    ///
    /// # Errors
    /// Returns an error for an invalid flag.
    fn check_sweep(&self, flags: &[String]) -> Result<(), Error>;
}

/// Settings of `loadgen ui`.
pub struct UiSettings {
    /// Address of the page.
    pub bind: SocketAddr,
    /// Initial content of the form.
    pub form: Form,
    /// Scenario files that the form offers.
    pub scenarios: Vec<PathBuf>,
    /// Names, besides loopback's, under which the page may be reached.
    pub allow_names: Vec<String>,
    /// Preparation of what the form asks for.
    pub prepare: Arc<dyn Prepare>,
    /// Folder of the sweeps.
    pub dir: PathBuf,
    /// Initial content of the sweep form.
    pub sweep_form: SweepForm,
    /// People who may log in; without any, everybody who reaches the page may use it.
    pub users: Option<Users>,
    /// True if a test starts with the page.
    pub starts: bool,
    /// Time from the end of that test to the end of the page.
    pub quits_after: Option<Duration>,
}

/// Hosts that the page may load.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Initial sources of the form.
    pub sources: Vec<Source>,
    /// Further hosts.
    pub allowed: Vec<Host>,
}

impl Hosts {
    /// Returns the initial sources in one line.
    pub fn initial(&self) -> String {
        self.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Returns the sources that a form names.
    ///
    /// # Errors
    /// Returns a message if one is no host, or if it may not be loaded.
    pub fn named(&self, text: &str) -> Result<Vec<Source>, String> {
        if text.trim().is_empty() || text.trim() == self.initial() {
            return Ok(self.sources.clone());
        }
        let source = |text: &str| {
            let host: Host = text.trim().parse().map_err(|e: HostError| e.to_string())?;
            let source = Source::Host(host.clone());
            match self.sources.contains(&source) || self.allowed.contains(&host) {
                true => Ok(source),
                false => Err(format!(
                    "{host} may not be loaded from this page; start it with --allow-host {host}"
                )),
            }
        };
        text.split(',').map(source).collect()
    }
}

/// Serves the page until `stop` completes.
///
/// # Errors
/// Returns an error if the address cannot be bound, or if a test that should start with the page
/// cannot.
pub async fn serve(
    settings: UiSettings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let bind = settings.bind;
    let listener = tokio::net::TcpListener::bind(bind).await.map_err(|e| {
        Error::Machine(format!("cannot listen on {bind}: {e}\n  help: choose another with --bind"))
    })?;
    let addr = listener.local_addr().unwrap_or(bind);
    // Not eprintln!, which panics if standard error is closed.
    let _ = writeln!(
        std::io::stderr(),
        "the page is on http://{addr}/ and loads {}",
        settings.form.host
    );
    let guard = Guard::new(&settings.allow_names);
    let (starts, quits_after) = (settings.starts, settings.quits_after);
    let form = settings.form.clone();
    let login = settings.users.clone().map(|users| Arc::new(Login::new(users)));
    let settings = Arc::new(settings);
    let sweeps = Arc::new(Sweeps::new(settings.dir.clone()));
    let tests = Arc::new(Tests::new(settings, Arc::clone(&sweeps)));
    if starts {
        tests.start(form).await.map_err(Error::Usage)?;
    }
    let quit = quit(Arc::clone(&tests), quits_after.filter(|_| starts));
    let service =
        router(&tests, &sweeps, guard, login).into_make_service_with_connect_info::<SocketAddr>();
    // Live updates never end by themselves: open pages must not keep the process alive.
    tokio::select! {
        served = axum::serve(listener, service).into_future() => {
            served.map_err(|e| Error::Machine(format!("the page cannot be served: {e}")))?;
        }
        () = stop => {}
        () = quit => {}
    }
    tokio::join!(tests.stop_and_wait(), sweeps.stop_and_wait());
    Ok(())
}

/// Waits for the end of the current test and some time more; forever without a time.
async fn quit(tests: Arc<Tests>, after: Option<Duration>) {
    let Some(after) = after else { return std::future::pending().await };
    tests.wait().await;
    tokio::time::sleep(after).await;
}
