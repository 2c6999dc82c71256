//! Limits of what a sweep's answer proves.

use loadtest::verdict::Verdict;

use super::{JudgedSweep, Summary};
use crate::output::{
    page::{Cell, escape, list, paragraph, table},
    sweep::json::PROVENANCE,
};

/// Returns what remains, what was not decided, and where each figure comes from.
pub(super) fn not_proved(sweep: &JudgedSweep, summary: &Summary) -> String {
    let sentences = [
        summary.remaining.clone(),
        undecided(sweep),
        summary.machine.clone(),
        summary.cold_start.clone(),
        summary.stricter.clone(),
        "The limits are those of this machine: another one has the same curve at other CPU values."
            .to_owned(),
    ];
    let known: Vec<String> = sentences.into_iter().filter(|text| !text.is_empty()).collect();
    let rows: Vec<Vec<Cell>> = PROVENANCE
        .iter()
        .map(|(figure, is)| [figure, is].map(|word| Cell::Words((*word).to_owned())).to_vec())
        .collect();
    list(&known)
        + &format!("<h3>{}</h3>\n", escape("Measured, interpolated or assumed"))
        + &table("Origin of the figures", &["figures", "origin"], &rows)
        + &reasons(sweep)
}

fn undecided(sweep: &JudgedSweep) -> String {
    let count = |verdict| sweep.trials.iter().filter(|trial| trial.verdict == verdict).count();
    let (open, invalid) = (count(Verdict::Undecided), count(Verdict::Invalid));
    format!(
        "Of {} trials, {open} {} undecided and {invalid} invalid.",
        sweep.trials.len(),
        if open == 1 { "is" } else { "are" }
    )
}

/// Returns the reasons for the verdicts of trials, which may quote the server.
fn reasons(sweep: &JudgedSweep) -> String {
    let rows: Vec<Vec<Cell>> = sweep
        .trials
        .iter()
        .enumerate()
        .filter(|(_, trial)| !trial.reasons.is_empty())
        .map(|(index, trial)| {
            vec![
                Cell::Words(format!("{}", index + 1)),
                Cell::Verdict(trial.verdict),
                Cell::Words(trial.reasons.join("; ")),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => paragraph("No trial has a reason beside its figures."),
        false => table("Reasons for verdicts", &["trial", "verdict", "reason"], &rows),
    }
}
