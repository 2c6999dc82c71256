//! Locust's HTTP API: its routes, keys and types.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Form as FormBody, Json, extract::State as Shared};
use loadtest::measure::{FailureKind, Latencies, Window};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Form, Tests,
    test::{Inner, State, Test},
};

/// Answer to `/stats/requests`.
#[derive(Debug, Serialize)]
pub(in crate::ui) struct Report {
    stats: Vec<Row>,
    errors: Vec<ErrorRow>,
    current_rps: f64,
    current_fail_per_sec: f64,
    total_rps: f64,
    total_fail_per_sec: f64,
    fail_ratio: f64,
    current_response_time_percentiles: Percentiles,
    state: State,
    user_count: u32,
}

/// Percentiles of the last ten seconds, in milliseconds; none without an answer.
#[derive(Debug, Default, Serialize)]
struct Percentiles {
    #[serde(rename = "response_time_percentile_0.5")]
    p50: Option<f64>,
    #[serde(rename = "response_time_percentile_0.95")]
    p95: Option<f64>,
}

/// A task, or all tasks.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    method: String,
    name: String,
    num_requests: u64,
    num_failures: u64,
    min_response_time: f64,
    max_response_time: f64,
    current_rps: f64,
    current_fail_per_sec: f64,
    avg_response_time: f64,
    median_response_time: f64,
    total_rps: f64,
    total_fail_per_sec: f64,
    #[serde(rename = "response_time_percentile_0.95")]
    p95: f64,
    #[serde(rename = "response_time_percentile_0.99")]
    p99: f64,
    avg_content_length: f64,
}

/// A kind of failure of a task.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ErrorRow {
    method: String,
    name: String,
    error: String,
    occurrences: u64,
    /// Seconds since 1970.
    first_seen: f64,
    last_seen: f64,
}

pub(in crate::ui) async fn swarm(
    Shared(tests): Shared<Arc<Tests>>,
    FormBody(fields): FormBody<HashMap<String, String>>,
) -> Json<Value> {
    let form = Form::with_fields(fields.clone(), &tests.settings().form);
    let (host, run_time) = (form.host.clone(), form.run_time());
    Json(match tests.swarm(fields).await {
        Ok(host) => {
            let mut answer =
                json!({ "success": true, "message": "Swarming started", "host": host });
            if let Ok(Some(run_time)) = run_time {
                answer["run_time"] = json!(run_time.as_secs());
            }
            answer
        }
        Err(message) => json!({ "success": false, "message": message, "host": host }),
    })
}

pub(in crate::ui) async fn stop(Shared(tests): Shared<Arc<Tests>>) -> Json<Value> {
    tests.stop();
    Json(json!({ "success": true, "message": "Test stopped" }))
}

pub(in crate::ui) async fn reset(Shared(tests): Shared<Arc<Tests>>) -> &'static str {
    tests.reset();
    "ok"
}

pub(in crate::ui) async fn requests(Shared(tests): Shared<Arc<Tests>>) -> Json<Report> {
    Json(report(tests.current().as_deref()))
}

pub(in crate::ui) async fn exceptions() -> Json<Value> {
    // An exception of a locustfile has no counterpart here: scenarios contain no code.
    Json(json!({ "exceptions": [] }))
}

pub(in crate::ui) async fn tasks(Shared(tests): Shared<Arc<Tests>>) -> Json<Value> {
    let mut ratios = Map::new();
    if let Some(test) = tests.current() {
        for (task, ratio) in test.scenario.ratios() {
            ratios.insert(format!("{} {}", task.method, task.name), json!({ "ratio": ratio }));
        }
    }
    let user = json!({ "User": { "ratio": 1.0, "tasks": ratios } });
    let all = if ratios.is_empty() { json!({}) } else { user };
    Json(json!({ "per_class": all, "total": all }))
}

pub(in crate::ui) async fn logs(Shared(tests): Shared<Arc<Tests>>) -> Json<Value> {
    let line = |time: u64, text: &str| format!("[{}] {text}", clock(time));
    let lines: Vec<String> = tests
        .current()
        .map(|test| test.inner().log.iter().map(|l| line(l.time, &l.text)).collect())
        .unwrap_or_default();
    Json(json!({ "master": lines, "workers": {} }))
}

pub(in crate::ui) async fn worker_count() -> Json<Value> {
    Json(json!({ "worker_count": 0 }))
}

