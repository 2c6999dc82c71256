//! The trials so far, and the asking for one that is not there yet.

use super::{Load, Point, Purpose, Trial, TrialSpec};
use crate::verdict::Verdict;

/// Why there is no trial to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It was not made yet.
    Trial(TrialSpec),
    /// It was made, and the generator was the limit every time: it says nothing about the server.
    Unmeasurable,
}

/// How often a trial is made in which the generator was the limit.
const TRIES: usize = 2;

/// The trials so far.
#[derive(Debug, Clone, Copy)]
pub struct History<'a>(pub &'a [Trial]);

impl<'a> History<'a> {
    /// The trial that was made at this point with this load, whatever for. One that is not there yet, or was invalid and
    /// may be made again, is asked for.
    ///
    /// # Errors
    /// The trial that has to be made first, or that there is no use in making it once more.
    pub fn ask(self, purpose: Purpose, point: Point, load: Load) -> Result<&'a Trial, Missing> {
        let mut made = self.0.iter().filter(|t| t.spec.point == point && t.spec.load == load);
        if let Some(valid) = made.clone().find(|t| t.verdict != Verdict::Invalid) {
            return Ok(valid);
        }
        match made.nth(TRIES - 1) {
            Some(_) => Err(Missing::Unmeasurable),
            None => Err(Missing::Trial(TrialSpec { purpose, point, load })),
        }
    }

    /// Whether some trial at exactly this point failed, with whatever load.
    pub fn failed_at(self, point: Point) -> bool {
        self.0.iter().any(|t| t.spec.point == point && t.verdict == Verdict::Fail)
    }
}
