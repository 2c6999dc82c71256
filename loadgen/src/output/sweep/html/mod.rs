//! `report.html`: the report of a sweep, in one file that needs no script and no network.

mod evidence;
mod tables;

use sizing::{sweep::ReplicaAnswer, trial::Mode};

use super::{JudgedSweep, Summary, files::Manifests, summary::lead};
use crate::output::{
    charts::{Theme, of_sweep},
    machine,
    numbers::{percent, thousands},
    page::{code, details, document, escape, facts, paragraph, section, tiles},
};

/// Returns the page.
pub(super) fn page(sweep: &JudgedSweep, theme: Theme) -> String {
    let summary = sweep.summary();
    let users = thousands(f64::from(sweep.basis.settings.max_users));
    let title = match sweep.basis.settings.mode {
        Mode::Demand => format!("Least CPU for up to {users} users"),
        Mode::Capacity => format!("The most users, up to {users}"),
        Mode::Minimal | Mode::Frontier | Mode::Grid => {
            format!("The smallest limits for {users} users")
        }
    };
    let content = [
        format!("<h1>{}</h1>\n{}", escape(&title), answer(sweep, &summary)),
        tiles(
            &key_figures(sweep)
                .into_iter()
                .map(|(name, figure, note)| (name.to_owned(), figure, note))
                .collect::<Vec<_>>(),
        ),
        figures(sweep),
        section("Questions and answers", &questions(&summary)),
        section("Not proved", &evidence::not_proved(sweep, &summary)),
        section("Trials", &tables::trials(sweep)),
        section("Files to apply", &manifests(sweep)),
        section("Environment", &environment(sweep)),
    ];
    document(&title, theme, &content.concat())
}

/// Returns the answer in three sentences, or else what is known.
fn answer(sweep: &JudgedSweep, summary: &Summary) -> String {
    let settings = &sweep.basis.settings;
    let prices = sweep.basis.prices.as_ref();
    let sentences = lead(settings, &sweep.answer(), &sweep.trials, prices);
    let sentences = sentences.map_or_else(|| summary.minimum.clone(), |all| all.join(" "));
    let note = match sweep.note() {
        note if note.is_empty() => String::new(),
        note => format!("<p class=\"remark\">{}</p>\n", escape(&note)),
    };
    format!("<p class=\"lead\">{}</p>\n{note}", escape(&sentences))
}

fn key_figures(sweep: &JudgedSweep) -> Vec<(&'static str, String, String)> {
    let settings = &sweep.basis.settings;
    let answer = sweep.answer();
    let minutes = sweep.trials.iter().fold(0.0, |sum, trial| sum + trial.wall_seconds) / 60.0;
    let measured =
        ("Trials", sweep.trials.len().to_string(), format!("{minutes:.0} minutes of measuring"));
    let Some(minimum) = answer.cheapest(settings) else { return vec![measured] };
    let point = minimum.point;
    let count = answer.per_replicas.iter().filter_map(ReplicaAnswer::minimum).count();
    let last = minimum.confirmation(&sweep.trials).and_then(|ramp| ramp.steps.last());
    let mut figures = vec![
        ("CPU each", point.limits.cpus.to_string(), String::new()),
        ("Memory each", format!("{} MiB", point.limits.memory_bytes >> 20), String::new()),
        ("Replicas", point.replicas.to_string(), format!("{count} counts have an answer")),
        (
            "Starts that hold",
            percent(minimum.p_hold),
            format!("{} asked for", percent(settings.confidence)),
        ),
    ];
    if let Some(step) = last {
        let ms = step.intended_ms;
        let figure = format!("{:.0} ms", ms.p95);
        figures.push(("p95 with all users", figure, format!("p99 {:.0} ms", ms.p99)));
        if let Some(prices) = &sweep.basis.prices {
            let cost = prices.cost(point, step.requests_per_second);
            let million =
                format!("{:.4} {} a million requests", cost.per_million_requests, cost.currency);
            let month = format!("{:.2} {}", cost.per_month, cost.currency);
            figures.push(("Cost a month", month, million));
        }
    }
    figures.push(measured);
    figures
}

/// Returns the charts, each with its section and the tables that belong to it.
fn figures(sweep: &JudgedSweep) -> String {
    let charts = of_sweep(&sweep.basis.settings, &sweep.answer(), &sweep.trials);
    let figure = |name: &str| {
        let chart = charts.iter().find(|(known, _)| *known == name);
        chart.map_or_else(String::new, |(_, chart)| chart.figure())
    };
    [
        section("Least CPU by users", &(figure("demand") + &tables::demand(sweep))),
        section("CPU limit and objective", &figure("curve")),
        section("CPU and memory", &figure("map")),
        section("Replica counts", &(tables::minima(sweep) + &figure("replicas"))),
        section("The ramp", &(figure("ramp") + &tables::ramp(sweep))),
    ]
    .concat()
}

fn questions(summary: &Summary) -> String {
    let all = [
        ("The smallest limits?", &summary.minimum),
        ("Do more replicas let them shrink?", &summary.replicas_shrink),
        ("The most it takes?", &summary.capacity),
        ("One instance or several?", &summary.instances),
    ];
    let answered = all.iter().filter(|(_, answer)| !answer.is_empty());
    let item = |(question, answer): &(&str, &String)| {
        format!("<h3>{}</h3>\n{}", escape(question), paragraph(answer))
    };
    answered.map(item).collect()
}

/// Returns the manifests with hidden values of variables: a page is published more easily than the
/// folder.
fn manifests(sweep: &JudgedSweep) -> String {
    let source = sweep.basis.source.without_secrets();
    let Some(Manifests { compose, docker_run, kubernetes }) = sweep.manifests(&source) else {
        return String::new();
    };
    let files = [
        ("compose.yaml", Some(compose)),
        ("One replica with docker run", docker_run),
        ("kubernetes.yaml", kubernetes),
    ];
    let note = match source.env.is_empty() {
        true => String::new(),
        false => paragraph("The values of environment variables are hidden on this page."),
    };
    let known = files.iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let all = known.map(|(name, text)| details(name, &code(text)));
    note + &all.collect::<String>()
}

fn environment(sweep: &JudgedSweep) -> String {
    let environment = &sweep.basis.environment;
    let command = machine::shell_line(environment.command());
    facts(&environment.facts()) + "<h3>Command line</h3>\n" + &code(&command)
}
