//! State of a running sweep, filled by its events.

use serde_json::{Value, json};

/// Lines of messages that are kept.
const MESSAGES: usize = 200;

/// State of a sweep, as its events tell it.
#[derive(Debug)]
pub(super) struct Live {
    /// Command line of the sweep.
    command: String,
    pub(super) is_running: bool,
    /// True from a stop until the sweep has written its result.
    pub(super) is_stopping: bool,
    /// Exit code; none while it runs, or if a signal ended it.
    status: Option<i32>,
    /// Trials that are over.
    trials: Vec<Value>,
    /// Readings of the running probe.
    readings: Vec<Value>,
    /// Seconds of the running trial.
    seconds: Vec<Value>,
    rungs: Value,
    estimate: Value,
    next: Value,
    messages: Vec<String>,
}

impl Live {
    pub(super) fn new(command: String) -> Self {
        Self {
            command,
            is_running: true,
            is_stopping: false,
            status: None,
            trials: Vec::new(),
            readings: Vec::new(),
            seconds: Vec::new(),
            rungs: Value::Null,
            estimate: Value::Null,
            next: Value::Null,
            messages: Vec::new(),
        }
    }

    /// Adds an event, a line of JSON.
    pub(super) fn event(&mut self, line: &str) {
        let Ok(mut event) = serde_json::from_str::<Value>(line) else {
            return self.message(line.to_owned());
        };
        let data = event["data"].take();
        match event["event"].as_str() {
            Some("next") => {
                self.next = data;
                self.seconds.clear();
                self.readings.clear();
            }
            Some("second") => self.seconds.push(data),
            Some("reading") => self.readings.push(data),
            Some("estimate") => self.estimate = data,
            Some("trial_ended") => {
                if !data["rungs"].is_null() {
                    self.rungs = data["rungs"].clone();
                }
                self.trials.push(data["trial"].clone());
                self.readings.clear();
            }
            Some("log") => self.message(data["text"].as_str().unwrap_or_default().to_owned()),
            _ => {}
        }
    }

    /// Adds a message for people.
    pub(super) fn message(&mut self, text: String) {
        if self.messages.len() == MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push(text);
    }

    /// Returns the number of trials that are over.
    pub(super) fn trials(&self) -> usize {
        self.trials.len()
    }

    pub(super) fn end(&mut self, status: Option<i32>) {
        self.is_running = false;
        self.status = status;
        self.next = Value::Null;
    }

    /// Returns the state for a page that has the first `from` trials.
    pub(super) fn json(&self, name: &str, from: usize) -> Value {
        json!({
            "name": name,
            "from": from,
            "command": self.command,
            "running": self.is_running,
            "stopping": self.is_running && self.is_stopping,
            "status": self.status,
            "trials": self.trials.get(from..).unwrap_or_default(),
            "readings": self.readings,
            "seconds": self.seconds,
            "rungs": self.rungs,
            "estimate": self.estimate,
            "next": self.next,
            "messages": self.messages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fill_the_state() {
        let mut live = Live::new("loadgen sweep".to_owned());
        for line in [
            r#"{"event":"next","data":{"trial":1,"reason":"Measures."}}"#,
            r#"{"event":"second","data":{"second":1,"users":5}}"#,
            r#"{"event":"reading","data":{"verdict":"pass"}}"#,
            r#"{"event":"trial_ended","data":{"trial":{"verdict":"pass"},"rungs":[1]}}"#,
            r#"{"event":"trial_ended","data":{"trial":{"verdict":"fail"},"rungs":null}}"#,
            r#"{"event":"estimate","data":{"cpus":0.2}}"#,
            r#"{"event":"log","data":{"text":"removed a container"}}"#,
            "not JSON",
        ] {
            live.event(line);
        }
        let state = live.json("sweep-1", 0);
        assert_eq!(state["trials"].as_array().unwrap().len(), 2);
        assert_eq!((&state["rungs"], &state["estimate"]["cpus"]), (&json!([1]), &json!(0.2)));
        assert_eq!(state["readings"], json!([]), "those of a trial that is over are its own");
        assert_eq!(state["messages"], json!(["removed a container", "not JSON"]));
        live.end(Some(0));
        assert_eq!(
            (&live.json("", 2)["trials"], &live.json("", 0)["status"]),
            (&json!([]), &json!(0))
        );
    }
}
