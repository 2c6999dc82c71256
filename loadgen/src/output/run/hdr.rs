//! HdrHistogram interval log of every second's latencies, as read by its tools and the viewers of
//! other generators.

use std::{io, time::Duration};

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};

use super::RunReport;

/// Divisor of the log's maximum column: values are microseconds, that column is in milliseconds.
const US_PER_MS: f64 = 1000.0;

/// Returns the log with compressed histograms in the V2 encoding.
///
/// # Errors
/// Returns an error if a histogram cannot be encoded.
pub(super) fn log(report: &RunReport) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("loadgen run: values are microseconds, the maximum is in milliseconds")
        .with_start_time(report.began)
        .with_base_time(report.began)
        .with_max_value_divisor(US_PER_MS)
        .begin_log_with(&mut bytes, &mut serializer)?;
    for second in &report.seconds {
        let start = Duration::from_secs(second.index.saturating_sub(1));
        for (tag, latencies) in [("service", &second.service), ("intended", &second.intended)] {
            log.write_histogram(
                latencies.histogram(),
                start,
                Duration::from_secs(1),
                Tag::new(tag),
            )
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
    }
    drop(log);
    Ok(bytes)
}
