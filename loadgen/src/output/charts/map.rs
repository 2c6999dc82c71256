//! Map of the trials: CPU limit by memory limit, with verdicts and bottlenecks.

use loadtest::verdict::Verdict;
use orchestrator::Limits;
use sizing::{
    sweep::Answer,
    trial::{Bottleneck, Point, Purpose, Settings, Trial},
};

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    number, verdict_name,
};

const HEIGHT: f64 = 460.0;
const TOP: f64 = 100.0;
const BOTTOM: f64 = 370.0;
/// Space between the panels of two replica counts.
const GAP: f64 = 60.0;
/// Distance of marks at the same limits.
const BESIDE: f64 = 38.0;
/// Height of a label.
const LABEL: f64 = 14.0;
const MIB: f64 = (1 << 20) as f64;

/// Reading of a probe.
struct Small {
    cpus: f64,
    mib: f64,
    verdict: Verdict,
}

/// Trials of one replica count at the same limits with the same outcome.
struct Group {
    cpus: f64,
    mib: f64,
    verdict: Verdict,
    bottleneck: Option<Bottleneck>,
    count: usize,
}

/// Draws the fresh trials and ramps with all users, a panel for each replica count; `None` without
/// any.
pub fn map(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> Option<Chart> {
    let counts: Vec<Count> = settings
        .replicas
        .iter()
        .map(|replicas| Count::of(settings, trials, *replicas))
        .filter(|count| !count.groups.is_empty())
        .collect();
    if counts.is_empty() {
        return None;
    }
    let mibs = ascending(counts.iter().flat_map(Count::mibs).collect());
    let title = "Trials by CPU and memory limit of each replica";
    let subtitle = "evenly spaced; limit of a miss: c CPU quota, m memory, x replica ended, a \
        application; small marks: probes";
    let mut frame = Frame::new(HEIGHT, title, subtitle);
    let width = (RIGHT - LEFT + GAP) / counts.len() as f64 - GAP;
    for (index, count) in counts.iter().enumerate() {
        let left = LEFT + index as f64 * (width + GAP);
        let ranks = Ranks::new(count.cpus(), mibs.clone(), left, width);
        let known = answer.per_replicas.iter().find(|known| known.replicas == count.replicas);
        let minimum = known.and_then(|known| known.minimum()).map(|minimum| minimum.point);
        count.draw(&mut frame, &ranks, minimum);
    }
    legend(&mut frame);
    Some(frame.finish())
}

/// Trials of one replica count.
struct Count {
    replicas: u32,
    groups: Vec<Group>,
    readings: Vec<Small>,
}

impl Count {
    fn of(settings: &Settings, trials: &[Trial], replicas: u32) -> Self {
        let mine = || {
            trials.iter().filter(move |trial| {
                trial.spec.users == settings.max_users && trial.spec.point.replicas == replicas
            })
        };
        let mut groups: Vec<Group> = Vec::new();
        let is_start =
            |trial: &&Trial| matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp);
        for trial in mine().filter(is_start) {
            let (cpus, mib) = place(trial.spec.point.limits);
            let (verdict, bottleneck) = (trial.verdict, trial.bottleneck);
            let is_same = |group: &&mut Group| {
                (group.cpus, group.mib, group.verdict, group.bottleneck)
                    == (cpus, mib, verdict, bottleneck)
            };
            match groups.iter_mut().find(is_same) {
                Some(group) => group.count += 1,
                None => groups.push(Group { cpus, mib, verdict, bottleneck, count: 1 }),
            }
        }
        let readings = mine()
            .flat_map(|trial| &trial.readings)
            .filter(|reading| reading.users == settings.max_users)
            .map(|reading| {
                let (cpus, mib) = place(reading.limits);
                Small { cpus, mib, verdict: reading.verdict }
            })
            .collect();
        Self { replicas, groups, readings }
    }

    fn mibs(&self) -> Vec<f64> {
        let groups = self.groups.iter().map(|group| group.mib);
        groups.chain(self.readings.iter().map(|reading| reading.mib)).collect()
    }

    fn cpus(&self) -> Vec<f64> {
        let groups = self.groups.iter().map(|group| group.cpus);
        ascending(groups.chain(self.readings.iter().map(|reading| reading.cpus)).collect())
    }

    fn draw(&self, frame: &mut Frame, ranks: &Ranks, minimum: Option<Point>) {
        let panel = &ranks.panel;
        let name = match self.replicas {
            1 => "1 replica, MiB".to_owned(),
            more => format!("{more} replicas, MiB each"),
        };
        frame.panel(panel, &name, &named(&ranks.cpus, 1), &named(&ranks.mibs, ranks.every()));
        let middle = (panel.left + panel.right) / 2.0;
        frame.text(middle, panel.bottom + 34.0, "s", "middle", "CPU limit of a replica");
        for reading in &self.readings {
            let what = format!("probe, {}", limits(reading.cpus, reading.mib));
            frame.small_mark(reading.verdict, ranks.at(reading.cpus, reading.mib), &what);
        }
        if let Some((cpus, mib)) = minimum.map(|point| place(point.limits)) {
            let (x, y) = ranks.at(cpus, mib);
            frame.path("answer", &square(x, y, 11.0));
        }
        for (index, group) in self.groups.iter().enumerate() {
            let is_here = |other: &&Group| (other.cpus, other.mib) == (group.cpus, group.mib);
            let before = self.groups[..index].iter().filter(is_here).count();
            let (x, y) = ranks.at(group.cpus, group.mib);
            group.draw(frame, (x + BESIDE * before as f64, y));
        }
    }
}

