//! Shapes of load over time, as steps.

use std::{str::FromStr, time::Duration};

use super::{
    Level, Step,
    level::{in_range, number, positive},
    run_time::parse_run_time,
};

/// Change of the load over a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A fixed level, steps of it, or a ramp.
    Level(Level),
    /// k6's stages: each goes linearly to its target in its time, and is measured by itself.
    Stages(Vec<(Duration, f64)>),
    /// Base level, peak within a second, hold, and back to the base, which shows recovery.
    Spike {
        /// Level before and after the peak.
        base: f64,
        /// Level at the peak.
        peak: f64,
        /// Length of the peak. The base is held as long before it, and twice as long after it.
        length: Duration,
    },
    /// One level for a long time, measured in windows of this length, which shows drift.
    Soak {
        /// Level held to the end.
        level: f64,
        /// Length of a window.
        window: Duration,
    },
}

/// Settings that a shape leaves open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Length of the whole run, if the shape does not set it.
    pub run_time: Duration,
    /// Users started or stopped per second; `None` in the open model, where a rate applies at once.
    pub spawn_rate: Option<f64>,
    /// Length of one of several steps, including its ramp.
    pub step_duration: Duration,
    /// Warm-up: time not measured at the beginning of each hold.
    pub warm_up: Duration,
}

const SPIKE_RAMP: Duration = Duration::from_secs(1);
const MAX_STEPS: usize = 10_000;

impl Shape {
    /// Returns the initial level: users, or a rate, present from the first moment.
    pub fn start(&self) -> f64 {
        match self {
            Self::Level(Level::Ramp(from, _)) => *from,
            _ => 0.0,
        }
    }

    /// Returns the steps of the shape.
    ///
    /// # Errors
    /// Returns an error if a ramp takes longer than its step.
    pub fn steps(&self, pace: &Pace) -> Result<Vec<Step>, String> {
        let held = |from: f64, target: f64, length: Duration| {
            let ramp = pace.ramp(from, target)?;
            if ramp + pace.warm_up >= length {
                return Err(format!(
                    "going to {target} takes {:.0} s, which leaves no time to measure them in \
                        {:.0} s: raise the spawn rate or the run time",
                    (ramp + pace.warm_up).as_secs_f64(),
                    length.as_secs_f64()
                ));
            }
            Ok(Step { target, ramp, hold: length - ramp, warm_up: pace.warm_up })
        };
        let linear = |target: f64, ramp: Duration| Step {
            target,
            ramp,
            hold: Duration::ZERO,
            warm_up: Duration::ZERO,
        };
        match self {
            Self::Level(Level::Fixed(level)) => Ok(vec![held(0.0, *level, pace.run_time)?]),
            Self::Level(Level::Ramp(_, to)) => Ok(vec![linear(*to, pace.run_time)]),
            Self::Level(Level::Steps(from, to, by)) => {
                let count = (((to - from) / by).floor() as usize).saturating_add(1);
                if count > MAX_STEPS {
                    return Err(format!("{count} steps are more than {MAX_STEPS}"));
                }
                let mut levels: Vec<f64> = (0..count).map(|i| from + by * i as f64).collect();
                if levels.last().is_some_and(|last| last < to) {
                    levels.push(*to);
                }
                let before = std::iter::once(0.0).chain(levels.iter().copied());
                before
                    .zip(&levels)
                    .map(|(before, &level)| held(before, level, pace.step_duration))
                    .collect()
            }
            Self::Stages(stages) => {
                Ok(stages.iter().map(|&(length, target)| linear(target, length)).collect())
            }
            &Self::Spike { base, peak, length } => {
                let step =
                    |target, ramp, hold| Step { target, ramp, hold, warm_up: Duration::ZERO };
                let first = pace.ramp(0.0, base)?;
                Ok(vec![
                    step(base, first, length),
                    step(peak, SPIKE_RAMP, length),
                    step(base, SPIKE_RAMP, 2 * length),
                ])
            }
            &Self::Soak { level, window } => {
                let first = held(0.0, level, pace.run_time)?;
                let windows = first.hold.div_duration_f64(window).floor() as usize;
                if windows == 0 {
                    return Err(format!(
                        "a soak's window of {} s is longer than the time that {level} are held: \
                            raise the run time",
                        window.as_secs_f64()
                    ));
                }
                if windows > MAX_STEPS {
                    return Err(format!("{windows} windows are more than {MAX_STEPS}"));
                }
                let next = Step {
                    target: level,
                    ramp: Duration::ZERO,
                    hold: window,
                    warm_up: Duration::ZERO,
                };
                let mut steps = vec![next; windows];
                steps[0] = Step { hold: window + pace.warm_up, ..first };
                Ok(steps)
            }
        }
    }
}

