//! Merger of load threads' reports into the seconds and steps of one run.

use std::{collections::BTreeMap, time::Duration};

use loadtest::{
    measure::{
        ByAddress, GeneratorLoad, GeneratorSecond, Measured, Second, ThreadSecond, Window, Words,
    },
    workload::StepTimes,
};

use crate::{LoadEvent, os::Steal};

/// Merges the seconds and steps that load threads report.
pub struct Merge<'a> {
    parts: u32,
    observe: &'a dyn Fn(LoadEvent),
    times: Vec<StepTimes>,
    steal: Steal,
    generator: BTreeMap<u64, GeneratorSecond>,
    seconds: BTreeMap<u64, (u32, Second)>,
    steps: BTreeMap<usize, (u32, Measured)>,
    pub addresses: ByAddress,
    pub words: Words,
}

impl<'a> Merge<'a> {
    pub fn new(
        parts: u32,
        observe: &'a dyn Fn(LoadEvent),
        times: Vec<StepTimes>,
        steal: Steal,
    ) -> Self {
        Self {
            parts,
            observe,
            times,
            steal,
            generator: BTreeMap::new(),
            seconds: BTreeMap::new(),
            steps: BTreeMap::new(),
            addresses: ByAddress::new(),
            words: Words::new(),
        }
    }

    /// Replaces the step times after an amendment of the plan.
    pub fn amend(&mut self, times: Vec<StepTimes>) {
        self.times = times;
    }

    /// Adds a thread's second; the last thread's part completes it.
    pub fn second(&mut self, part: &ThreadSecond) {
        let index = part.index;
        for (kind, words) in &part.words {
            self.words.entry(*kind).or_insert_with(|| words.clone());
        }
        for (address, requests) in &part.addresses {
            self.addresses.entry(*address).or_default().merge(requests);
        }
        let (have, second) =
            self.seconds.entry(index).or_insert_with(|| (0, Second { index, ..Second::default() }));
        *have += 1;
        second.add(part);
        if *have == self.parts
            && let Some((_, mut second)) = self.seconds.remove(&index)
        {
            // Read here and not in the load threads: on a large machine the kernel needs long to
            // write that file.
            second.generator.steal = self.steal.take();
            self.generator.insert(index, second.generator);
            (self.observe)(LoadEvent::Second(Box::new(second)));
        }
    }

    /// Sends the last seconds, which not every thread has reported.
    pub fn flush(&mut self) {
        for (_, (_, second)) in std::mem::take(&mut self.seconds) {
            (self.observe)(LoadEvent::Second(Box::new(second)));
        }
    }

    /// Adds a thread's windows of a step; the last thread's part completes it.
    pub fn step(&mut self, index: usize, part: &[Window]) {
        let (have, measured) = self.steps.entry(index).or_default();
        *have += 1;
        measured.merge(part);
        if *have == self.parts {
            let is_in = |second: u64| {
                let at = Duration::from_secs(second);
                self.times
                    .get(index)
                    .is_some_and(|times| at > times.measured_from && at <= times.end)
            };
            let seconds = self.generator.iter().filter(|(second, _)| is_in(**second));
            measured.all.generator = GeneratorLoad::of(seconds.map(|(_, generator)| generator));
            let window = Box::new(measured.all.clone());
            (self.observe)(LoadEvent::StepEnded { index, window });
        }
    }

    /// Returns the generator's load over all seconds.
    pub fn generator(&self) -> GeneratorLoad {
        GeneratorLoad::of(self.generator.values())
    }

    /// Returns the steps in order.
    pub fn steps(&mut self) -> Vec<Measured> {
        std::mem::take(&mut self.steps).into_values().map(|(_, measured)| measured).collect()
    }
}
