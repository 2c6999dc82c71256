//! One trial.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use orchestrator::{Blame, Deployment, MemoryUsage, PageCache, Service};

use super::{
    Expectation, Hold, Hopeless, Reached, Sweep, Timing, Watch, result,
    server_times::ServerTimes,
    sum_up::{not_started, without_load},
    usage::Readings,
};
use crate::{
    Error,
    engine::{self, Control, EngineError, Outcome, Steal},
    event::Event,
    measure::{Second, Window},
    sweep::{Load, Purpose, Trial, TrialSpec},
    verdict::{Judgement, LEAST_CHANCE, Scope, Verdict, chance_to_decide, judge},
    workload::{Plan, Request, Segment, Targets},
};

const POLL: Duration = Duration::from_millis(250);

/// What the engine and the watching of it brought.
pub(super) struct Driven {
    pub outcome: Outcome,
    pub readings: Readings,
    /// Memory of the largest replica before its users came, and the anonymous part of it.
    pub idle_bytes: (u64, u64),
    /// Mean milliseconds in the first replica's queue and inference, by its own metrics.
    pub server_ms: Option<(f64, f64)>,
    /// The last step's window.
    pub hold: Hold,
    /// The verdict on the last step that ended it.
    pub decided: Option<Judgement>,
    /// Why it could not pass any more, which ended it.
    pub stopped_early: Option<Hopeless>,
}

