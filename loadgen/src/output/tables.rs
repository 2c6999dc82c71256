//! Result tables.

use std::time::Duration;

use comfy_table::{
    Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};
use loadtest::{
    measure::{GeneratorLoad, Measured, Window},
    workload::Scenario,
};
use sizing::{
    sweep::{Answer, DemandPoint, Finding},
    trial::{Settings, Trial},
};

use crate::{output::RunReport, output::sweep::Prices};

/// Returns the result of a run: each step, and all requests including those of the ramps.
pub fn run(report: &RunReport) -> String {
    let total = &report.outcome.total.all;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "window",
        "requests",
        "failed",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "mean ms",
        "req/s",
        "planned/s",
        "achieved",
    ]);
    let row = |name: String, window: &Window, rates: Option<(Option<f64>, Option<f64>)>| {
        let ms = window.service.percentiles();
        let rate = window.requests_per_second();
        let rates = match rates {
            // Relative to the requests due in this window, which differ from the planned rate by
            // chance and by users who start together.
            Some((Some(planned), Some(due))) => [
                format!("{rate:.1}"),
                format!("{planned:.1}"),
                format!("{:.1}%", rate / due.max(f64::MIN_POSITIVE) * 100.0),
            ],
            Some(_) => [format!("{rate:.1}"), "-".to_owned(), "-".to_owned()],
            None => [(); 3].map(|()| "-".to_owned()),
        };
        [name, window.requests.to_string(), window.failed().to_string()]
            .into_iter()
            .chain([ms.p50, ms.p95, ms.p99, ms.max, ms.mean].map(|v| format!("{v:.2}")))
            .chain(rates)
            .collect::<Vec<_>>()
    };
    for (index, measured) in report.outcome.steps.iter().enumerate() {
        table.add_row(row(
            window_name(report, index),
            &measured.all,
            Some((report.plan.planned_per_second(index), report.due_per_second[index])),
        ));
    }
    table.add_row(row("all, ramps included".to_owned(), total, None));
    if report.outcome.total.tasks.len() > 1 {
        for (task, window) in report.scenario.tasks().iter().zip(&report.outcome.total.tasks) {
            table.add_row(row(format!("  {} {}", task.method, task.name), window, None));
        }
    }
    if report.outcome.addresses.len() > 1 {
        for (_, addr, of) in report.addresses() {
            let ms = of.service.percentiles();
            let counts = [format!("  {addr}"), of.requests.to_string(), of.failures.to_string()];
            table.add_row(
                counts
                    .into_iter()
                    .chain([ms.p50, ms.p95, ms.p99, ms.max, ms.mean].map(|v| format!("{v:.2}"))),
            );
        }
    }
    for (kind, failures) in &total.failures {
        let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let name = format!("  failed: {}", report.failure(*kind));
        let [none, count] = [String::new(), failures.count.to_string()];
        let times = [ms(failures.longest), ms(failures.mean())];
        table.add_row(
            [name, none.clone(), count]
                .into_iter()
                .chain([none.clone(), none.clone(), none])
                .chain(times),
        );
    }
    let intended =
        report.outcome.steps.last().map(|step| step.all.intended.percentiles()).unwrap_or_default();
    let note = format!(
        "{}; {}; times are service times (intended, from {}, in the last step: p95 {:.2}, p99 \
            {:.2} ms); {} reopened, {} resent",
        report.hosts.join(", "),
        report.traffic(),
        report.due(),
        intended.p95,
        intended.p99,
        total.reopened,
        total.resent
    );
    let words = total.failures.keys().filter_map(|kind| {
        report.words(*kind).map(|words| format!("\nFirst {}: {words}", report.failure(*kind)))
    });
    format!("{table}{}\n{note}\n{}", words.collect::<String>(), generator(report))
}