impl Pace {
    fn ramp(&self, from: f64, to: f64) -> Result<Duration, String> {
        let Some(rate) = self.spawn_rate else { return Ok(Duration::ZERO) };
        Duration::try_from_secs_f64((to - from).abs() / rate)
            .map_err(|_| format!("spawn rate {rate}: must be above 0"))
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help =
            "write spike(100, 2000, 10s), soak(500, 10m), or k6's stages: 30s:100,1m:500,10s:0";
        let wrong = |reason: String| format!("shape {text:?}: {reason}; {help}");
        let level = |text: &str| positive(text).and_then(in_range).map_err(wrong);
        let time = |text: &str| parse_run_time(text.trim()).map_err(wrong);
        let arguments = |inside: &str| {
            inside.trim_end_matches(')').split(',').map(str::to_owned).collect::<Vec<_>>()
        };
        let text_ = text.trim();
        if let Some(inside) = text_.strip_prefix("spike(") {
            let [base, peak, length] = &arguments(inside)[..] else {
                return Err(wrong("spike takes three".to_owned()));
            };
            return Ok(Self::Spike {
                base: level(base)?,
                peak: level(peak)?,
                length: time(length)?,
            });
        }
        if let Some(inside) = text_.strip_prefix("soak(") {
            let [users, window] = &arguments(inside)[..] else {
                return Err(wrong("soak takes two".to_owned()));
            };
            return Ok(Self::Soak { level: level(users)?, window: time(window)? });
        }
        let stage = |stage: &str| {
            let (length, target) =
                stage.split_once(':').ok_or_else(|| wrong(format!("{stage:?} is no stage")))?;
            Ok((time(length)?, number(target).and_then(in_range).map_err(wrong)?))
        };
        text_.split(',').map(stage).collect::<Result<_, _>>().map(Self::Stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        run_time: Duration::from_secs(60),
        spawn_rate: Some(100.0),
        step_duration: Duration::from_secs(10),
        warm_up: Duration::from_secs(1),
    };

    fn seconds(step: &Step) -> (f64, f64, f64) {
        (step.target, step.ramp.as_secs_f64(), step.hold.as_secs_f64())
    }

    #[test]
    fn steps_are_ramped_and_held() {
        let shape = Shape::Level("500:1200:500".parse().unwrap());
        let steps = shape.steps(&PACE).unwrap();
        let expected = [(500.0, 5.0, 5.0), (1000.0, 5.0, 5.0), (1200.0, 2.0, 8.0)];
        assert_eq!(
            steps.iter().map(seconds).collect::<Vec<_>>(),
            expected,
            "the last step is what was asked for"
        );
        assert!(
            shape
                .steps(&Pace { spawn_rate: Some(10.0), ..PACE })
                .unwrap_err()
                .contains("raise the spawn rate")
        );
        let endless = Shape::Level("1:1000:1e-300".parse().unwrap());
        assert!(endless.steps(&PACE).unwrap_err().contains("steps are more than"));
        let open = shape.steps(&Pace { spawn_rate: None, ..PACE }).unwrap();
        assert_eq!(seconds(&open[0]), (500.0, 0.0, 10.0));
    }

    #[test]
    fn a_spike_goes_up_and_comes_back() {
        let steps = "spike(100, 2000, 10s)".parse::<Shape>().unwrap().steps(&PACE).unwrap();
        let expected = [(100.0, 1.0, 10.0), (2000.0, 1.0, 10.0), (100.0, 1.0, 20.0)];
        assert_eq!(steps.iter().map(seconds).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_soak_is_cut_into_windows() {
        let steps = "soak(100, 10s)".parse::<Shape>().unwrap().steps(&PACE).unwrap();
        assert_eq!(steps.len(), 5);
        assert_eq!(
            (seconds(&steps[0]), seconds(&steps[4])),
            ((100.0, 1.0, 11.0), (100.0, 0.0, 10.0))
        );
    }

    #[test]
    fn stages_are_k6s() {
        let steps = "30s:100,1m:100,10s:0".parse::<Shape>().unwrap().steps(&PACE).unwrap();
        assert_eq!(
            steps.iter().map(seconds).collect::<Vec<_>>(),
            [(100.0, 30.0, 0.0), (100.0, 60.0, 0.0), (0.0, 10.0, 0.0)]
        );
        for wrong in [
            "",
            "30s",
            "x:1",
            "30s:-1",
            "spike(1)",
            "soak(0, 10s)",
            "spike(1, 2, x)",
            "spike(1, 2, 18446744073709551615)",
        ] {
            assert!(
                wrong.parse::<Shape>().unwrap_err().contains("write spike"),
                "{wrong} was taken"
            );
        }
    }
}
