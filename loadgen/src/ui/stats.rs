//! Statistics of the page, named as in Locust.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use loadtest::{
    measure::{AddressRequests, ByAddress, FailureKind, Latencies, Second, Words},
    workload::{Address, Request},
};
use serde::Serialize;

/// Points kept for the charts: half an hour.
const HISTORY: usize = 1800;

/// State of a test, as in Locust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ready,
    Running,
    Stopped,
}

/// Figures since the start, or the last reset.
#[derive(Debug)]
pub(super) struct Stats {
    state: State,
    host: String,
    method: String,
    path: String,
    users: u32,
    requests: u64,
    failures: u64,
    bytes: u64,
    latencies: Latencies,
    kinds: BTreeMap<FailureKind, u64>,
    words: Words,
    addresses: ByAddress,
    rps: f64,
    failures_per_second: f64,
    history: VecDeque<Point>,
    problem: Option<String>,
    /// Latest message about the addresses.
    notice: Option<String>,
}

/// A second on the charts.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// Milliseconds since 1970.
    time: u64,
    users: u32,
    rps: u64,
    failures: u64,
    /// Percentiles of this second's requests, in milliseconds.
    p50: f64,
    p95: f64,
}

/// Answer to `/stats/requests`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    state: State,
    host: String,
    user_count: u32,
    total_rps: f64,
    total_fail_per_sec: f64,
    fail_ratio: f64,
    stats: Vec<Row>,
    errors: Vec<ErrorRow>,
    addresses: Vec<AddressRow>,
    /// Message on the number of addresses that take load.
    spread: String,
    history: VecDeque<Point>,
    problem: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    method: String,
    name: String,
    num_requests: u64,
    num_failures: u64,
    median_response_time: f64,
    #[serde(rename = "response_time_percentile_0.95")]
    p95: f64,
    #[serde(rename = "response_time_percentile_0.99")]
    p99: f64,
    avg_response_time: f64,
    min_response_time: f64,
    max_response_time: f64,
    avg_content_length: f64,
    current_rps: f64,
    current_fail_per_sec: f64,
}

#[derive(Debug, Serialize)]
struct AddressRow {
    host: String,
    address: String,
    num_requests: u64,
    num_failures: u64,
    median_response_time: f64,
    #[serde(rename = "response_time_percentile_0.95")]
    p95: f64,
}

#[derive(Debug, Serialize)]
struct ErrorRow {
    method: String,
    name: String,
    error: String,
    occurrences: u64,
}

impl Stats {
    pub(super) fn new(host: &str, request: &Request) -> Self {
        Self::of(host, &request.method, &request.path)
    }

    fn of(host: &str, method: &str, path: &str) -> Self {
        Self {
            state: State::Ready,
            host: host.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            users: 0,
            requests: 0,
            failures: 0,
            bytes: 0,
            latencies: Latencies::default(),
            kinds: BTreeMap::new(),
            words: Words::new(),
            addresses: ByAddress::new(),
            rps: 0.0,
            failures_per_second: 0.0,
            history: VecDeque::new(),
            problem: None,
            notice: None,
        }
    }

    /// Claims the page for a new test against `host` and resets the figures. Returns false if a
    /// test is running.
    pub(super) fn claim(&mut self, host: &str) -> bool {
        if self.is_running() {
            return false;
        }
        *self = Self::of(host, &self.method, &self.path);
        self.state = State::Running;
        true
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.state = state;
        if state == State::Stopped {
            (self.users, self.rps, self.failures_per_second) = (0, 0.0, 0.0);
        }
    }

    pub(super) fn set_problem(&mut self, problem: String) {
        self.problem = Some(problem);
    }

    pub(super) fn set_notice(&mut self, notice: String) {
        self.notice = Some(notice);
    }

    /// Adds a second of the running test.
    pub(super) fn add(&mut self, second: &Second) {
        self.users = second.users;
        self.requests += second.requests;
        self.failures += second.failures;
        self.bytes += second.bytes;
        self.latencies.merge(&second.service);
        for (kind, count) in &second.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        for (kind, words) in &second.words {
            self.words.entry(*kind).or_insert_with(|| words.clone());
        }
        for (address, requests) in &second.addresses {
            self.addresses.entry(*address).or_default().merge(requests);
        }
        (self.rps, self.failures_per_second) = (second.requests as f64, second.failures as f64);
        let ms = |q: f64| second.service.quantile(q).as_secs_f64() * 1e3;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Point {
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
            users: second.users,
            rps: second.requests,
            failures: second.failures,
            p50: ms(0.5),
            p95: ms(0.95),
        });
    }

    /// Resets the figures; the test goes on.
    pub(super) fn reset(&mut self) {
        let (state, users) = (self.state, self.users);
        *self = Self::of(&self.host.clone(), &self.method, &self.path);
        (self.state, self.users) = (state, users);
    }

    pub(super) fn report(&self) -> Report {
        let ms = self.latencies.percentiles();
        let per_request =
            |total: f64| if self.requests > 0 { total / self.requests as f64 } else { 0.0 };
        let row = |method: &str, name: &str| Row {
            method: method.to_owned(),
            name: name.to_owned(),
            num_requests: self.requests,
            num_failures: self.failures,
            median_response_time: ms.p50,
            p95: ms.p95,
            p99: ms.p99,
            avg_response_time: ms.mean,
            min_response_time: self.latencies.quantile(0.0).as_secs_f64() * 1e3,
            max_response_time: ms.max,
            avg_content_length: per_request(self.bytes as f64),
            current_rps: self.rps,
            current_fail_per_sec: self.failures_per_second,
        };
        Report {
            state: self.state,
            host: self.host.clone(),
            user_count: self.users,
            total_rps: self.rps,
            total_fail_per_sec: self.failures_per_second,
            fail_ratio: per_request(self.failures as f64),
            stats: vec![row(&self.method, &self.path), row("", "Aggregated")],
            errors: self
                .kinds
                .iter()
                .map(|(kind, &occurrences)| ErrorRow {
                    method: self.method.clone(),
                    name: self.path.clone(),
                    error: match self.words.get(kind).filter(|words| !words.is_empty()) {
                        Some(words) => format!("{kind}: {words}"),
                        None => kind.to_string(),
                    },
                    occurrences,
                })
                .collect(),
            addresses: self.address_rows(),
            spread: self.spread(),
            history: self.history.clone(),
            problem: self.problem.clone(),
        }
    }

    fn address_rows(&self) -> Vec<AddressRow> {
        let hosts: Vec<&str> = self.host.split(", ").collect();
        let row = |(address, of): (&Address, &AddressRequests)| {
            let ms = of.service.percentiles();
            AddressRow {
                host: hosts.get(address.host).copied().unwrap_or_default().to_owned(),
                address: address.addr.to_string(),
                num_requests: of.requests,
                num_failures: of.failures,
                median_response_time: ms.p50,
                p95: ms.p95,
            }
        };
        self.addresses.iter().map(row).collect()
    }

    fn spread(&self) -> String {
        let loaded = self.addresses.values().filter(|of| of.requests > of.failures).count();
        match &self.notice {
            Some(notice) => notice.clone(),
            None if self.addresses.is_empty() => String::new(),
            None => format!("{loaded} of {} addresses answered requests.", self.addresses.len()),
        }
    }
}
