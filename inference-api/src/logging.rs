//! Log filter, format and output.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Log targets that a filter may name: requests, this program, ONNX Runtime and registry access.
const PARTS: [&str; 5] = ["access", "inference_api", "ort", "reqwest", "rustls"];

/// Largest number of buffered lines; further lines are dropped.
const MOST_LINES: usize = 8192;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error on its own thread: a stalled reader cannot stop the server.
///
/// Dropping the returned guard flushes the buffered lines.
pub fn start(filter: &str, format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MOST_LINES)
        .lossy(true)
        .finish(std::io::stderr());
    // A filter that names only one target must not turn off all others.
    let has_level = filter.split(',').any(|directive| !directive.contains('='));
    let rest = if has_level { "" } else { "info," };
    let log = tracing_subscriber::fmt()
        // ONNX Runtime returns every error, and this server logs it with its context. Its own lines
        // are off by default.
        .with_env_filter(EnvFilter::new(format!("ort=off,{rest}{filter}")))
        .with_ansi(std::io::stderr().is_terminal())
        // tracing reports a closed log on the same standard error, with a macro that panics then.
        // The server must outlive the log's reader.
        .log_internal_errors(false)
        .with_writer(writer);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    guard
}

/// Parses a comma-separated list of `LEVEL` and `PART=LEVEL`.
///
/// tracing would read a misspelt level as a target of that name and log nothing.
///
/// # Errors
/// Returns a message that lists the valid levels or parts.
pub fn filter(text: &str) -> Result<String, String> {
    let mut directives = Vec::new();
    for directive in text.split(',').map(str::trim) {
        let (part, level) = directive
            .split_once('=')
            .map_or((None, directive), |(part, level)| (Some(part), level));
        let level = level.to_ascii_lowercase();
        if !LEVELS.contains(&level.as_str()) {
            return Err(format!(
                "there is no level {level:?}; the levels are {}",
                LEVELS.join(", ")
            ));
        }
        match part {
            None => directives.push(level),
            Some(part) if PARTS.contains(&part.split("::").next().unwrap_or(part)) => {
                directives.push(format!("{part}={level}"));
            }
            Some(part) => {
                return Err(format!(
                    "there is no part {part:?}; the parts are {}",
                    PARTS.join(", ")
                ));
            }
        }
    }
    Ok(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_parts_have_to_be_known() {
        assert_eq!(filter("INFO, access=debug").unwrap(), "info,access=debug");
        assert_eq!(filter("inference_api::serve=trace").unwrap(), "inference_api::serve=trace");
        for (wrong, word) in [
            ("verbose", "debug"),
            ("access", "debug"),
            ("acess=debug", "access"),
            ("", "info"),
            ("info,", "info"),
        ] {
            assert!(filter(wrong).unwrap_err().contains(word), "{wrong}");
        }
    }
}