/// Returns the figures of a test; without one, those of a page that was just opened.
pub(super) fn report(test: Option<&Test>) -> Report {
    let state = test.map_or(State::Ready, Test::state);
    let Some(test) = test else { return Report::empty() };
    let inner = test.inner();
    let rows = rows(test, &inner);
    let all = inner.progress.total.all.clone();
    let current = inner.progress.current_service();
    let is_active = !inner.is_over;
    let percentile = |q| (is_active && current.count() > 0).then(|| ms(&current, q));
    let total = rows.last().cloned();
    let total = total.as_ref();
    Report {
        current_rps: total.map_or(0.0, |row| row.current_rps),
        current_fail_per_sec: total.map_or(0.0, |row| row.current_fail_per_sec),
        total_rps: total.map_or(0.0, |row| row.total_rps),
        total_fail_per_sec: total.map_or(0.0, |row| row.total_fail_per_sec),
        fail_ratio: all.failed() as f64 / all.requests.max(1) as f64,
        current_response_time_percentiles: Percentiles {
            p50: percentile(0.5),
            p95: percentile(0.95),
        },
        errors: errors(test, &inner),
        stats: rows,
        state,
        user_count: if is_active { all.users } else { 0 },
    }
}

/// Returns a row for each task with requests, and one for all.
pub(super) fn rows(test: &Test, inner: &Inner) -> Vec<Row> {
    let total = &inner.progress.total;
    let is_active = !inner.is_over;
    let current = |task| if is_active { inner.progress.current(task) } else { (0.0, 0.0) };
    let tasks = test.scenario.tasks().iter().zip(&total.tasks).enumerate();
    let mut rows: Vec<Row> = tasks
        .filter(|(_, (_, window))| window.requests > 0)
        .map(|(index, (task, window))| {
            Row::new((&task.method, &task.name), window, current(Some(index)))
        })
        .collect();
    rows.push(Row::new(("", "Aggregated"), &total.all, current(None)));
    rows
}

/// Returns a row for each kind of failure of each task.
pub(super) fn errors(test: &Test, inner: &Inner) -> Vec<ErrorRow> {
    let at = |since: Duration| seconds(test.began + since);
    let tasks = &inner.progress.total.tasks;
    let text = |kind: FailureKind| {
        let text = crate::output::failure_text(&test.scenario, kind);
        // The words are those of the first failure of a kind, whichever task it was of.
        let is_of_one = tasks.iter().filter(|t| t.failures.contains_key(&kind)).count() == 1;
        let words = inner.progress.words.get(&kind).filter(|words| !words.is_empty() && is_of_one);
        match words {
            Some(words) => format!("{text}: {words}"),
            None => text,
        }
    };
    let rows = test.scenario.tasks().iter().zip(tasks);
    rows.flat_map(|(task, window)| window.failures.iter().map(move |of| (task, of)))
        .map(|(task, (kind, failures))| ErrorRow {
            method: task.method.clone(),
            name: task.name.clone(),
            error: text(*kind),
            occurrences: failures.count,
            first_seen: at(failures.first),
            last_seen: at(failures.last),
        })
        .collect()
}

impl Report {
    fn empty() -> Self {
        Self {
            stats: vec![Row::new(("", "Aggregated"), &Window::default(), (0.0, 0.0))],
            errors: Vec::new(),
            current_rps: 0.0,
            current_fail_per_sec: 0.0,
            total_rps: 0.0,
            total_fail_per_sec: 0.0,
            fail_ratio: 0.0,
            current_response_time_percentiles: Percentiles::default(),
            state: State::Ready,
            user_count: 0,
        }
    }
}

impl Row {
    fn new((method, name): (&str, &str), window: &Window, current: (f64, f64)) -> Self {
        let percentiles = window.service.percentiles();
        let seconds = window.length.as_secs_f64().max(1.0);
        Self {
            method: method.to_owned(),
            name: name.to_owned(),
            num_requests: window.requests,
            num_failures: window.failed(),
            min_response_time: percentiles.min,
            max_response_time: percentiles.max,
            current_rps: current.0,
            current_fail_per_sec: current.1,
            avg_response_time: percentiles.mean,
            median_response_time: percentiles.p50,
            total_rps: window.requests as f64 / seconds,
            total_fail_per_sec: window.failed() as f64 / seconds,
            p95: percentiles.p95,
            p99: percentiles.p99,
            avg_content_length: window.bytes as f64 / window.requests.max(1) as f64,
        }
    }
}

fn ms(latencies: &Latencies, q: f64) -> f64 {
    latencies.quantile(q).as_secs_f64() * 1e3
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Returns the time of day in UTC.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
