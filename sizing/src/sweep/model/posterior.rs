//! Posterior of edge, steepness and spread on a grid.

use super::{Observation, Start, observation::Seen};

/// Prior of the edge before any measured start: normal in the logarithm of the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

/// Posterior of the model.
#[derive(Debug, Clone)]
pub struct Posterior {
    thetas: Vec<f64>,
    /// Probability of each θ and σ, summed over γ.
    weights: Vec<[f64; SPREADS.len()]>,
}

/// Worth of a fresh trial under a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Expected decrease in the entropy of which limit is the answer, in nats.
    pub information: f64,
    /// Probability that this limit is the answer.
    pub is_answer: f64,
}

/// Steepness γ, with prior ln γ ~ N(ln 5, 0.8²).
const STEEPNESS: [f64; 8] = [1.5, 2.5, 4.0, 6.0, 10.0, 16.0, 26.0, 40.0];
/// Spread σ of the starts, with prior ln σ ~ N(ln 0.03, 0.8²).
const SPREADS: [f64; 7] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.13];
/// Medians and standard deviations of these priors.
const PRIORS: [(f64, f64); 2] = [(5.0, 0.8), (0.03, 0.8)];
/// Distance of neighbouring edges on the grid; for θ it is twice that.
const GRID: f64 = 0.0125;
/// Standard deviation of a censored measurement.
const CENSORED: f64 = 0.1;
/// Probability that a start does not fit the model, which keeps one odd start from outweighing all
/// others.
const ODD: f64 = 1e-4;

impl Posterior {
    /// Computes the posterior. It depends on the set of starts, not on their order.
    pub fn new(prior: Prior, starts: &[Start]) -> Self {
        let grid = Grid::covering(prior, starts);
        let mut tables: Vec<Table> = starts.iter().map(|start| Table::new(&grid, start)).collect();
        // Sums of floating-point numbers depend on their order, so it is fixed here.
        tables.sort_by(|a, b| a.order().total_cmp(&b.order()));
        let mut log = vec![[[0.0; SPREADS.len()]; STEEPNESS.len()]; grid.thetas.len()];
        for (theta, cells) in grid.thetas.iter().zip(&mut log) {
            let at = -0.5 * ((theta - prior.mean) / prior.sd).powi(2);
            for (cells, steepness) in cells.iter_mut().zip(STEEPNESS) {
                for (cell, spread) in cells.iter_mut().zip(SPREADS) {
                    let [(steep, steep_sd), (wide, wide_sd)] = PRIORS;
                    *cell = at
                        + log_normal(steepness / steep, steep_sd)
                        + log_normal(spread / wide, wide_sd);
                }
            }
        }
        for table in &tables {
            table.add_to(&grid, &mut log);
        }
        Self::normalised(grid.thetas, &log)
    }