/// Returns the generator's figures in each window.
fn generator(report: &RunReport) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["generator", "lag p99 ms", "busiest core", "run-queue delay", "steal"]);
    for (index, measured) in report.outcome.steps.iter().enumerate() {
        let [lag, busiest, run_delay, steal] = of_generator(&measured.all);
        table.add_row([window_name(report, index), lag, busiest, run_delay, steal]);
    }
    table
}

/// Returns Locust's table of statistics: a row for each task and one for all.
pub fn stats(scenario: &Scenario, total: &Measured) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "Type",
        "Name",
        "# reqs",
        "# fails",
        "Avg",
        "Min",
        "Max",
        "Med",
        "req/s",
        "failures/s",
    ]);
    let mut add = |kind: &str, name: &str, window: &Window| {
        let ms = window.service.percentiles();
        let seconds = window.length.as_secs_f64().max(1.0);
        let share = window.failed() as f64 / window.requests.max(1) as f64;
        let names = [kind, name].map(str::to_owned);
        let counts =
            [window.requests.to_string(), format!("{} ({:.2}%)", window.failed(), share * 100.0)];
        let times = [ms.mean, ms.min, ms.max, ms.p50].map(|value| format!("{value:.2}"));
        let rates = [window.requests as f64 / seconds, window.failed() as f64 / seconds]
            .map(|rate| format!("{rate:.2}"));
        table.add_row(names.into_iter().chain(counts).chain(times).chain(rates));
    };
    for (task, window) in scenario.tasks().iter().zip(&total.tasks) {
        add(&task.method, &task.name, window);
    }
    add("", "Aggregated", &total.all);
    table.to_string()
}

fn window_name(report: &RunReport, index: usize) -> String {
    let seconds = report.outcome.steps[index].all.length.as_secs_f64();
    let unit = if report.model() == "open" { "requests/s" } else { "users" };
    let step = &report.plan.steps[index];
    let how = if step.hold.is_zero() { "reached in" } else { "held" };
    format!("{} {unit} {how} {seconds:.0} s", step.target)
}

/// Formats a share; `-` if the kernel does not report it.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

/// Formats the generator's figures of a window: lag p99 in ms, the busiest core's share, run-queue
/// delay, steal.
pub(super) fn of_generator(window: &Window) -> [String; 4] {
    let lag_ms = window.lag.quantile(0.99).as_secs_f64() * 1e3;
    let GeneratorLoad { busiest_core, run_delay_share, steal_share, .. } = window.generator;
    [format!("{lag_ms:.2}"), share(Some(busiest_core)), share(run_delay_share), share(steal_share)]
}

/// Returns a table of all steps of a trial.
pub fn steps(trial: &Trial) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "users",
        "req/s",
        "planned/s",
        "failures",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "lag p99 ms",
        "generator CPU",
        "run-queue delay",
        "steal",
        "verdict",
        "bottleneck",
    ]);
    for step in &trial.steps {
        let ms = step.intended_ms;
        table.add_row([
            step.users.to_string(),
            format!("{:.0}", step.requests_per_second),
            step.planned_per_second.map_or_else(|| "-".to_owned(), |p| format!("{p:.0}")),
            step.failures.to_string(),
            format!("{:.1}", ms.p50),
            format!("{:.1}", ms.p95),
            format!("{:.1}", ms.p99),
            format!("{:.1}", ms.max),
            format!("{:.2}", step.lag_p99_ms),
            share(Some(step.generator_busy)),
            share(step.generator_run_delay),
            share(step.generator_steal),
            step.verdict.to_string(),
            step.bottleneck.map_or_else(String::new, |bottleneck| bottleneck.to_string()),
        ]);
    }
    table
}

