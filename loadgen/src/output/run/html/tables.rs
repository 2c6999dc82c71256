//! Tables of a run's page.

use loadtest::measure::{Latencies, Percentiles, Window};

use crate::output::{
    page::{Cell, table},
    run::RunReport,
};

/// Returns the percentiles of every step, by service and by intended time.
pub(super) fn percentiles(report: &RunReport) -> String {
    let head = ["step", "times", "mean", "p50", "p95", "p99", "p99.9", "p99.99", "max"];
    let of = |name: &str, times: &str, latencies: &Latencies| {
        let Percentiles { mean, p50, p95, p99, p99_9, p99_99, max, .. } = latencies.percentiles();
        let figures = [mean, p50, p95, p99, p99_9, p99_99, max];
        let ms = figures.map(|ms| if latencies.count() > 0 { Some(ms) } else { None });
        let words = [name, times].map(|word| Cell::Words(word.to_owned()));
        words.into_iter().chain(ms.map(|ms| Cell::number(ms, 2))).collect::<Vec<Cell>>()
    };
    let both = |name: &str, window: &Window| {
        [of(name, "service", &window.service), of(name, "intended", &window.intended)]
    };
    let mut rows = Vec::new();
    for (index, step) in report.outcome.steps.iter().enumerate() {
        rows.extend(both(&level(report, index), &step.all));
    }
    let total = &report.outcome.total;
    rows.extend(both("all, ramps included", &total.all));
    if total.tasks.len() > 1 {
        for (task, window) in report.scenario.tasks().iter().zip(&total.tasks) {
            rows.extend(both(&format!("{} {}", task.method, task.name), window));
        }
    }
    let caption = "Milliseconds: service times are from sending, intended ones from the due time";
    table(caption, &head, &rows)
}

/// Returns the rates and the verdict of every step.
pub(super) fn steps(report: &RunReport) -> String {
    let mut head =
        vec!["step", "window s", "requests", "failed", "requests/s", "planned/s", "due/s"];
    let has_verdicts = report.objective.is_some();
    if has_verdicts {
        head.extend(["verdict", "reasons"]);
    }
    let steps = report.outcome.steps.iter().zip(&report.judged.steps).enumerate();
    let row = |(index, (step, judged)): (usize, (&loadtest::measure::Measured, _))| {
        let judged: &loadtest::verdict::Judgement = judged;
        let window = &step.all;
        let mut row = vec![
            Cell::Words(level(report, index)),
            Cell::number(window.length.as_secs_f64(), 0),
            Cell::count(window.requests),
            Cell::count(window.failed()),
            Cell::number(window.requests_per_second(), 1),
            Cell::number(report.plan.planned_per_second(index), 1),
            Cell::number(report.due_per_second.get(index).copied().flatten(), 1),
        ];
        if has_verdicts {
            row.extend([Cell::Verdict(judged.verdict), Cell::Words(judged.reasons.join("; "))]);
        }
        row
    };
    table(
        "Requests that were due in each step's window",
        &head,
        &steps.map(row).collect::<Vec<_>>(),
    )
}

/// Returns the requests of each address; nothing for a single one.
pub(super) fn addresses(report: &RunReport) -> String {
    if report.outcome.addresses.len() < 2 {
        return String::new();
    }
    let row =
        |(host, addr, of): (&str, std::net::SocketAddr, &loadtest::measure::AddressRequests)| {
            let Percentiles { p50, p95, p99, .. } = of.service.percentiles();
            let mut row = vec![
                Cell::Words(addr.to_string()),
                Cell::Words(host.to_owned()),
                Cell::count(of.requests),
                Cell::count(of.failures),
            ];
            row.extend([p50, p95, p99].map(|ms| Cell::number(ms, 2)));
            row
        };
    let head = ["address", "host", "requests", "failed", "p50 ms", "p95 ms", "p99 ms"];
    let rows: Vec<_> = report.addresses().map(row).collect();
    table("Requests by address, service times", &head, &rows)
}

/// Returns the kinds of failures, with the server's words.
pub(super) fn failures(report: &RunReport) -> String {
    let head =
        ["failure", "count", "first s", "last s", "mean ms", "longest ms", "the server's words"];
    let row = |(kind, of): (&loadtest::measure::FailureKind, &loadtest::measure::Failures)| {
        vec![
            Cell::Words(report.failure(*kind)),
            Cell::count(of.count),
            Cell::number(of.first.as_secs_f64(), 1),
            Cell::number(of.last.as_secs_f64(), 1),
            Cell::number(of.mean().as_secs_f64() * 1e3, 1),
            Cell::number(of.longest.as_secs_f64() * 1e3, 1),
            Cell::Words(report.words(*kind).unwrap_or_default().to_owned()),
        ]
    };
    let rows: Vec<_> = report.outcome.total.all.failures.iter().map(row).collect();
    table("Failures by kind; first and last seen from the start of the load", &head, &rows)
}

/// Returns the generator's own figures.
pub(super) fn generator(report: &RunReport) -> String {
    let head = ["step", "lag p99 ms", "busiest core", "run-queue delay", "steal"];
    let row = |(index, step): (usize, &loadtest::measure::Measured)| {
        let load = step.all.generator;
        vec![
            Cell::Words(level(report, index)),
            Cell::number(step.all.lag.quantile(0.99).as_secs_f64() * 1e3, 2),
            Cell::share(load.busiest_core),
            Cell::share(load.run_delay_share),
            Cell::share(load.steal_share),
        ]
    };
    let rows: Vec<_> = report.outcome.steps.iter().enumerate().map(row).collect();
    table("The generator in each step's window", &head, &rows)
}

fn level(report: &RunReport, index: usize) -> String {
    let unit = if report.model() == "open" { "requests/s" } else { "users" };
    format!("{} {unit}", report.plan.steps[index].target)
}
