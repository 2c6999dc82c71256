//! `loadgen report`.

use std::{io::Write, path::PathBuf};

use clap::Args;
use loadtest::slo::Slo;
use sizing::trial::{Headroom, Minimize};

use super::sweep::parse_confidence;
use crate::{
    Error, ExitStatus,
    output::{JudgedSweep, Judging, Price, Prices, Theme, judge_again, write_file},
};

/// Folder, in the sweep's own, of a report with other options.
const AGAIN: &str = "judged-again";
/// Folder of the charts, beside the report.
const CHARTS: &str = "charts";

/// `loadgen report DIR`.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Folder of a sweep.
    dir: PathBuf,

    /// Objective to judge by [default: the sweep's].
    #[arg(long)]
    slo: Option<Slo>,

    /// Share of fresh starts that hold the objective at the answer, above 0.5 and below 1 [default:
    /// the sweep's].
    #[arg(long, value_parser = parse_confidence)]
    confidence: Option<f64>,

    /// Price of a processor with currency and period, for instance "31.5 USD/month"; needs
    /// --memory-price [default: the sweep's].
    #[arg(long)]
    cpu_price: Option<Price>,

    /// Price of a GiB of memory, in the same currency [default: the sweep's].
    #[arg(long)]
    memory_price: Option<Price>,

    /// Headroom above the minimum in the manifests, for instance cpu=20%,memory=15%; used if a
    /// trial of the sweep confirms it [default: the sweep's].
    #[arg(long)]
    headroom: Option<Headroom>,

    /// Quantity to minimize among several answers: cost, cpu, memory or replicas [default: the
    /// sweep's].
    #[arg(long, value_enum)]
    minimize: Option<Minimize>,

    /// Write the HTML page to this file, and no other report.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write every chart as an SVG file and as a PNG picture too, into the folder charts.
    #[arg(long)]
    charts: bool,

    /// Colours of the page and of the charts: auto follows the reader's setting.
    #[arg(long, value_enum, default_value_t)]
    theme: Theme,
}

pub(super) fn run(options: &ReportOptions) -> Result<ExitStatus, Error> {
    let prices = Prices::new(options.cpu_price.clone(), options.memory_price.clone());
    let judging = Judging {
        objective: options.slo.clone(),
        confidence: options.confidence,
        prices: prices.map_err(Error::Usage)?,
        headroom: options.headroom,
        minimize: options.minimize,
    };
    let sweep = judge_again(&options.dir, &judging)?;
    // The sweep's own files stay those of its own options.
    let is_own = sweep.changes.is_empty();
    let dir = if is_own { options.dir.clone() } else { options.dir.join(AGAIN) };
    let mut lines = vec![sweep.text(), String::new()];
    match &options.html {
        Some(path) => {
            write_file(path, sweep.page(options.theme).as_bytes())?;
            lines.push(format!("The report is in {}.", path.display()));
        }
        None => {
            sweep.write(&dir, options.theme)?;
            lines.push(sweep.files_line(&dir));
        }
    }
    if options.charts {
        let dir = dir.join(CHARTS);
        let names = sweep.write_charts(&dir, options.theme)?;
        lines.push(format!("The charts are in {}: {}", dir.display(), names.join(", ")));
    }
    // A closed reader does not change the result.
    let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
    Ok(status(&sweep))
}

/// Returns success if the sweep has an answer.
fn status(sweep: &JudgedSweep) -> ExitStatus {
    let answer = sweep.answer();
    let is_met = super::sweep::has_answer(&answer);
    if is_met { ExitStatus::Met } else { ExitStatus::Missed }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{Command, FromArgMatches};
    use sizing::trial::Settings;

    use super::*;
    use crate::output::simulated_sweep;

    fn report(dir: &Path, words: &[&str]) -> Result<ExitStatus, Error> {
        let command = ReportOptions::augment_args(Command::new("report").no_binary_name(true));
        let folder = dir.display().to_string();
        let words = std::iter::once(folder.as_str()).chain(words.iter().copied());
        run(&ReportOptions::from_arg_matches(&command.get_matches_from(words)).unwrap())
    }

    fn files(dir: &Path) -> Vec<(PathBuf, String)> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
        files.into_iter().map(read).collect()
    }

    #[test]
    fn other_options_leave_the_files_of_the_sweep_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        simulated_sweep(dir.path(), Settings::example(), 0, 7);
        let own = files(dir.path());
        let status = report(dir.path(), &["--minimize", "cpu", "--theme", "dark"]).unwrap();
        assert_eq!(status, ExitStatus::Met);
        assert_eq!(files(dir.path()), own);
        let again = dir.path().join(AGAIN);
        let page = std::fs::read_to_string(again.join("report.html")).unwrap();
        assert!(page.contains("data-theme=\"dark\"") && page.contains("minimize cpu"), "{page}");
        let names: Vec<_> = files(&again).into_iter().map(|(path, _)| path).collect();
        assert!(names.contains(&again.join("sweep.json")), "{names:?}");
    }

    #[test]
    fn a_page_can_go_elsewhere_and_charts_are_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sweep");
        simulated_sweep(&folder, Settings::example(), 0, 7);
        let own = files(&folder);
        let page = dir.path().join("page.html");
        let words = ["--confidence", "0.999", "--html", &page.display().to_string()];
        assert_eq!(report(&folder, &words).unwrap(), ExitStatus::Missed);
        assert!(page.is_file() && !folder.join(AGAIN).exists());
        // Without a font there are no pictures, and the error says so.
        if report(&folder, &["--charts"]).is_ok() {
            assert!(folder.join("charts/curve.png").is_file());
        }
        assert!(folder.join("charts/curve.svg").is_file());
        let changed: Vec<_> =
            files(&folder).into_iter().zip(&own).filter(|(is, was)| is != *was).collect();
        assert!(changed.iter().all(|((path, _), _)| path.ends_with("sweep.json")));
    }

    #[test]
    fn a_folder_without_a_sweep_has_no_report() {
        let dir = tempfile::tempdir().unwrap();
        let error = report(dir.path(), &[]).unwrap_err();
        assert_eq!(error.status(), ExitStatus::Usage);
        assert!(error.to_string().contains("is this the folder of a sweep?"), "{error}");
        assert_eq!(files(dir.path()), []);
    }
}
