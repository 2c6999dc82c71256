//! HTML page with tables and charts, in one file that needs no network.

use std::fmt::Write;

use loadtest::measure::{Percentiles, Second, Window};

use super::{RunReport, Theme};
use crate::output::tables::of_generator;

const STYLE: &str = "\
    body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
    color:#222}\
    table{border-collapse:collapse;margin:1rem 0}\
    th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:right}\
    th:first-child,td:first-child,td.words{text-align:left}\
    svg{width:100%;height:auto;border:1px solid #ccc;margin:.3rem 0 1rem}\
    .fail{color:#b00}\
    .pass{color:#070}\
    h2{margin-top:2rem}\
    text{font:11px system-ui,sans-serif;fill:#555}";

/// Width, height and left margin of a chart, in SVG units.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 180.0;
const MARGIN: f64 = 50.0;

pub(super) fn page(report: &RunReport, _theme: Theme) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>loadgen run</title>",
    );
    let hosts = escape(&report.hosts.join(", "));
    let began_ms =
        report.began.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    // Writing into a String cannot fail.
    let _ = write!(
        page,
        "<style>{STYLE}</style><h1>{hosts}</h1><p>{}; intended times are from {}. Began \
            <script>document.currentScript.replaceWith(\
         new Date({began_ms}).toLocaleString())</script>, seed {}.</p>",
        escape(&report.traffic()),
        report.due(),
        report.plan.seed
    );
    for remark in report.remarks() {
        let _ = write!(page, "<p><strong>{}</strong></p>", escape(&remark));
    }
    page.push_str("<h2>Steps</h2>");
    page.push_str(&steps(report));
    if report.outcome.addresses.len() > 1 {
        page.push_str("<h2>Addresses</h2>");
        page.push_str(&addresses(report));
    }
    page.push_str("<h2>Generator</h2>");
    page.push_str(&generator(report));
    page.push_str("<h2>Failures</h2>");
    page.push_str(&failures(report, &report.outcome.total.all));
    let seconds = &report.seconds;
    let ms = |second: &Second, q: f64| second.service.quantile(q).as_secs_f64() * 1e3;
    let of = |figure: &dyn Fn(&Second) -> f64| seconds.iter().map(figure).collect::<Vec<f64>>();
    page.push_str("<h2>Requests and failures a second</h2>");
    page.push_str(&chart(&[
        ("requests", "#0a7", of(&|s| s.requests as f64)),
        ("failures", "#c22", of(&|s| s.failures as f64)),
    ]));
    page.push_str("<h2>Service time of each second, ms</h2>");
    page.push_str(&chart(&[
        ("p50", "#0a7", of(&|s| ms(s, 0.5))),
        ("p95", "#d80", of(&|s| ms(s, 0.95))),
        ("p99", "#c22", of(&|s| ms(s, 0.99))),
    ]));
    page.push_str("<h2>Users</h2>");
    page.push_str(&chart(&[("users", "#25c", of(&|s| f64::from(s.users)))]));
    page.push_str("</html>\n");
    page
}

fn steps(report: &RunReport) -> String {
    let mut table = String::from(
        "<table><tr><th>step<th>requests<th>failed<th>req/s<th>planned/s<th>p50 ms<th>p95 \
            ms<th>p99 ms<th>p99.9 ms<th>max ms\
         <th>intended p95<th>intended p99<th>verdict</tr>",
    );
    let mut row = |name: &str, window: &Window, planned: Option<f64>, verdict: Option<&str>| {
        let Percentiles { p50, p95, p99, p99_9, max, .. } = window.service.percentiles();
        let intended = window.intended.percentiles();
        let planned = planned.map_or_else(|| "-".to_owned(), |planned| format!("{planned:.1}"));
        let verdict = verdict.unwrap_or("");
        let _ = write!(
            table,
            "<tr><td>{name}<td>{}<td>{}<td>{:.1}<td>{planned}\
             <td>{p50:.2}<td>{p95:.2}<td>{p99:.2}<td>{p99_9:.2}<td>{max:.2}\
             <td>{:.2}<td>{:.2}<td class=\"{verdict}\">{verdict}</tr>",
            window.requests,
            window.failed(),
            window.requests_per_second(),
            intended.p95,
            intended.p99
        );
    };
    for (index, (step, judged)) in report.outcome.steps.iter().zip(&report.judged.steps).enumerate()
    {
        let verdict = judged.verdict.to_string();
        let verdict = report.objective.as_ref().map(|_| verdict.as_str());
        let name = report.plan.steps[index].target.to_string();
        row(&name, &step.all, report.plan.planned_per_second(index), verdict);
    }
    row("all, ramps included", &report.outcome.total.all, None, None);
    table + "</table>"
}

fn addresses(report: &RunReport) -> String {
    let rows = report.addresses().map(|(host, addr, of)| {
        let Percentiles { p50, p95, p99, .. } = of.service.percentiles();
        let (requests, failures) = (of.requests, of.failures);
        let host = escape(host);
        format!(
            "<tr><td>{addr}<td>{host}<td>{requests}<td>{failures}\
             <td>{p50:.2}<td>{p95:.2}<td>{p99:.2}</tr>"
        )
    });
    format!(
        "<table><tr><th>address<th>host<th>requests<th>failed<th>p50 ms<th>p95 ms<th>p99 \
            ms</tr>{}</table>",
        rows.collect::<String>()
    )
}

fn generator(report: &RunReport) -> String {
    let rows = report.outcome.steps.iter().enumerate().map(|(index, step)| {
        let [lag, busiest, run_delay, steal] = of_generator(&step.all);
        format!(
            "<tr><td>{}<td>{lag}<td>{busiest}<td>{run_delay}<td>{steal}</tr>",
            report.plan.steps[index].target
        )
    });
    format!(
        "<table><tr><th>step<th>lag p99 ms<th>busiest core<th>run-queue \
            delay<th>steal</tr>{}</table>",
        rows.collect::<String>()
    )
}

fn failures(report: &RunReport, window: &Window) -> String {
    if window.failures.is_empty() {
        return "<p>None.</p>".to_owned();
    }
    let rows = window.failures.iter().map(|(kind, failures)| {
        format!(
            "<tr><td>{}<td>{}<td>{:.1} s<td>{:.1} s<td>{:.1} ms<td>{:.1} ms<td class=words>{}</tr>",
            escape(&report.failure(*kind)),
            failures.count,
            failures.first.as_secs_f64(),
            failures.last.as_secs_f64(),
            failures.mean().as_secs_f64() * 1e3,
            failures.longest.as_secs_f64() * 1e3,
            escape(report.words(*kind).unwrap_or_default())
        )
    });
    format!(
        "<table><tr><th>failure<th>count<th>first<th>last<th>mean<th>longest<th>what the server \
            said first</tr>{}</table>",
        rows.collect::<String>()
    )
}

/// Draws lines over the seconds of the run.
fn chart(lines: &[(&str, &str, Vec<f64>)]) -> String {
    let most =
        lines.iter().flat_map(|line| &line.2).copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let seconds = lines.iter().map(|line| line.2.len()).max().unwrap_or(0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\"><text x=\"2\" y=\"22\">{most:.1}</text><text \
            x=\"2\" y=\"{HEIGHT}\">0</text>\
         <text x=\"{WIDTH}\" y=\"{}\">{seconds} s</text>",
        WIDTH + MARGIN + 10.0,
        HEIGHT + 40.0,
        HEIGHT + 25.0
    );
    for (index, (name, colour, values)) in lines.iter().enumerate() {
        let x = |i: usize| MARGIN + i as f64 / (seconds.max(2) - 1) as f64 * WIDTH;
        let y = |value: f64| 10.0 + (1.0 - value / most) * (HEIGHT - 10.0);
        let points: String =
            values.iter().enumerate().map(|(i, v)| format!("{:.1},{:.1} ", x(i), y(*v))).collect();
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{points}\"/>\
             <text x=\"{}\" y=\"{}\" style=\"fill:{colour}\">{name}</text>",
            MARGIN + index as f64 * 90.0,
            HEIGHT + 25.0
        );
    }
    svg + "</svg>"
}

/// Escapes text from servers and command lines.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