/// Returns a table of the readings of a probe.
pub fn readings(trial: &Trial) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "users",
        "CPU",
        "memory",
        "req/s",
        "p50 ms",
        "p95 ms",
        "violations",
        "throttled",
        "verdict",
        "",
    ]);
    for reading in &trial.readings {
        let ms = reading.intended_ms;
        let worst = reading.violation_rates.iter().map(|rate| rate.share).fold(0.0, f64::max);
        let what = match (&reading.refused, reading.is_recovery, reading.is_memory) {
            (Some(_), ..) => "refused",
            (None, true, _) => "recovery",
            (None, false, true) => "memory",
            (None, false, false) => "",
        };
        table.add_row([
            reading.users.to_string(),
            reading.limits.cpus.to_string(),
            format!("{} MiB", reading.limits.memory_bytes >> 20),
            format!("{:.0}", reading.requests_per_second),
            format!("{:.1}", ms.p50),
            format!("{:.1}", ms.p95),
            format!("{:.2}%", worst * 100.0),
            share(Some(reading.usage.throttled_share)),
            reading.verdict.to_string(),
            what.to_owned(),
        ]);
    }
    table
}

/// Returns a table of the least CPU by users.
pub fn demand(curve: &[DemandPoint]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["users", "least CPU", "edge of the usual start", "verified"]);
    for point in curve {
        table.add_row([
            point.users.to_string(),
            format!("{:.3}", point.cpus),
            format!("{:.3}", point.edge),
            if point.is_verified { "yes" } else { "" }.to_owned(),
        ]);
    }
    table
}

/// Returns a table of the minimum for each replica count, with its cost.
pub fn minima(
    settings: &Settings,
    answer: &Answer<'_>,
    trials: &[Trial],
    prices: Option<&Prices>,
) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let (month, million) = match prices {
        Some(_) => ("cost / month", "cost / million requests"),
        None => ("relative cost", ""),
    };
    let header = [
        "replicas",
        "CPU each",
        "memory each",
        "CPU",
        "memory",
        "p_hold",
        "p95 ms",
        "throttled",
        month,
        million,
    ];
    let is_shown = |column: &&str| !column.is_empty();
    table.set_header(header.into_iter().filter(is_shown));
    for known in &answer.per_replicas {
        let minimum = match &known.finding {
            Finding::Minimum(minimum) => minimum,
            other => {
                table.add_row([known.replicas.to_string(), unanswered(other)]);
                continue;
            }
        };
        let point = minimum.point;
        let ramp = minimum.confirmation(trials);
        let last = ramp.and_then(|t| t.steps.last());
        let cost =
            prices.zip(last).map(|(prices, last)| prices.cost(point, last.requests_per_second));
        let costs = match cost {
            Some(cost) => vec![
                format!("{:.2} {}", cost.per_month, cost.currency),
                format!("{:.4} {}", cost.per_million_requests, cost.currency),
            ],
            None => vec![format!("{:.3}", settings.cost(point))],
        };
        let row = [
            known.replicas.to_string(),
            point.limits.cpus.to_string(),
            format!("{} MiB", point.limits.memory_bytes >> 20),
            format!("{:.2}", point.total_cpus()),
            format!("{} MiB", point.total_memory_bytes() >> 20),
            super::numbers::percent(minimum.p_hold),
            last.map_or_else(String::new, |step| format!("{:.0}", step.intended_ms.p95)),
            ramp.map_or_else(String::new, |t| format!("{:.0}%", t.usage.throttled_share * 100.0)),
        ];
        table.add_row(row.into_iter().chain(costs));
    }
    table
}

fn unanswered(finding: &Finding) -> String {
    match finding {
        Finding::NotHeld { held_users, is_undecided: false } => {
            format!("not held; {held_users} users are")
        }
        Finding::NotHeld { held_users, is_undecided: true } => {
            format!("undecided; {held_users} users are held")
        }
        Finding::Capacity { users, .. } => format!("{users} users"),
        Finding::Grid { cheapest: Some(cheapest) } => cheapest.to_string(),
        Finding::Growing { .. } => "memory grows".to_owned(),
        Finding::NotTried => "not tried".to_owned(),
        Finding::Unconfirmed { .. } => "not confirmed".to_owned(),
        _ => "unknown".to_owned(),
    }
}
