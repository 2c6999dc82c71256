//! A sweep's answer with everything that reports show of it.

use std::path::PathBuf;

use serde_json::Value;
use sizing::{
    sweep::{Answer, Next, answer, answer_anew, next},
    trial::{AgainError, Headroom, Minimize, Settings, Trial, judge_again as judge_trials_again},
};

use super::{Basis, Extent, Prices, Summary, SweepFolder, html, json};
use crate::{
    Error,
    output::{
        Journal,
        charts::{self, Chart, Theme},
    },
};
use loadtest::slo::Slo;

/// Options for judging a sweep again; none of them measures anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judging {
    /// Objective.
    pub objective: Option<Slo>,
    /// Share of fresh starts that has to hold the objective, above 0.5 and below 1.
    pub confidence: Option<f64>,
    /// Prices.
    pub prices: Option<Prices>,
    /// Headroom above the minimum.
    pub headroom: Option<Headroom>,
    /// Quantity to minimize among several answers.
    pub minimize: Option<Minimize>,
}

/// A sweep's trials, judged, with everything that the answer rests on.
#[derive(Debug)]
pub struct JudgedSweep {
    /// Folder of the sweep.
    pub dir: PathBuf,
    /// Everything that the answer rests on beside the trials; its settings judged them.
    pub basis: Basis,
    /// All trials, with their verdicts.
    pub trials: Vec<Trial>,
    /// Extent of the measurements behind the answer.
    pub extent: Extent,
    /// Options that differ from those of the sweep, with both values.
    pub changes: Vec<String>,
    pub(super) journal: Journal,
}

/// Judges the sweep in a folder with other options; without any, as the sweep itself did.
///
/// # Errors
/// Returns an error if the folder is not a sweep's or is damaged, or if its trials do not hold what
/// the objective asks about.
pub fn judge_again(dir: &std::path::Path, judging: &Judging) -> Result<JudgedSweep, Error> {
    SweepFolder::open(dir)?.judge(judging)
}

impl SweepFolder {
    /// Judges the sweep with other options; without any, as the sweep itself did.
    ///
    /// # Errors
    /// Returns an error if an option is out of range, or if the trials do not hold what the
    /// objective asks about.
    pub fn judge(&self, judging: &Judging) -> Result<JudgedSweep, Error> {
        let measured = &self.basis.settings;
        let settings = judging.applied(measured)?;
        let trials = if settings.objective == measured.objective {
            self.trials.clone()
        } else {
            self.is_within_timeout(&settings.objective)?;
            let objective = &settings.objective;
            judge_trials_again(&settings, &self.trials).map_err(|why| refused(objective, &why))?
        };
        let prices = judging.prices.clone().or_else(|| self.basis.prices.clone());
        let changes = changes(&self.basis, &settings, prices.as_ref());
        let extent = match next(&settings, &trials) {
            Next::Done => Extent::Whole,
            Next::Try(_) if changes.is_empty() => Extent::Early,
            Next::Try(_) => Extent::Again,
        };
        let basis = Basis { settings, prices, ..self.basis.clone() };
        let (dir, journal) = (self.dir.clone(), self.journal.clone());
        Ok(JudgedSweep { dir, basis, trials, extent, changes, journal })
    }

    /// Checks that requests were waited for as long as an objective allows.
    fn is_within_timeout(&self, objective: &Slo) -> Result<(), Error> {
        let timeout = self.basis.timeout_seconds;
        let limits = &objective.latency;
        match limits.iter().find(|limit| limit.limit.as_secs_f64() >= timeout) {
            Some(limit) => Err(Error::Usage(format!(
                "--slo {limit}: the sweep gave requests up after {timeout} s, so its journal has \
                    no longer times\n  help: name a limit below {timeout} s, or sweep again with a \
                    longer --timeout"
            ))),
            None => Ok(()),
        }
    }
}

