//! Queueing and inference times of requests, from the server's own metrics.

use loadtest::workload::Request;

use super::{Reached, target::PATIENCE};

/// Sums of queueing and inference seconds, and the number of requests, since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerTimes {
    queue_seconds: f64,
    inference_seconds: f64,
    requests: f64,
}

/// Metrics of each known server: the line prefixes of queue, inference and count in the Prometheus
/// text format, and the number of their units in a second.
const KNOWN: [([&str; 3], f64); 2] = [
    (
        [
            "inference_stage_seconds_sum{stage=\"queue\"}",
            "inference_stage_seconds_sum{stage=\"inference\"}",
            "inference_stage_seconds_count{stage=\"inference\"}",
        ],
        1.0,
    ),
    // Triton.
    (
        [
            "nv_inference_queue_duration_us{",
            "nv_inference_compute_infer_duration_us{",
            "nv_inference_request_success{",
        ],
        1e6,
    ),
];

impl ServerTimes {
    /// Returns the current counters of a replica, asked with this request's headers; `None` if it
    /// has no such metrics, or does not answer.
    pub async fn of(replica: &Reached, request: &Request) -> Option<Self> {
        let answer = replica.ask(&request.get_as("/metrics"), PATIENCE).await.ok()?;
        (answer.status == 200).then(|| Self::read(&String::from_utf8_lossy(&answer.body)))?
    }

    /// Returns mean milliseconds in the queue and in inference since `before`; `None` without a
    /// request.
    pub fn since(&self, before: &Self) -> Option<(f64, f64)> {
        let requests = self.requests - before.requests;
        let mean = |now: f64, then: f64| (now - then).max(0.0) / requests * 1e3;
        (requests > 0.0).then(|| {
            (
                mean(self.queue_seconds, before.queue_seconds),
                mean(self.inference_seconds, before.inference_seconds),
            )
        })
    }

    fn read(text: &str) -> Option<Self> {
        KNOWN.into_iter().find_map(|([queue, inference, count], units)| {
            Some(Self {
                queue_seconds: sum(text, queue)? / units,
                inference_seconds: sum(text, inference)? / units,
                requests: sum(text, count)?,
            })
        })
    }
}

/// Returns the sum of the values of all lines with this prefix.
fn sum(text: &str, begins: &str) -> Option<f64> {
    let values = text
        .lines()
        .filter(|line| line.starts_with(begins))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok());
    values.reduce(|a: f64, b: f64| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_ours_and_of_triton_are_read() {
        let ours = "inference_stage_seconds_sum{stage=\"queue\"} \
            1.5\ninference_stage_seconds_sum{stage=\"inference\"} 0.5\n\
            inference_stage_seconds_count{stage=\"inference\"} 100\n";
        let times = ServerTimes::read(ours).unwrap();
        assert_eq!(times.since(&ServerTimes::default()), Some((15.0, 5.0)));
        let triton = "nv_inference_request_success{model=\"a\",version=\"1\"} \
            10\nnv_inference_request_success{model=\"b\"} 30\n\
            nv_inference_queue_duration_us{model=\"a\"} \
            1000\nnv_inference_queue_duration_us{model=\"b\"} 3000\n\
            nv_inference_compute_infer_duration_us{model=\"a\"} 8000\n";
        let times = ServerTimes::read(triton).unwrap();
        let (queue_ms, inference_ms) = times.since(&ServerTimes::default()).unwrap();
        assert!(
            (queue_ms - 0.1).abs() < 1e-9 && (inference_ms - 0.2).abs() < 1e-9,
            "{queue_ms} {inference_ms}"
        );
        assert_eq!(times.since(&times), None, "no request in between");
        assert_eq!(ServerTimes::read("up 1\n"), None);
    }
}
