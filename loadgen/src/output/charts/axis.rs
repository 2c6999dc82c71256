//! Axes: mapping of values to coordinates, and ticks.

/// An axis, logarithmic or linear, between two coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

impl Axis {
    /// Returns a logarithmic axis from `low`, above 0, to `high`.
    pub fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low: low.ln(), high: high.ln(), from, to, is_log: true }
    }

    /// Returns a linear axis.
    pub fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to, is_log: false }
    }

    /// Returns the coordinate of a value, limited to the axis.
    pub fn at(&self, value: f64) -> f64 {
        let scaled = if self.is_log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = (scaled - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE);
        self.from + (self.to - self.from) * share.clamp(0.0, 1.0)
    }

    /// Returns round values within the axis: 1, 2 and 5 times powers of ten, or about six steps of
    /// a linear axis.
    pub fn ticks(&self) -> Vec<f64> {
        let (low, high) =
            if self.is_log { (self.low.exp(), self.high.exp()) } else { (self.low, self.high) };
        let is_within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
        if self.is_log {
            let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
            let all =
                powers.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
            return all.filter(is_within).collect();
        }
        let rough = (high - low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|digit| digit * power)
            .find(|step| *step >= rough)
            .unwrap_or(power);
        let first = (low / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|value| *value <= high * 1.001).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places_and_ticks_are_round() {
        let axis = Axis::log(1.0, 100.0, 0.0, 200.0);
        assert!(
            (axis.at(10.0) - 100.0).abs() < 1e-9 && axis.at(1e9) == 200.0 && axis.at(0.0) == 0.0
        );
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        let linear = Axis::linear(0.0, 10_000.0, 100.0, 0.0);
        assert!((linear.at(2500.0) - 75.0).abs() < 1e-9);
        assert_eq!(linear.ticks(), [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0]);
    }
}
