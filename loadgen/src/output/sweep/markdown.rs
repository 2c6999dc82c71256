//! `REPORT.md`.

use sizing::sweep::Minimum;

use super::{HEADER, JudgedSweep, json::PROVENANCE, row};
use crate::output::tables;

/// Returns the content of `REPORT.md`.
pub(super) fn file(sweep: &JudgedSweep) -> String {
    let (settings, trials) = (&sweep.basis.settings, &sweep.trials);
    let (answer, summary) = (&sweep.answer(), &sweep.summary());
    let prices = sweep.basis.prices.as_ref();
    let mut text = format!(
        "# The smallest limits for {} users\n\n{}\n\n",
        settings.max_users, summary.minimum
    );
    let note = sweep.note();
    if !note.is_empty() {
        text.push_str(&format!("{note}\n\n"));
    }
    if !answer.demand.is_empty() {
        text.push_str(&format!(
            "![Least CPU by users](demand.svg)\n\n{}\n\n",
            tables::demand(&answer.demand)
        ));
    }
    if trials.iter().any(|trial| trial.spec.purpose != sizing::trial::Purpose::Calibrate) {
        text.push_str("![CPU limit against latency and violations](curve.svg)\n\n");
    }
    text.push_str(&format!("{}\n\n", tables::minima(settings, answer, trials, prices)));
    for (question, summary) in [
        ("Can limits shrink with more replicas?", &summary.replicas_shrink),
        ("What is the most it takes?", &summary.capacity),
        ("One instance or several?", &summary.instances),
        ("A stricter objective?", &summary.stricter),
        ("What remained to be done?", &summary.remaining),
    ] {
        if !summary.is_empty() {
            text.push_str(&format!("**{question}** {summary}\n\n"));
        }
    }
    text.push_str(&format!(
        "{}\n\n{} {}\n\n",
        sweep.basis.environment.sentence(),
        summary.machine,
        summary.cold_start
    ));
    text.push_str("## Trials\n\n```text\n");
    text.push_str(HEADER);
    text.push('\n');
    for (index, trial) in trials.iter().enumerate() {
        let known =
            answer.per_replicas.iter().find(|known| known.replicas == trial.spec.point.replicas);
        text.push_str(&row(index + 1, trial, known));
        text.push('\n');
    }
    text.push_str("```\n\n");
    let reasons = trials.iter().enumerate().filter(|(_, trial)| !trial.reasons.is_empty());
    for (index, trial) in reasons {
        text.push_str(&format!("- Trial {}: {}\n", index + 1, trial.reasons.join("; ")));
    }
    for (index, trial) in trials.iter().enumerate().filter(|(_, trial)| !trial.readings.is_empty())
    {
        text.push_str(&format!(
            "\n### Readings of the probe, trial {}\n\n{}\n",
            index + 1,
            tables::readings(trial)
        ));
    }
    if let Some(minimum) = answer.cheapest(settings) {
        text.push_str(&winner(sweep, &minimum));
    }
    text.push_str("\n## Measured, interpolated or assumed\n\n");
    for (figure, is) in PROVENANCE {
        text.push_str(&format!("- {is}: {figure}\n"));
    }
    text
}

fn winner(sweep: &JudgedSweep, minimum: &Minimum) -> String {
    let mut text = String::new();
    if let Some(ramp) = minimum.confirmation(&sweep.trials) {
        text.push_str(&format!(
            "\n## Every step of the ramp of {}\n\n{}\n",
            ramp.spec.point,
            tables::steps(ramp)
        ));
    }
    if let Some(line) =
        sweep.manifests(&sweep.basis.source.without_secrets()).and_then(|m| m.docker_run)
    {
        text.push_str(&format!("\n## One replica of it\n\n```sh\n{line}\n```\n"));
    }
    text
}
