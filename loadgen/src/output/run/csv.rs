//! Locust's four CSV files, with its names and columns.
//!
//! One thing differs: the history's percentiles are those of each second, and not of everything
//! since the start. So the percentiles of a step do not contain earlier steps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadtest::measure::{Latencies, Measured, Window};

use super::RunReport;

/// Locust's percentiles, with their column names.
const PERCENTILES: [(f64, &str); 11] = [
    (0.5, "50%"),
    (0.66, "66%"),
    (0.75, "75%"),
    (0.8, "80%"),
    (0.9, "90%"),
    (0.95, "95%"),
    (0.98, "98%"),
    (0.99, "99%"),
    (0.999, "99.9%"),
    (0.9999, "99.99%"),
    (1.0, "100%"),
];

/// Returns the files' name suffixes and contents.
pub(super) fn files(report: &RunReport) -> [(&'static str, Vec<u8>); 4] {
    [
        ("_stats.csv", stats(report)),
        ("_stats_history.csv", history(report)),
        ("_failures.csv", failures(report)),
        ("_exceptions.csv", exceptions()),
    ]
}

/// Returns the statistics of each task and of all.
pub(super) fn stats(report: &RunReport) -> Vec<u8> {
    let fixed = [
        "Type",
        "Name",
        "Request Count",
        "Failure Count",
        "Median Response Time",
        "Average Response Time",
        "Min Response Time",
        "Max Response Time",
        "Average Content Size",
        "Requests/s",
        "Failures/s",
    ];
    let total = &report.outcome.total;
    let seconds = total.all.length.as_secs_f64().max(1.0);
    let row = |kind: &str, name: &str, window: &Window| {
        let mut row = vec![kind.to_owned(), name.to_owned()];
        row.extend(totals(window.requests, window.failed(), window.bytes, &window.service));
        row.push((window.requests as f64 / seconds).to_string());
        row.push((window.failed() as f64 / seconds).to_string());
        row.extend(percentiles(&window.service));
        row
    };
    let tasks = report.scenario.tasks().iter().zip(&total.tasks);
    let mut rows: Vec<Vec<String>> =
        tasks.map(|(task, window)| row(&task.method, &task.name, window)).collect();
    rows.push(row("", "Aggregated", &total.all));
    table(&header(&fixed, &[]), &rows)
}

/// Returns count, failures, median, mean, minimum, maximum and mean size.
fn totals(requests: u64, failures: u64, bytes: u64, service: &Latencies) -> [String; 7] {
    let ms = service.percentiles();
    [
        requests.to_string(),
        failures.to_string(),
        ms.p50.to_string(),
        ms.mean.to_string(),
        ms.min.to_string(),
        ms.max.to_string(),
        (bytes as f64 / requests.max(1) as f64).to_string(),
    ]
}

/// Returns the figures of each second.
pub(super) fn history(report: &RunReport) -> Vec<u8> {
    let fixed = ["Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s"];
    let after = [
        "Total Request Count",
        "Total Failure Count",
        "Total Median Response Time",
        "Total Average Response Time",
        "Total Min Response Time",
        "Total Max Response Time",
        "Total Average Content Size",
    ];
    let began = report.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut so_far = report.earlier.clone();
    let mut tasks = Measured::default();
    let mut rows = Vec::new();
    for second in &report.seconds {
        so_far.merge(second);
        tasks.add(second);
        let at = (began + Duration::from_secs(second.index)).as_secs();
        let mut add =
            |names: [&str; 2], counts: [u64; 2], service: &Latencies, all: [String; 7]| {
                let mut row = vec![at.to_string(), second.users.to_string()];
                row.extend(names.map(str::to_owned));
                row.extend(counts.map(|count| format!("{count}.000000")));
                row.extend(percentiles(service));
                row.extend(all);
                rows.push(row);
            };
        // Seconds have tasks with --csv-full-history only.
        let each = report.scenario.tasks().iter().zip(&second.tasks).zip(&tasks.tasks);
        for ((task, now), all) in each {
            let all = totals(all.requests, all.failed(), all.bytes, &all.service);
            let counts = [now.requests, now.kinds.values().sum()];
            add([&task.method, &task.name], counts, &now.service, all);
        }
        let all = totals(so_far.requests, so_far.failures, so_far.bytes, &so_far.service);
        let counts = [second.requests, second.failures];
        add(["", "Aggregated"], counts, &second.service, all);
    }
    table(&header(&fixed, &after), &rows)
}

/// Returns the kinds of failure of each task.
pub(super) fn failures(report: &RunReport) -> Vec<u8> {
    let header =
        ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"].map(str::to_owned);
    let at = |since: Duration| {
        let time: SystemTime = report.began + since;
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().to_string()
    };
    let of_task = |(task, window): (&loadtest::workload::Task, &Window)| {
        let row =
            |(kind, failures): (&loadtest::measure::FailureKind, &loadtest::measure::Failures)| {
                vec![
                    task.method.clone(),
                    task.name.clone(),
                    report.failure(*kind),
                    failures.count.to_string(),
                    at(failures.first),
                    at(failures.last),
                ]
            };
        window.failures.iter().map(row).collect::<Vec<_>>()
    };
    let tasks = report.scenario.tasks().iter().zip(&report.outcome.total.tasks);
    table(&header, &tasks.flat_map(of_task).collect::<Vec<_>>())
}

/// Returns Locust's table of exceptions in user code, of which scenarios have none.
pub(super) fn exceptions() -> Vec<u8> {
    table(&["Count", "Message", "Traceback", "Nodes"].map(str::to_owned), &[])
}

fn header(before: &[&str], after: &[&str]) -> Vec<String> {
    before
        .iter()
        .copied()
        .chain(PERCENTILES.map(|(_, name)| name))
        .chain(after.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// Returns percentiles in milliseconds, to the microsecond.
fn percentiles(latencies: &Latencies) -> impl Iterator<Item = String> {
    let is_empty = latencies.count() == 0;
    PERCENTILES
        .map(|(q, _)| {
            let ms = latencies.quantile(q).as_micros() as f64 / 1e3;
            if is_empty { "N/A".to_owned() } else { ms.to_string() }
        })
        .into_iter()
}

fn table(header: &[String], rows: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(header)
        .and_then(|()| rows.iter().try_for_each(|row| writer.write_record(row)));
    // Writing into memory fails only for a row of another length than the header's.
    debug_assert!(written.is_ok(), "{written:?}");
    writer.into_inner().unwrap_or_default()
}
