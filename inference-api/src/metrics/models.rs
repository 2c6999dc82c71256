//! Metrics of the models, read from their statistics on each scrape: requests pay nothing.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::repository::{BATCH_BOUNDS, Repository, Served, Statistics};

/// Collector for the served models.
pub(super) struct Models(pub(super) Arc<Repository>);

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Models(…)")
    }
}

type Labels<'a> = [(&'static str, &'a str); 2];
/// Values of one metric by the value of an additional label.
type Parts = fn(&Statistics) -> Vec<(&'static str, f64)>;

impl Collector for Models {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let catalog = self.0.catalog();
        let all: Vec<(&Served, Statistics)> =
            catalog.all().map(|served| (served.as_ref(), served.statistics())).collect();
        let requests: Parts =
            |of| vec![("success", of.success.count as f64), ("fail", of.fail.count as f64)];
        let seconds: Parts = |of| {
            let stages = [of.compute_input, of.queue, of.compute_infer, of.compute_output];
            ["parse", "queue", "inference", "write"]
                .into_iter()
                .zip(stages.map(|stage| stage.time.as_secs_f64()))
                .collect()
        };
        let counters = [
            ("model_requests", "Requests by model and how they ended", "outcome", requests),
            (
                "model_stage_seconds",
                "Time that a model's answered requests took, by stage",
                "stage",
                seconds,
            ),
        ];
        for (name, help, label, parts) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (served, statistics) in &all {
                for (part, value) in parts(statistics) {
                    let [model, version] = labels(served);
                    ConstCounter::new(value).encode(family.encode_family(&[
                        model,
                        version,
                        (label, part),
                    ])?)?;
                }
            }
        }
        let help = "Requests that wait for a model";
        let mut family =
            encoder.encode_descriptor("model_queue_length", help, None, MetricType::Gauge)?;
        for (served, _) in &all {
            let waiting = i64::try_from(served.waiting()).unwrap_or(i64::MAX);
            ConstGauge::new(waiting).encode(family.encode_family(&labels(served))?)?;
        }
        let help = "Rows in a run of a model";
        let mut family =
            encoder.encode_descriptor("model_batch_size", help, None, MetricType::Histogram)?;
        for (served, statistics) in &all {
            let bounds = BATCH_BOUNDS.into_iter().map(|bound| bound as f64).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(statistics.batch_sizes).collect();
            let labels = labels(served);
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(
                statistics.inferences as f64,
                statistics.executions,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

fn labels(served: &Served) -> Labels<'_> {
    [("model", &served.signature.name), ("version", &served.signature.version)]
}