    fn normalised(thetas: Vec<f64>, log: &[[[f64; SPREADS.len()]; STEEPNESS.len()]]) -> Self {
        let most = log.iter().flatten().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut weights: Vec<[f64; SPREADS.len()]> = log
            .iter()
            .map(|cells| {
                let mut sums = [0.0; SPREADS.len()];
                for cells in cells {
                    sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += (cell - most).exp());
                }
                sums
            })
            .collect();
        let all: f64 = weights.iter().flatten().sum();
        weights.iter_mut().flatten().for_each(|weight| *weight /= all);
        Self { thetas, weights }
    }

    /// Returns the probability that a fresh start with this room holds the objective.
    pub fn p_hold(&self, room: f64) -> f64 {
        self.cells()
            .map(|(theta, spread, weight)| weight * student_t4((room - theta) / spread))
            .sum()
    }

    /// Returns the quantile of the edge of the usual start, as room.
    pub fn quantile(&self, probability: f64) -> f64 {
        let mut sum = 0.0;
        for (theta, weights) in self.thetas.iter().zip(&self.weights) {
            sum += weights.iter().sum::<f64>();
            if sum >= probability {
                return *theta;
            }
        }
        self.thetas.last().copied().unwrap_or(0.0)
    }

    /// Returns mean and standard deviation of θ.
    pub fn moments(&self) -> (f64, f64) {
        let mean: f64 = self.cells().map(|(theta, _, weight)| weight * theta).sum();
        let variance: f64 =
            self.cells().map(|(theta, _, weight)| weight * (theta - mean).powi(2)).sum();
        (mean, variance.sqrt())
    }

    /// Returns the worth of a fresh trial under each of the ascending `rooms`, if the answer is the
    /// first of them that holds in a share `confidence` of all starts.
    pub fn worth(&self, rooms: &[f64], confidence: f64) -> Vec<Worth> {
        let quantile = student_t4_quantile(confidence);
        let answer = |theta: f64, spread: f64| {
            rooms.partition_point(|room| *room < theta + spread * quantile)
        };
        let mut before = vec![0.0; rooms.len() + 1];
        for (theta, spread, weight) in self.cells() {
            before[answer(theta, spread)] += weight;
        }
        let (_, uncertain) = entropy(&before);
        let of = |(index, room): (usize, &f64)| {
            let (mut held, mut failed) = (vec![0.0; rooms.len() + 1], vec![0.0; rooms.len() + 1]);
            for (theta, spread, weight) in self.cells() {
                let (at, holds) = (answer(theta, spread), student_t4((room - theta) / spread));
                held[at] += weight * holds;
                failed[at] += weight * (1.0 - holds);
            }
            let after: f64 = [entropy(&held), entropy(&failed)]
                .into_iter()
                .map(|(p, entropy)| p * entropy)
                .sum();
            Worth { information: (uncertain - after).max(0.0), is_answer: before[index] }
        };
        rooms.iter().enumerate().map(of).collect()
    }

    fn cells(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let of = |(theta, weights): (&f64, &[f64; SPREADS.len()])| {
            let theta = *theta;
            let weights = *weights;
            SPREADS.into_iter().zip(weights).map(move |(spread, weight)| (theta, spread, weight))
        };
        self.thetas.iter().zip(&self.weights).flat_map(of)
    }
}

/// Returns the sum of unnormalised probabilities, and the entropy of the normalised ones in nats.
fn entropy(weights: &[f64]) -> (f64, f64) {
    let sum: f64 = weights.iter().sum();
    let terms = weights.iter().filter(|p| **p > 0.0).map(|p| -p / sum * (p / sum).ln());
    (sum, terms.sum())
}

/// Edges of starts, and the θ among them.
struct Grid {
    edges: Vec<f64>,
    thetas: Vec<f64>,
}

impl Grid {
    /// Creates a grid over the range that the prior and the measurements leave possible.
    fn covering(prior: Prior, starts: &[Start]) -> Self {
        let (mut low, mut high) = (prior.mean - 3.0 * prior.sd, prior.mean + 3.0 * prior.sd);
        for Observation { room, seen } in starts.iter().flat_map(|start| &start.observations) {
            // A measured value places the edge near its room.
            if let Seen::Value(..) = seen {
                (low, high) = (low.min(room - 0.5), high.max(room + 0.5));
            }
            match seen {
                Seen::AtLeast(_) => high = high.max(room + 0.5),
                Seen::AtMost(_) => low = low.min(room - 0.5),
                Seen::Value(..) => {}
            }
        }
        let count = ((high - low) / GRID).ceil() as usize + 1;
        let edges: Vec<f64> = (0..count).map(|i| low + GRID * i as f64).collect();
        let thetas = edges.iter().step_by(2).copied().collect();
        Self { edges, thetas }
    }
}

/// Likelihood of a start's measurements, by its edge and by the steepness.
struct Table {
    likelihood: [Vec<f64>; STEEPNESS.len()],
    spread: f64,
}

