//! CPU and memory of all replicas together, by replica count.

use sizing::{
    sweep::{Answer, ReplicaAnswer},
    trial::Point,
};

use super::{chart::Chart, frame::Frame, number};
use crate::output::numbers;

/// Place and length of the longest bar.
const FROM: f64 = 150.0;
const LENGTH: f64 = 560.0;
const ROW: f64 = 62.0;
const MIB: f64 = (1 << 20) as f64;

/// Draws the minima of all replica counts as bars; `None` with fewer than two of them.
pub fn replicas(answer: &Answer<'_>) -> Option<Chart> {
    let minima: Vec<Point> =
        answer.per_replicas.iter().filter_map(ReplicaAnswer::minimum).map(|m| m.point).collect();
    if minima.len() < 2 {
        return None;
    }
    let most = |of: fn(&Point) -> f64| minima.iter().map(of).fold(0.0, f64::max);
    let (cpus, bytes) = (most(Point::cpus), most(Point::bytes));
    let height = 80.0 + ROW * minima.len() as f64;
    let subtitle = "Smallest limits that hold, all replicas together";
    let mut frame = Frame::new(height, "Replica counts", subtitle);
    for (index, point) in minima.iter().enumerate() {
        let y = 70.0 + ROW * index as f64;
        let [of_cpu, of_memory] = [point.cpus() / cpus, point.bytes() / bytes];
        frame.text(FROM - 14.0, y + 29.0, "", "end", &numbers::replicas(point.replicas));
        bar(&mut frame, "bar0", y, of_cpu, &format!("{} CPU", number(point.cpus())));
        let memory = format!("{:.0} MiB", point.bytes() / MIB);
        bar(&mut frame, "bar1", y + 25.0, of_memory, &memory);
    }
    Some(frame.finish())
}

fn bar(frame: &mut Frame, class: &str, y: f64, share: f64, label: &str) {
    let end = FROM + LENGTH * share;
    frame.rect(class, (FROM, y), (end, y + 21.0));
    frame.text(end + 8.0, y + 15.0, "s", "start", label);
}

/// Totals of a point.
trait Totals {
    fn cpus(&self) -> f64;
    fn bytes(&self) -> f64;
}

impl Totals for Point {
    fn cpus(&self) -> f64 {
        self.total_cpus()
    }

    fn bytes(&self) -> f64 {
        self.total_memory_bytes() as f64
    }
}