impl Group {
    fn draw(&self, frame: &mut Frame, (x, y): (f64, f64)) {
        let why = self.bottleneck.map_or_else(String::new, |limit| format!(", limit: {limit}"));
        let (count, verdict) = (self.count, verdict_name(self.verdict));
        let what = format!("{}: {count} {verdict}{why}", limits(self.cpus, self.mib));
        frame.trial(self.verdict, (x, y), &what);
        let letter = self.bottleneck.map_or("", letter);
        let count = if count > 1 { format!("×{count}") } else { String::new() };
        frame.text(x + 14.0, y - 5.0, "s", "start", &format!("{letter}{count}"));
    }
}

/// Limits on a panel, evenly spaced: most of them are close together at the low end.
struct Ranks {
    cpus: Vec<f64>,
    mibs: Vec<f64>,
    panel: Panel,
}

impl Ranks {
    fn new(cpus: Vec<f64>, mibs: Vec<f64>, left: f64, width: f64) -> Self {
        let right = left + width;
        let last = |values: &[f64]| values.len() as f64 - 0.5;
        let x = Axis::linear(-0.5, last(&cpus), left, right);
        let y = Axis::linear(-0.5, last(&mibs), BOTTOM, TOP);
        Self { cpus, mibs, panel: Panel { x, y, left, right, top: TOP, bottom: BOTTOM } }
    }

    fn at(&self, cpus: f64, mib: f64) -> (f64, f64) {
        let rank = |values: &[f64], value: f64| values.partition_point(|v| *v < value) as f64;
        self.panel.at(rank(&self.cpus, cpus), rank(&self.mibs, mib))
    }

    /// Returns the distance of memory limits whose labels do not overlap.
    fn every(&self) -> usize {
        (self.mibs.len() as f64 * LABEL / (BOTTOM - TOP)).ceil().max(1.0) as usize
    }
}

/// Returns the ranks of limits with the limits as labels.
fn named(limits: &[f64], every: usize) -> Vec<(f64, String)> {
    let labels = limits.iter().enumerate().step_by(every);
    labels.map(|(rank, limit)| (rank as f64, number(*limit))).collect()
}

fn ascending(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Returns limits in processors and MiB.
fn place(limits: Limits) -> (f64, f64) {
    (limits.cpus.as_f64(), limits.memory_bytes as f64 / MIB)
}

fn limits(cpus: f64, mib: f64) -> String {
    format!("{} CPU, {mib:.0} MiB", number(cpus))
}

fn letter(bottleneck: Bottleneck) -> &'static str {
    match bottleneck {
        Bottleneck::Cpu => "c",
        Bottleneck::Memory => "m",
        Bottleneck::Crash => "x",
        Bottleneck::Application => "a",
    }
}

/// Returns the outline of a square around a place.
fn square(x: f64, y: f64, half: f64) -> [(f64, f64); 5] {
    [(-half, -half), (half, -half), (half, half), (-half, half), (-half, -half)]
        .map(|(dx, dy)| (x + dx, y + dy))
}

fn legend(frame: &mut Frame) {
    let y = HEIGHT - 18.0;
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Undecided, Verdict::Invalid];
    frame.verdicts(LEFT, y, &verdicts);
    frame.path("answer", &square(LEFT + 450.0, y - 4.0, 7.0));
    frame.text(LEFT + 464.0, y, "s", "start", "smallest limits that hold");
}