impl Table {
    fn new(grid: &Grid, start: &Start) -> Self {
        let mut observations = start.observations.clone();
        observations.sort_by(|a, b| {
            a.room.total_cmp(&b.room).then(order(a.seen).total_cmp(&order(b.seen)))
        });
        let mut likelihood = STEEPNESS.map(|steepness| {
            let at = |edge: &f64| {
                observations
                    .iter()
                    .map(|observation| likelihood(observation, steepness, *edge))
                    .product::<f64>()
            };
            grid.edges.iter().map(at).collect::<Vec<f64>>()
        });
        // Relative to the best explanation of the start, so that an odd start stays odd however
        // many readings it has.
        let most = likelihood.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        likelihood.iter_mut().flatten().for_each(|value| *value /= most);
        Self { likelihood, spread: start.spread }
    }

    /// Returns a sort key that is the same for equal tables.
    fn order(&self) -> f64 {
        self.likelihood
            .iter()
            .flatten()
            .enumerate()
            .map(|(i, value)| value * (i + 1) as f64)
            .sum::<f64>()
            + self.spread
    }

    /// Adds the log likelihood to each cell, averaged over the edges that its starts may have.
    fn add_to(&self, grid: &Grid, log: &mut [[[f64; SPREADS.len()]; STEEPNESS.len()]]) {
        let count = grid.edges.len();
        for (s, spread) in SPREADS.into_iter().enumerate() {
            let spread = f64::hypot(spread, self.spread);
            let cumulated = |steps: f64| student_t4(steps * GRID / spread);
            // Probability of an edge at each distance, in steps of the grid.
            let kernel: Vec<f64> =
                (0..count).map(|d| cumulated(d as f64 + 0.5) - cumulated(d as f64 - 0.5)).collect();
            let reach = kernel.iter().position(|p| *p < 1e-5).unwrap_or(count);
            for (b, likelihood) in self.likelihood.iter().enumerate() {
                for (t, cells) in log.iter_mut().enumerate() {
                    let centre = t * 2;
                    let (from, to) = (centre.saturating_sub(reach), (centre + reach).min(count));
                    let near = &likelihood[from..to];
                    let sum: f64 = near
                        .iter()
                        .enumerate()
                        .map(|(i, p)| p * kernel[(from + i).abs_diff(centre)])
                        .sum();
                    cells[b][s] += (sum + ODD).ln();
                }
            }
        }
    }
}

fn order(seen: Seen) -> f64 {
    match seen {
        Seen::Value(z, sd) => z + sd,
        Seen::AtMost(z) => z - 100.0,
        Seen::AtLeast(z) => z + 100.0,
    }
}

/// Returns the likelihood of a measurement, given the edge of its start.
fn likelihood(observation: &Observation, steepness: f64, edge: f64) -> f64 {
    let expected = -steepness * (observation.room - edge);
    match observation.seen {
        Seen::Value(z, sd) => (-0.5 * ((z - expected) / sd).powi(2)).exp(),
        Seen::AtMost(z) => normal((z - expected) / CENSORED),
        Seen::AtLeast(z) => normal((expected - z) / CENSORED),
    }
}

/// Returns the log density of a lognormal variable relative to its median, up to a constant.
fn log_normal(ratio: f64, sd: f64) -> f64 {
    -0.5 * (ratio.ln() / sd).powi(2)
}

/// Returns the standard normal distribution function, by a logistic approximation that is never off
/// by more than 0.01.
fn normal(z: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * z).exp())
}

/// Returns the distribution function of Student's t with 4 degrees of freedom.
fn student_t4(t: f64) -> f64 {
    let scaled = 1.0 + t * t / 4.0;
    let x = t / scaled.sqrt();
    0.5 + 0.375 * x * (1.0 - x * x / 12.0)
}

/// Returns the quantile of Student's t with 4 degrees of freedom, by bisection.
fn student_t4_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-100.0, 100.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if student_t4(middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests;
