//! Content of the load test form, with Locust's names.

use std::{collections::HashMap, time::Duration};

use loadtest::workload::parse_run_time;
use serde::{Deserialize, Serialize};

/// Fields of the form; empty ones have defaults. Unknown fields are ignored, as in Locust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// Number of users at the peak; with arrivals, the most connections.
    pub user_count: String,
    /// Users started per second.
    pub spawn_rate: String,
    /// Hosts, separated by commas.
    pub host: String,
    /// Length of the test; empty: until it is stopped.
    pub run_time: String,
    /// Think time.
    pub wait_time: String,
    /// Load over time, as in `--shape`, or steps as in `--users`.
    pub shape: String,
    /// Open model: arrivals as in `--arrivals`.
    pub arrivals: String,
    /// Length of each step.
    pub step_duration: String,
    /// Objective.
    pub slo: String,
    /// Name of one of the offered scenario files.
    pub scenario: String,
    /// HTTP method.
    pub method: String,
    /// Path of the request.
    pub path: String,
    /// Body of the request; empty: the server's example.
    pub body: String,
    /// Media type of the body.
    pub content_type: String,
    /// Request headers, one a line.
    pub headers: String,
}

/// Length of a test that lasts until it is stopped.
const UNTIL_STOPPED: Duration = Duration::from_secs(24 * 3600);

/// New number of users for a running test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Users {
    pub count: u32,
    pub spawn_rate: f64,
    pub run_time: Duration,
}

impl Form {
    /// Returns the form with these fields, and those of `defaults` where one is missing. As in
    /// Locust, numbers of users have no default, and without a run time the test lasts until it is
    /// stopped.
    pub(in crate::ui) fn with_fields(fields: HashMap<String, String>, defaults: &Self) -> Self {
        let (user_count, spawn_rate, run_time) = Default::default();
        let start = Self { user_count, spawn_rate, run_time, ..defaults.clone() };
        let mut value = serde_json::to_value(&start).unwrap_or_default();
        if let Some(known) = value.as_object_mut() {
            known.extend(fields.into_iter().map(|(name, text)| (name, text.into())));
        }
        let mut form: Self = serde_json::from_value(value).unwrap_or(start);
        // An empty host or think time is none.
        for (mine, default) in
            [(&mut form.host, &defaults.host), (&mut form.wait_time, &defaults.wait_time)]
        {
            if mine.trim().is_empty() {
                mine.clone_from(default);
            }
        }
        form
    }

    /// Returns the number of users, the spawn rate and the run time.
    ///
    /// # Errors
    /// Returns Locust's messages for missing and invalid numbers.
    pub(super) fn users(&self) -> Result<Users, String> {
        let missing =
            || "Missing or invalid user_count or spawn_rate from /swarm request".to_owned();
        let (count, rate) = (self.user_count.trim(), self.spawn_rate.trim());
        if count.is_empty() || rate.is_empty() {
            return Err(missing());
        }
        let whole = count
            .parse::<i64>()
            .map_err(|_| format!("Invalid user_count value: '{count}' (must be an integer)"))?;
        let spawn_rate = rate
            .parse::<f64>()
            .map_err(|_| format!("Invalid spawn_rate value: '{rate}' (must be a number)"))?;
        let count = u32::try_from(whole).map_err(|_| missing())?;
        if !(spawn_rate.is_finite() && spawn_rate > 0.0) {
            return Err(missing());
        }
        Ok(Users { count, spawn_rate, run_time: self.run_time()?.unwrap_or(UNTIL_STOPPED) })
    }

    /// Checks a number of users and its spawn rate, unless the load is steps, a shape or arrivals.
    ///
    /// # Errors
    /// Returns Locust's messages.
    pub fn check(&self) -> Result<(), String> {
        let is_number = self.has_steady_users() && !self.user_count.contains([':', '.']);
        if is_number && self.users()?.count == 0 {
            return Err("number of users: must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns true if the load is a number of users, which can change while the test runs.
    pub(super) fn has_steady_users(&self) -> bool {
        self.shape.trim().is_empty() && self.arrivals.trim().is_empty()
    }

    /// Returns the length of the test; `None` until it is stopped.
    pub(super) fn run_time(&self) -> Result<Option<Duration>, String> {
        match self.run_time.trim() {
            "" => Ok(None),
            text => parse_run_time(text).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(count: &str, rate: &str, run_time: &str) -> Form {
        Form {
            user_count: count.to_owned(),
            spawn_rate: rate.to_owned(),
            run_time: run_time.to_owned(),
            ..Form::default()
        }
    }

    #[test]
    fn a_missing_field_is_the_default_and_an_empty_one_is_none() {
        let (slo, host) = ("p95<1s".to_owned(), "h".to_owned());
        let defaults = Form { slo, host, ..form("5", "1", "9s") };
        let with = |fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(name, text)| (name.to_string(), text.to_string()));
            Form::with_fields(fields.collect(), &defaults)
        };
        assert_eq!(with(&[("user_count", "7"), ("user_classes", "A")]).user_count, "7");
        assert_eq!(with(&[]).slo, "p95<1s");
        assert_eq!((with(&[("slo", "")]).slo, with(&[("host", "")]).host), ("".into(), "h".into()));
        assert_eq!((with(&[]).user_count, with(&[]).run_time), ("".into(), "".into()));
    }

    #[test]
    fn numbers_are_refused_in_locusts_words() {
        let users = form("500", "12.5", "1h20m").users().unwrap();
        assert_eq!((users.count, users.spawn_rate), (500, 12.5));
        assert_eq!(users.run_time, Duration::from_secs(4800));
        for (form, word) in [
            (form("five", "1", ""), "Invalid user_count value: 'five' (must be an integer)"),
            (form("5", "fast", ""), "Invalid spawn_rate value: 'fast' (must be a number)"),
            (form("", "1", ""), "Missing or invalid user_count or spawn_rate"),
            (form("-5", "1", ""), "Missing or invalid user_count or spawn_rate"),
            (form("5", "nan", ""), "Missing or invalid user_count or spawn_rate"),
            (form("5", "0", ""), "Missing or invalid user_count or spawn_rate"),
            (form("5", "1", "soon"), "soon"),
        ] {
            let error = form.users().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
