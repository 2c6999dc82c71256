//! Formats of a run's results, for downloads.

use std::io;

use super::{RunReport, csv, hdr, html, json};
use crate::output::charts::Theme;

/// A result file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFormat {
    /// Locust's `_stats.csv`.
    Stats,
    /// Locust's `_stats_history.csv`.
    StatsHistory,
    /// Locust's `_failures.csv`.
    Failures,
    /// Locust's `_exceptions.csv`.
    Exceptions,
    /// The file of `--json`.
    Json,
    /// The file of `--hdr-log`.
    HdrLog,
    /// The page of `--html`.
    Html(Theme),
}

impl RunFormat {
    /// Returns the name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Stats => "stats.csv",
            Self::StatsHistory => "stats_history.csv",
            Self::Failures => "failures.csv",
            Self::Exceptions => "exceptions.csv",
            Self::Json => "run.json",
            Self::HdrLog => "latencies.hlog",
            Self::Html(_) => "report.html",
        }
    }

    /// Returns the media type of the file.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Stats | Self::StatsHistory | Self::Failures | Self::Exceptions => "text/csv",
            Self::Json => "application/json",
            Self::HdrLog => "text/plain; charset=utf-8",
            Self::Html(_) => "text/html; charset=utf-8",
        }
    }

    /// Returns the content of the file.
    ///
    /// # Errors
    /// Returns an error if the histograms cannot be encoded.
    pub fn content(self, report: &RunReport) -> io::Result<Vec<u8>> {
        Ok(match self {
            Self::Stats => csv::stats(report),
            Self::StatsHistory => csv::history(report),
            Self::Failures => csv::failures(report),
            Self::Exceptions => csv::exceptions(),
            Self::Json => json::text(report).into_bytes(),
            Self::HdrLog => hdr::log(report)?,
            Self::Html(theme) => html::page(report, theme).into_bytes(),
        })
    }
}