fn refused(objective: &Slo, why: &AgainError) -> Error {
    Error::Usage(format!(
        "--slo {objective}: {why}\n  help: loadgen sweep --slo '{objective}' measures it"
    ))
}

impl Judging {
    /// Returns the settings with these options.
    ///
    /// # Errors
    /// Returns an error if the confidence is out of range.
    fn applied(&self, settings: &Settings) -> Result<Settings, Error> {
        let mut settings = settings.clone();
        if let Some(confidence) = self.confidence {
            if !(confidence > 0.5 && confidence < 1.0) {
                return Err(Error::Usage(format!(
                    "--confidence {confidence}: a share above 0.5 and below 1, for instance 0.95"
                )));
            }
            settings.confidence = confidence;
        }
        if let Some(prices) = &self.prices {
            (settings.cpu_price, settings.memory_price) = prices.per_month();
        }
        settings.headroom = self.headroom.unwrap_or(settings.headroom);
        settings.minimize = self.minimize.unwrap_or(settings.minimize);
        if let Some(objective) = &self.objective {
            settings.objective = objective.clone();
        }
        Ok(settings)
    }
}

/// Returns the options that differ from those of the sweep.
fn changes(basis: &Basis, settings: &Settings, prices: Option<&Prices>) -> Vec<String> {
    let before = &basis.settings;
    let mut changes = Vec::new();
    let mut add = |what: &str, was: String, is: String| {
        if was != is {
            changes.push(format!("{what} {is} (the sweep's: {was})"));
        }
    };
    add("objective", before.objective.to_string(), settings.objective.to_string());
    add("confidence", before.confidence.to_string(), settings.confidence.to_string());
    let shown =
        |prices: Option<&Prices>| prices.map_or_else(|| "none".to_owned(), Prices::to_string);
    add("prices", shown(basis.prices.as_ref()), shown(prices));
    let headroom =
        |of: Headroom| format!("cpu={:.0}%,memory={:.0}%", of.cpu * 100.0, of.memory * 100.0);
    add("headroom", headroom(before.headroom), headroom(settings.headroom));
    let minimize = |of: Minimize| format!("{of:?}").to_lowercase();
    add("minimize", minimize(before.minimize), minimize(settings.minimize));
    changes
}

impl JudgedSweep {
    /// Returns the sweep as its own settings judge it, at its end; `is_whole` is true for a
    /// completed one.
    pub fn ended(
        dir: PathBuf,
        basis: Basis,
        trials: Vec<Trial>,
        journal: Journal,
        is_whole: bool,
    ) -> Self {
        let extent = if is_whole { Extent::Whole } else { Extent::Early };
        Self { dir, basis, trials, extent, changes: Vec::new(), journal }
    }

    /// Returns the answer.
    pub fn answer(&self) -> Answer<'_> {
        let of = if self.changes.is_empty() { answer } else { answer_anew };
        of(&self.basis.settings, &self.trials)
    }

    /// Returns the answer in sentences.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.basis.settings, &self.answer(), &self.trials, self.extent)
    }

    /// Returns the content of `sweep.json`.
    pub fn json(&self) -> Value {
        json::file(self)
    }

    /// Returns the report as an HTML page in one file.
    pub fn page(&self, theme: Theme) -> String {
        html::page(self, theme)
    }

    /// Returns all charts, with their names.
    pub fn charts(&self) -> Vec<(&'static str, Chart)> {
        charts::of_sweep(&self.basis.settings, &self.answer(), &self.trials)
    }

    /// Returns a sentence on what differs from the sweep's own answer; empty for that answer.
    pub fn note(&self) -> String {
        if self.changes.is_empty() {
            return String::new();
        }
        let rest = match self.extent {
            Extent::Whole => "The trials of the sweep are enough for the answer.",
            Extent::Early | Extent::Again => {
                "More trials would be needed to confirm all of it: see what remains."
            }
        };
        format!("Judged again, nothing was measured: {}. {rest}", self.changes.join("; "))
    }
}
