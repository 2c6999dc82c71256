//! Result files of a sweep, and its result on the terminal.

use std::{fs, io, path::Path};

use sizing::sweep::{Minimum, ReplicaAnswer};

use super::{Extent, JudgedSweep, markdown};
use crate::{
    Error,
    output::{
        charts::{Chart, Theme, png},
        manifests::{Source, compose, docker_run, kubernetes},
        tables,
    },
};

/// Manifests of an answer.
pub(super) struct Manifests {
    pub(super) compose: String,
    /// Command line that starts one replica; none for a service that was varied in place.
    pub(super) docker_run: Option<String>,
    pub(super) kubernetes: Option<String>,
}

impl JudgedSweep {
    /// Writes `sweep.json`, `REPORT.md`, `report.html`, charts and, if there is a minimum,
    /// manifests into a folder.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn write(&self, dir: &Path, theme: Theme) -> Result<(), Error> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        let text = serde_json::to_string_pretty(&self.json())
            .map_err(|e| Error::Write { path: dir.join("sweep.json"), source: e.into() })?;
        write(dir, "sweep.json", (text + "\n").as_bytes())?;
        write(dir, "REPORT.md", markdown::file(self).as_bytes())?;
        write(dir, "report.html", self.page(theme).as_bytes())?;
        let charts = self.charts();
        for name in ["curve", "demand"] {
            let chart = charts.iter().find(|(known, _)| *known == name);
            let file = chart.map(|(_, chart)| chart.file());
            write_or_remove(dir, &format!("{name}.svg"), file)?;
        }
        self.write_manifests(dir)
    }

    /// Writes every chart as an SVG file and as a PNG picture into a folder, and returns their
    /// names.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written, or if this machine has no font.
    pub fn write_charts(&self, dir: &Path, theme: Theme) -> Result<Vec<String>, Error> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        let charts = self.charts();
        let svg = |chart: &Chart| match theme {
            Theme::Auto => chart.file(),
            theme => chart.themed(theme),
        };
        let mut names = Vec::new();
        for (name, chart) in &charts {
            let name = format!("{name}.svg");
            write(dir, &name, svg(chart).as_bytes())?;
            names.push(name);
        }
        for (name, chart) in &charts {
            let name = format!("{name}.png");
            write(dir, &name, &png(chart, theme)?)?;
            names.push(name);
        }
        Ok(names)
    }

    /// Returns the result for the terminal: at most 20 lines.
    pub fn text(&self) -> String {
        let settings = &self.basis.settings;
        let (answer, summary) = (self.answer(), self.summary());
        let table =
            tables::minima(settings, &answer, &self.trials, self.basis.prices.as_ref()).to_string();
        let questions = [
            ("The smallest limits?", &summary.minimum),
            ("Do more replicas let them shrink?", &summary.replicas_shrink),
            ("The most it takes?", &summary.capacity),
            ("One instance or several?", &summary.instances),
        ];
        let mut lines: Vec<String> = vec![String::new(), table, String::new()];
        lines.extend(Some(self.note()).filter(|note| !note.is_empty()));
        lines.extend(questions.iter().map(|(question, summary)| format!("{question} {summary}")));
        if !summary.remaining.is_empty() {
            lines.push(summary.remaining);
        }
        if self.extent == Extent::Early {
            lines.push(format!(
                "loadgen sweep --resume {} goes on where it ended.",
                self.dir.display()
            ));
        }
        lines.join("\n")
    }

    /// Returns a line with the names of the files in a folder to which the result was written.
    pub fn files_line(&self, dir: &Path) -> String {
        // `sum` of nothing is -0.
        let seconds = self.trials.iter().fold(0.0, |sum, trial| sum + trial.wall_seconds);
        let mut files = vec!["sweep.json", "REPORT.md", "report.html"];
        files
            .extend(["curve.svg", "demand.svg"].into_iter().filter(|name| dir.join(name).exists()));
        if self.answer().cheapest(&self.basis.settings).is_some() {
            files.extend(self.basis.source.files());
        }
        format!(
            "{} trials in {:.0} min; the result is in {}: {}",
            self.trials.len(),
            seconds / 60.0,
            dir.display(),
            files.join(", ")
        )
    }

    /// Returns the manifests of the answer for a source; none without a confirmed minimum.
    pub(super) fn manifests(&self, source: &Source) -> Option<Manifests> {
        let settings = &self.basis.settings;
        let answer = self.answer();
        let minimum = answer.cheapest(settings)?;
        let point = answer.recommended(settings)?;
        let ramp = minimum.confirmation(&self.trials);
        let fewer = answer.per_replicas.iter().filter(|a| a.replicas < point.replicas);
        let alone = fewer
            .filter_map(ReplicaAnswer::minimum)
            .map(|minimum: Minimum| minimum.point.limits.memory_bytes)
            .max();
        // The image of a service that was varied in place may be known only by id.
        let is_known = source.service.is_none();
        Some(Manifests {
            compose: compose::file(source, point),
            docker_run: is_known.then(|| docker_run::line(source, point)),
            kubernetes: is_known.then(|| kubernetes::file(source, point, alone, ramp)),
        })
    }

    fn write_manifests(&self, dir: &Path) -> Result<(), Error> {
        let (compose, kubernetes) = match self.manifests(&self.basis.source) {
            Some(manifests) => (Some(manifests.compose), manifests.kubernetes),
            // Manifests of an earlier sweep in this folder would be mistaken for this one's.
            None => (None, None),
        };
        write_or_remove(dir, "compose.yaml", compose)?;
        write_or_remove(dir, "kubernetes.yaml", kubernetes)
    }
}

fn write_or_remove(dir: &Path, name: &str, content: Option<String>) -> Result<(), Error> {
    match content {
        Some(content) => write(dir, name, content.as_bytes()),
        None => remove(dir, name),
    }
}

fn remove(dir: &Path, name: &str) -> Result<(), Error> {
    let path = dir.join(name);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Write { path, source })
        }
        _ => Ok(()),
    }
}

fn write(dir: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    // Writes a temporary file and renames it, so that a reader sees a complete file.
    let staged = dir.join(format!(".{name}.new"));
    fs::write(&staged, content)
        .and_then(|()| fs::rename(&staged, &path))
        .map_err(|source| Error::Write { path, source })
}
