//! Prometheus metrics of a run, with the labels of Locust and k6: method, name, error.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use load_engine::LoadEvent;
use loadtest::{
    measure::{FailureKind, Second},
    workload::{Plan, Scenario},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::distribution::Distribution;
use crate::{event::Event, output::failure_text};

type Share = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    method: String,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    method: String,
    name: String,
    error: String,
}

/// Counters since the start of the run, and gauges of its last second.
#[derive(Debug)]
pub(super) struct Figures {
    registry: Registry,
    plan: Plan,
    scenario: Arc<Scenario>,
    /// Metrics of each task, in the scenario's order.
    tasks: Vec<TaskFigures>,
    failures: Family<FailureLabels, Counter>,
    users: Gauge,
    step: Gauge,
    target: Share,
    planned: Share,
    lag: Distribution,
    cpu: Share,
    run_delay: Share,
    steal: Share,
}

#[derive(Debug)]
struct TaskFigures {
    requests: Counter,
    dropped: Counter,
    bytes: Counter,
    service: Distribution,
    intended: Distribution,
}

impl Figures {
    /// Creates all metrics at zero, with every task of the scenario, because a rate needs an
    /// initial zero.
    pub(super) fn new(plan: Plan, scenario: Arc<Scenario>) -> Self {
        let mut registry = Registry::with_prefix("loadgen");
        let requests = Family::<TaskLabels, Counter>::default();
        let failures = Family::default();
        let dropped = Family::<TaskLabels, Counter>::default();
        let bytes = Family::<TaskLabels, Counter>::default();
        let service = Family::<TaskLabels, Distribution>::default();
        let intended = Family::<TaskLabels, Distribution>::default();
        let (users, step) = (Gauge::default(), Gauge::default());
        let [target, planned, cpu, run_delay, steal] = std::array::from_fn(|_| Share::default());
        let lag = Distribution::default();
        registry.register(
            "requests",
            "Requests that have ended, dropped ones included",
            requests.clone(),
        );
        registry.register("failures", "Requests that failed, by why", failures.clone());
        registry.register(
            "dropped_requests",
            "Requests that were due and never sent",
            dropped.clone(),
        );
        registry.register("received_bytes", "Bytes of answers", bytes.clone());
        registry.register("service_time_seconds", "From sending to the last byte", service.clone());
        registry.register(
            "intended_time_seconds",
            "From when the request was due to the last byte",
            intended.clone(),
        );
        registry.register("users", "Users present; in the open model, connections", users.clone());
        registry.register("step", "The plan's step that is under way, from 0", step.clone());
        registry.register(
            "step_target",
            "Users, or arrivals a second, at which the step aims",
            target.clone(),
        );
        registry.register(
            "step_planned_requests_per_second",
            "Requests a second that the step plans; NaN where there is no rate to keep",
            planned.clone(),
        );
        registry.register(
            "generator_lag_seconds",
            "From when a request could be begun to when it was: the generator's own lateness",
            lag.clone(),
        );
        registry.register(
            "generator_cpu_ratio",
            "CPU seconds that the busiest load thread used in the last second",
            cpu.clone(),
        );
        registry.register(
            "generator_run_delay_ratio",
            "Seconds of the last one in which the worst load thread was ready to run and did not; \
                NaN where the kernel does not tell",
            run_delay.clone(),
        );
        registry.register(
            "generator_steal_ratio",
            "Share of its processors' last second that the hypervisor gave to others; NaN where \
                the kernel does not tell",
            steal.clone(),
        );
        let figures_of = |labels: TaskLabels| TaskFigures {
            requests: requests.get_or_create_owned(&labels),
            dropped: dropped.get_or_create_owned(&labels),
            bytes: bytes.get_or_create_owned(&labels),
            service: service.get_or_create_owned(&labels),
            intended: intended.get_or_create_owned(&labels),
        };
        let labels = scenario.tasks().iter().map(|task| task_labels(&task.method, &task.name));
        let tasks = labels.map(figures_of).collect();
        let figures = Self {
            registry,
            plan,
            scenario,
            tasks,
            failures,
            users,
            step,
            target,
            planned,
            lag,
            cpu,
            run_delay,
            steal,
        };
        figures.begin_step(0);
        figures
    }

    /// Updates the metrics from an event.
    pub(super) fn see(&self, event: &Event) {
        match event {
            Event::Load(LoadEvent::StepStarted { index, .. }) => self.begin_step(*index),
            Event::Load(LoadEvent::Second(second)) => self.add(second),
            _ => {}
        }
    }

    /// Renders the metrics in the OpenMetrics text format.
    pub(super) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn begin_step(&self, index: usize) {
        self.step.set(i64::try_from(index).unwrap_or(i64::MAX));
        self.target.set(self.plan.steps.get(index).map_or(0.0, |step| step.target));
        self.planned.set(self.plan.planned_per_second(index).unwrap_or(f64::NAN));
    }

    fn add(&self, second: &Second) {
        self.users.set(second.users.into());
        self.cpu.set(second.generator.cpu);
        self.run_delay.set(second.generator.run_delay.unwrap_or(f64::NAN));
        self.steal.set(second.generator.steal.unwrap_or(f64::NAN));
        self.lag.add(&second.lag);
        for ((figures, part), task) in
            self.tasks.iter().zip(&second.tasks).zip(self.scenario.tasks())
        {
            figures.requests.inc_by(part.requests);
            figures.bytes.inc_by(part.bytes);
            figures.service.add(&part.service);
            figures.intended.add(&part.intended);
            for (&kind, &count) in &part.kinds {
                if kind == FailureKind::Dropped {
                    figures.dropped.inc_by(count);
                }
                let TaskLabels { method, name } = task_labels(&task.method, &task.name);
                let labels =
                    FailureLabels { method, name, error: failure_text(&self.scenario, kind) };
                self.failures.get_or_create(&labels).inc_by(count);
            }
        }
    }
}

fn task_labels(method: &str, name: &str) -> TaskLabels {
    TaskLabels { method: method.to_owned(), name: name.to_owned() }
}
