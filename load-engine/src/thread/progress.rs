//! Progress reports of a load thread: completed seconds and steps.

use std::time::Duration;

use super::{Report, Thread};

impl Thread {
    /// Reports the seconds and steps that are over.
    pub(super) fn report(&mut self, now: Duration) {
        self.most_present = self.most_present.max(self.present);
        while now >= Duration::from_secs(self.second) {
            self.report_second();
        }
        while let Some(times) = self.times.get(self.step).copied()
            && now >= times.end.min(self.end)
            && times.measured_from < self.end
            && self.next_due().is_none_or(|due| due >= times.end.min(self.end))
            && self.recorder.is_complete(self.step)
        {
            self.report_step();
        }
    }

    /// Reports, at the end and with nothing in flight, the rest of the last second and the steps
    /// that were begun.
    pub(super) fn report_rest(&mut self) {
        let generator = self.usage.take();
        let rest = self.recorder.take_second(self.second, self.present, generator);
        // A run that ends with a whole second has nothing left of the next one.
        if rest.tasks.iter().any(|task| task.requests > 0) || rest.lag.count() > 0 {
            let _ = self.work.reports.send(Report::Second(Box::new(rest)));
        }
        while self.step < self.times.len() && self.times[self.step].measured_from < self.end {
            self.report_step();
        }
    }

    fn report_second(&mut self) {
        let generator = self.usage.take();
        let second = self.recorder.take_second(self.second, self.present, generator);
        self.second += 1;
        // The receiver lives as long as the threads.
        let _ = self.work.reports.send(Report::Second(Box::new(second)));
    }

    fn report_step(&mut self) {
        let mut windows = self.recorder.take_step(self.step);
        let times = self.times[self.step];
        for window in &mut windows {
            window.length = times.end.min(self.end).saturating_sub(times.measured_from);
        }
        if let Some(first) = windows.first_mut().filter(|w| w.users == 0) {
            first.users = self.present;
        }
        let _ = self.work.reports.send(Report::Step(self.step, windows));
        self.step += 1;
    }
}
