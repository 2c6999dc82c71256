//! The running sweep: a child process `loadgen sweep --events -`, whose events fill the page.
//!
//! A process of its own measures as a sweep at the terminal does: it owns its processors, a fault
//! of the page cannot disturb it, and stopping it is Ctrl-C.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

use super::live::Live;

/// Sweeps of a folder, of which one may be running.
pub(in crate::ui) struct Sweeps {
    /// Folder of the sweeps' folders.
    pub(super) dir: PathBuf,
    current: Mutex<Option<Arc<Job>>>,
    changed: watch::Sender<u64>,
}

/// A sweep that was started from the page.
pub(super) struct Job {
    /// Name of its folder.
    pub(super) name: String,
    pid: Mutex<Option<Pid>>,
    live: Mutex<Live>,
}

impl Sweeps {
    pub(in crate::ui) fn new(dir: PathBuf) -> Self {
        Self { dir, current: Mutex::default(), changed: watch::Sender::new(0) }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns the sweep that runs, or ran last.
    pub(super) fn current(&self) -> Option<Arc<Job>> {
        lock(&self.current).clone()
    }

    /// Returns the name of the running sweep.
    pub(in crate::ui) fn running(&self) -> Option<String> {
        self.current().filter(|job| job.live().is_running).map(|job| job.name.clone())
    }

    /// Starts a sweep with these flags. Returns the name of its folder.
    ///
    /// # Errors
    /// Returns a message if one runs already, or if this program cannot be started.
    pub(super) fn start(self: &Arc<Self>, flags: Vec<String>) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("sweep-{}", now.as_secs());
        let out = format!("--out={}", self.dir.join(&name).display());
        self.launch(&name, &flags.into_iter().chain([out]).collect::<Vec<_>>())
    }

    /// Goes on with a sweep that ended early.
    ///
    /// # Errors
    /// Returns a message if one runs already, or if this program cannot be started.
    pub(super) fn resume(self: &Arc<Self>, name: &str) -> Result<String, String> {
        self.launch(name, &[format!("--resume={}", self.dir.join(name).display())])
    }

    /// Stops the running sweep like Ctrl-C, once: what was confirmed is its answer. A second Ctrl-C
    /// would break it off.
    pub(in crate::ui) fn stop(&self) {
        let Some(job) = self.current() else { return };
        // Taken out, so that nobody signals again.
        if let Some(pid) = lock(&job.pid).take() {
            job.live().is_stopping = true;
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGINT);
            self.change();
        }
    }

    /// Stops the running sweep, and waits until it has written its result.
    pub(in crate::ui) async fn stop_and_wait(&self) {
        self.stop();
        let mut changes = self.changes();
        while self.running().is_some() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn launch(self: &Arc<Self>, name: &str, flags: &[String]) -> Result<String, String> {
        let mut current = lock(&self.current);
        if let Some(running) = current.as_ref().filter(|job| job.live().is_running) {
            return Err(format!("{} is running: stop it first", running.name));
        }
        std::fs::create_dir_all(&self.dir)
            .map_err(|e| format!("the folder {} cannot be made: {e}", self.dir.display()))?;
        let program = std::env::current_exe().unwrap_or_else(|_| "loadgen".into());
        let mut child = command(&program, flags)
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", program.display()))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let words = flags.iter().map(String::as_str);
        let line = shlex::try_join(["loadgen", "sweep"].into_iter().chain(words));
        let live = Live::new(line.unwrap_or_default());
        let (pid, live) = (Mutex::new(pid), Mutex::new(live));
        let job = Arc::new(Job { name: name.to_owned(), pid, live });
        *current = Some(Arc::clone(&job));
        drop(current);
        self.change();
        let (events, messages) = (child.stdout.take(), child.stderr.take());
        let sweeps = Arc::clone(self);
        tokio::spawn(async move {
            let events = sweeps.read(events, &job, |live, line| live.event(&line));
            let messages = sweeps.read(messages, &job, Live::message);
            tokio::join!(events, messages);
            sweeps.finish(&job, child).await;
        });
        Ok(name.to_owned())
    }

    /// Adds the lines of a stream of the child.
    async fn read(
        &self,
        stream: Option<impl AsyncRead + Unpin>,
        job: &Job,
        add: impl Fn(&mut Live, String),
    ) {
        let Some(stream) = stream else { return };
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            add(&mut job.live(), line);
            self.change();
        }
    }

    async fn finish(&self, job: &Job, mut child: Child) {
        let status = child.wait().await.ok().and_then(|status| status.code());
        *lock(&job.pid) = None;
        job.live().end(status);
        self.change();
    }

    fn change(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

impl Job {
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }
}

fn command(program: &Path, flags: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["sweep", "--events=-", "--quiet"])
        .args(flags)
        // Ctrl-C at the terminal goes to the page alone, which passes it on and waits.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Locks a mutex, ignoring poison: its contents are whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
