//! Events of a sweep as JSON lines.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::mpsc::Receiver,
    thread::JoinHandle,
};

use load_engine::LoadEvent;
use loadtest::measure::Second;
use serde_json::{Value, json};

use crate::{Error, event::Event};

/// Version of the format.
const VERSION: u32 = 1;

/// Writer of events to a file or to standard output.
pub struct EventLog {
    to: Box<dyn Write + Send>,
}

impl EventLog {
    /// Opens a file; `-` is standard output.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            return Ok(Self { to: Box::new(io::stdout()) });
        }
        let file =
            File::create(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { to: Box::new(file) })
    }

    /// Writes events until they end.
    pub fn watch(mut self, events: Receiver<Event>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            for event in events {
                // A closed reader does not end the sweep.
                if let Some(value) = line(&event) {
                    let _ = writeln!(self.to, "{value}").and_then(|()| self.to.flush());
                }
            }
        })
    }
}

/// Returns an event as JSON; `None` for one that the end of the trial repeats.
fn line(event: &Event) -> Option<Value> {
    let (name, data) = match event {
        Event::Next { planned, number } => (
            "next",
            json!({
                "trial": number,
                "spec": planned.spec,
                "reason": planned.reason,
                "seconds_left": planned.seconds_left,
            }),
        ),
        Event::Load(LoadEvent::StepStarted { index, users }) => {
            ("step_started", json!({ "index": index, "users": users }))
        }
        Event::Load(LoadEvent::Second(second)) => ("second", second_json(second)),
        Event::Reading(reading) => {
            let mut reading = reading.as_ref().clone();
            reading.histograms = None;
            ("reading", json!(reading))
        }
        Event::Estimate(estimate) => ("estimate", json!(estimate)),
        Event::TrialEnded { trial, known } => {
            let rungs = known.as_ref().map(|known| &known.rungs);
            ("trial_ended", json!({ "trial": trial.without_histograms(), "rungs": rungs }))
        }
        Event::Log(text) => ("log", json!({ "text": text })),
        Event::Load(_) => return None,
    };
    Some(json!({ "version": VERSION, "event": name, "data": data }))
}

fn second_json(second: &Second) -> Value {
    let ms = |q: f64| second.intended.quantile(q).as_secs_f64() * 1e3;
    json!({
        "second": second.index,
        "users": second.users,
        "requests": second.requests,
        "failures": second.failures,
        "intended_ms": { "p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99) },
    })
}