impl Sweep {
    /// Makes a trial; `None` if it was interrupted.
    ///
    /// # Errors
    /// When something that every trial needs is missing: an image, a cgroup, files. A replica that does not start under its
    /// limits is no error but a failed trial.
    pub(super) async fn trial(
        &mut self,
        spec: TrialSpec,
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Option<Trial>, Error> {
        let began = Instant::now();
        let deployment = Deployment {
            replicas: spec.point.replicas,
            limits: spec.point.limits,
            cpuset: self.pinning.replicas.clone(),
            ..self.deployment.clone()
        };
        let deployed = tokio::select! {
            deployed = self.orchestrator.deploy(&deployment) => deployed,
            // What was begun is removed when the orchestrator is closed.
            () = control.stopped() => return Ok(None),
        };
        let service = match deployed {
            Ok(service) => service,
            // What does not start under the largest limits never will.
            Err(error) if error.blame() == Blame::Replica && spec.purpose != Purpose::Calibrate => {
                return Ok(Some(not_started(spec, &error, began)));
            }
            Err(error) => return Err(error.into()),
        };
        let driven = self.load(&service, spec, events, control).await;
        let usage = self.orchestrator.usage(&service).await;
        let warm_because = match &service.page_cache {
            PageCache::Cold => None,
            PageCache::Warm(why) => Some(why.clone()),
        };
        self.orchestrator.tear_down(service).await?;
        let trial = match driven {
            _ if control.is_stopped() => return Ok(None),
            Ok(driven) => self.sum_up(spec, driven, began),
            // A replica that was asked before and does not answer now has its limits to blame.
            Err(Error::Unreachable(why) | Error::Usage(why)) if self.answered => {
                let mut readings = Readings::default();
                readings.add(Duration::ZERO, usage?);
                let usage = readings.summary(Duration::ZERO, Duration::MAX, 0.0);
                without_load(spec, usage, why, began)
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Trial { cold: warm_because.is_none(), warm_because, ..trial }))
    }

    async fn load(
        &mut self,
        service: &Service,
        spec: TrialSpec,
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Driven, Error> {
        let addrs: Vec<_> = service.replicas.iter().map(|r| r.addr).collect();
        let nobody = || Error::Machine("the service has no replica".to_owned());
        let first = Reached::replica(*addrs.first().ok_or_else(nobody)?);
        let request = match &self.request {
            Some(request) => request.clone(),
            None => Request::post_json(&self.path, first.example().await?),
        };
        if self.request.is_none() {
            self.request = Some(request.clone());
        }
        first.check(&request).await?;
        self.answered = true;
        let times_before = ServerTimes::of(&first).await;
        let idle = self.orchestrator.usage(service).await?;
        let largest = |bytes: fn(&MemoryUsage) -> u64| idle.iter().map(|usage| bytes(&usage.memory)).max().unwrap_or(0);
        let idle_bytes = (largest(|memory| memory.current_bytes), largest(|memory| memory.anon_bytes));

        let timing = Timing::new(self.settings.wait_time);
        let plan = timing.plan(&self.settings, spec.load, spec.users);
        let held_from = plan.times().last().map_or(Duration::ZERO, |t| t.measured_from);
        let segment = Segment {
            busy_poll: self.pinning.is_apart(),
            ..Segment::whole(plan.clone(), self.pinning.generator.clone())
        };
        let targets = Targets::replicas(&addrs, &request);
        let limits = self.objective.limits();
        let (sender, inbox) = mpsc::channel();
        let trial_control = Control::default();
        let engine = {
            let control = trial_control.clone();
            tokio::task::spawn_blocking(move || engine::run(&segment, &targets, &limits, &sender, &control))
        };

        let began = Instant::now();
        let mut readings = Readings::default();
        let mut steal = Steal::new(&[]);
        let planned = plan.planned_per_second(plan.steps.len() - 1);
        let mut watch = Watch::new(Expectation {
            objective: self.objective.clone(),
            held_from,
            window_requests: planned.unwrap_or(f64::INFINITY) * timing.longest_look(spec.load) as f64,
            patience: timing.patience,
        });
        let mut victim = service.replicas.last().filter(|_| spec.load == Load::Loss);
        let loss_at = plan.times().first().map_or(Duration::MAX, |t| t.end);
        let mut hold = Hold::new(timing, spec.load, held_from, plan.duration(), self.settings.most_steal);
        let mut answers = true;
        let mut stopped_early = None;
        let mut decided = None;
        while !engine.is_finished() {
            tokio::time::sleep(POLL).await;
            let lost = victim.take_if(|_| began.elapsed() >= loss_at);
            let killed = match lost {
                Some(lost) => {
                    readings.kill(&lost.name);
                    self.orchestrator.kill(lost).await
                }
                None => Ok(()),
            };
            let usage = match killed {
                Ok(()) => self.orchestrator.usage(service).await,
                Err(error) => Err(error),
            };
            match usage {
                Ok(usage) => readings.add(began.elapsed(), usage),
                Err(error) => {
                    // The load ends before the replicas do.
                    trial_control.stop();
                    let _ = engine.await;
                    return Err(error.into());
                }
            }
            let mut hopeless = None;
            for event in inbox.try_iter() {
                match &event {
                    Event::Second(second) => {
                        // What ends after a stop are requests that had to be waited for.
                        if second.requests > 0 && decided.is_none() && stopped_early.is_none() {
                            answers = second.requests > second.failures;
                        }
                        // Of a second after the stop, part has no load.
                        if !trial_control.is_stopped() {
                            hold.add(second);
                        }
                        let stolen = readings.steal_share(hold.from(), Duration::MAX).unwrap_or(0.0);
                        // Given up now it would be the hypervisor's doing; what is so bad is seen again when that is small beside it.
                        let seen = watch.see(second).filter(|_| stolen <= self.settings.most_steal);
                        hopeless = hopeless.or(seen);
                        if is_judged_early(spec.load) && decided.is_none() && stopped_early.is_none() {
                            if hold.leave_out_theft(stolen) {
                                watch.begin_again(hold.from());
                            } else if hold.is_time_to_look(stolen) {
                                match self.look(spec, hold.seconds()) {
                                    Some(Ok(judged)) => {
                                        decided = Some(judged);
                                        trial_control.stop();
                                    }
                                    Some(Err(open)) => hopeless = hopeless.or(Some(open)),
                                    None => {}
                                }
                            }
                            if hold.is_over() {
                                trial_control.stop();
                            }
                        }
                    }
                    Event::StepEnded { index, window } => {
                        hopeless = hopeless.or(self.lost_step(&plan, *index, window));
                    }
                    _ => {}
                }
                // A view that has gone away does not end the trial.
                let _ = events.send(event);
            }
            readings.add_steal(began.elapsed(), steal.take());
            let is_ended = !readings.ended().is_empty();
            if is_ended {
                hopeless = hopeless.or_else(|| Some(Hopeless::Broken("a replica ended".to_owned())));
            }
            // What was decided stands.
            let is_open = decided.is_none() && stopped_early.is_none();
            if let Some(why) = hopeless.filter(|_| (is_judged_early(spec.load) || is_ended) && is_open) {
                stopped_early = Some(why);
                trial_control.stop();
            }
            if control.is_stopped() {
                trial_control.stop();
            }
            if trial_control.is_stopped() {
                readings.end_load(began.elapsed());
            }
        }
        let outcome = engine.await.map_err(|e| EngineError::System(std::io::Error::other(e)))??;
        readings.add(began.elapsed(), self.orchestrator.usage(service).await?);
        let server_ms = match times_before {
            // One that answers no user would be waited for, and not tell.
            Some(before) if answers => ServerTimes::of(&first).await.and_then(|after| after.since(&before)),
            _ => None,
        };
        Ok(Driven {
            outcome,
            readings,
            idle_bytes,
            server_ms,
            hold,
            decided,
            stopped_early: stopped_early.filter(|_| !control.is_stopped()),
        })
    }

    /// At one of the times to look: the verdict that the seconds of the deciding window are enough for, or why more of them are not likely
    /// to be.
    fn look(&self, spec: TrialSpec, held: &[Second]) -> Option<Result<Judgement, Hopeless>> {
        let window = Window::so_far(held.iter());
        let planned = self.settings.wait_time.planned_per_second(spec.users.into());
        let judged = judge(&window, &self.objective, planned, Scope::Whole);
        if judged.verdict != Verdict::Undecided {
            return Some(Ok(judged));
        }
        let longest = Timing::new(self.settings.wait_time).longest_look(spec.load);
        let chance = chance_to_decide(&window, &self.objective, Duration::from_secs(longest));
        let is_open = (held.len() as u64) < longest && chance < LEAST_CHANCE;
        let why = || format!("too close to call after {} s, and not likely to be decided in {longest} s", held.len());
        is_open.then(|| Err(Hopeless::Open(why())))
    }

    /// Why a step that is over makes going on pointless.
    fn lost_step(&self, plan: &Plan, index: usize, window: &Window) -> Option<Hopeless> {
        let users = plan.steps.get(index).filter(|_| index + 1 < plan.steps.len())?.users();
        let step = result::step_result(plan, index, users, window, &self.objective, None);
        let why = format!("at {users} users: {}", step.reasons.join("; "));
        match step.verdict {
            Verdict::Fail => Some(Hopeless::Broken(why)),
            Verdict::Invalid => Some(Hopeless::Unmeasured(why)),
            Verdict::Pass | Verdict::Undecided => None,
        }
    }
}

/// Whether a trial is over as soon as it is known how it ends.
fn is_judged_early(load: Load) -> bool {
    matches!(load, Load::Direct | Load::Ramp)
}
