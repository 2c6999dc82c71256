//! HTML page of a run, in one file that needs no script and no network.

mod charts;
mod points;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::time::UNIX_EPOCH;

use loadtest::verdict::Verdict;

use super::RunReport;
use crate::output::{
    charts::Theme,
    machine,
    page::{code, document, escape, facts, list, paragraph, section, tiles, verdict},
    time::utc,
};

/// Returns the page.
pub(super) fn page(report: &RunReport, theme: Theme) -> String {
    let hosts = report.hosts.join(", ");
    let content = [
        head(report, &hosts),
        tiles(&words::key_figures(report)),
        section("Over time", &charts::all(report)),
        section("Response times", &tables::percentiles(report)),
        section("Steps", &tables::steps(report)),
        section("Addresses", &tables::addresses(report)),
        section("Failures", &failures(report)),
        section("Validity", &validity(report)),
        section("Environment", &environment(report)),
    ];
    document(&format!("Load test of {hosts}"), theme, &content.concat())
}

fn head(report: &RunReport, hosts: &str) -> String {
    let shown = match &report.objective {
        Some(_) => verdict(report.judged.overall.verdict) + " ",
        None => String::new(),
    };
    let remarks: String = words::remarks(report)
        .iter()
        .map(|remark| format!("<p class=\"remark\">{}</p>\n", escape(remark)))
        .collect();
    format!(
        "<h1>Load test of {}</h1>\n<p class=\"lead\">{shown}{}</p>\n{remarks}",
        escape(hosts),
        escape(&words::sentences(report))
    )
}

fn failures(report: &RunReport) -> String {
    match report.outcome.total.all.failures.is_empty() {
        true => paragraph("No request failed."),
        false => tables::failures(report),
    }
}

fn validity(report: &RunReport) -> String {
    let answer = match (report.judged.overall.verdict, report.is_generator_limited()) {
        (Verdict::Invalid, _) => {
            "The generator was the limit, not the server: these figures say nothing about the \
                server."
        }
        (_, true) => {
            "The generator used its processors up: without a rate to keep, the server may take \
                more."
        }
        (_, false) => "The generator was not the limit.",
    };
    let calibrated = report.calibrated.map(|rate| {
        format!(
            "Against a server that does nothing, this generator reached {rate:.0} requests/s with \
                64 connections."
        )
    });
    let sentences: Vec<String> = std::iter::once(answer.to_owned()).chain(calibrated).collect();
    list(&sentences) + &tables::generator(report)
}

fn environment(report: &RunReport) -> String {
    let began = report.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let known = [
        ("Began", utc(began.as_secs())),
        ("Load", report.traffic()),
        ("Intended times are from", report.due().to_owned()),
        ("Seed", report.plan.seed.to_string()),
        ("Processor", machine::processor().unwrap_or_default()),
        ("Kernel", format!("Linux {}", machine::kernel())),
        ("loadgen", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    facts(&known) + "<h3>Command line</h3>\n" + &code(&machine::shell_line(&report.command))
}
