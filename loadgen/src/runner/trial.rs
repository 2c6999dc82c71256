//! One trial.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use orchestrator::{Blame, Deployment, Service};

use super::{Sweep, Watch, check, example, result, usage::Readings};
use crate::{
    Error,
    engine::{self, Control, EngineError, Outcome},
    event::Event,
    measure::Window,
    sweep::{Load, Settings, Trial, TrialSpec, TrialUsage, attribute},
    verdict::Verdict,
    workload::{Plan, Segment, Step, Targets, WaitTime},
};

/// Users that a direct trial starts a second: gently, for at low quotas the ramp breaks a service before the load does.
const DIRECT_SPAWN_RATE: u32 = 500;
/// But however few the users are, and however many, the ramp takes between these times.
const DIRECT_RAMP: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
const DIRECT_HOLD: Duration = Duration::from_secs(18);
/// Not measured: what the ramp left behind is worked off.
const DIRECT_WARM_UP: Duration = Duration::from_secs(3);
/// A step of a ramp: its users are started in this time,
const STEP_RAMP: Duration = Duration::from_secs(2);
/// then held, the first second unmeasured,
const STEP_HOLD: Duration = Duration::from_secs(6);
const STEP_WARM_UP: Duration = Duration::from_secs(1);
/// and the last step is held longer, since it alone can prove a pass.
const LAST_HOLD: Duration = Duration::from_secs(21);
/// Users without think time: enough to keep a server busy, few enough to keep queues short.
const SATURATE_USERS: u32 = 64;
const SATURATE_HOLD: Duration = Duration::from_secs(8);
/// Deploying and tearing down, for estimates.
const OVERHEAD: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(250);

/// What users do in a trial with this load.
fn plan(settings: &Settings, load: Load) -> Plan {
    let rate = |users: u32, time: Duration| f64::from(users) / time.as_secs_f64();
    let max = settings.max_users;
    let (steps, wait_time) = match load {
        Load::Direct => {
            let ramp = Duration::from_secs(u64::from(max / DIRECT_SPAWN_RATE)).clamp(DIRECT_RAMP.0, DIRECT_RAMP.1);
            let spawn_rate = rate(max, ramp);
            (vec![Step { users: max, spawn_rate, hold: DIRECT_HOLD, warm_up: DIRECT_WARM_UP }], settings.wait_time)
        }
        Load::Ramp => {
            let step = settings.step.clamp(1, max);
            let counts = (1..=max.div_ceil(step)).map(|i| (i * step).min(max));
            let steps = counts.map(|users| Step {
                users,
                spawn_rate: rate(step, STEP_RAMP),
                hold: if users == max { LAST_HOLD } else { STEP_HOLD },
                warm_up: STEP_WARM_UP,
            });
            (steps.collect(), settings.wait_time)
        }
        Load::Saturate => {
            let spawn_rate = rate(SATURATE_USERS, Duration::from_secs(1));
            let hold = SATURATE_HOLD;
            let warm_up = STEP_WARM_UP;
            (vec![Step { users: SATURATE_USERS, spawn_rate, hold, warm_up }], WaitTime::Constant(Duration::ZERO))
        }
    };
    Plan { steps, wait_time, seed: 1 }
}

/// About how long a trial with this load takes, deploying included.
pub fn lengths(settings: &Settings, load: Load) -> Duration {
    plan(settings, load).duration() + OVERHEAD
}

/// What the engine and the watching of it brought.
struct Driven {
    outcome: Outcome,
    readings: Readings,
    stopped_early: Option<String>,
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
        let service = match self.orchestrator.deploy(&deployment).await {
            Ok(service) => service,
            Err(error) if error.blame() == Blame::Replica => return Ok(Some(not_started(spec, &error, began))),
            Err(error) => return Err(error.into()),
        };
        let driven = self.load(&service, spec, events, control).await;
        let torn_down = self.orchestrator.tear_down(service).await;
        let driven = driven?;
        torn_down?;
        if control.is_stopped() {
            return Ok(None);
        }
        Ok(Some(self.sum_up(spec, &driven, began)))
    }

    async fn load(
        &mut self,
        service: &Service,
        spec: TrialSpec,
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Driven, Error> {
        let addrs: Vec<_> = service.replicas.iter().map(|r| r.addr).collect();
        let base = addrs.first().map(|addr| format!("http://{addr}")).unwrap_or_default();
        let request = match &self.request {
            Some(request) => request.clone(),
            None => crate::workload::Request::post_json(&self.path, example(&base).await?),
        };
        if self.request.is_none() {
            self.request = Some(request.clone());
        }
        check(&base, &request).await?;

        let plan = plan(&self.settings, spec.load);
        let held_from = plan.times().last().map_or(Duration::ZERO, |t| t.measured_from);
        let segment = Segment::whole(plan.clone(), self.pinning.generator.clone());
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
        let mut watch = Watch::new(self.objective.clone(), held_from);
        let mut stopped_early = None;
        while !engine.is_finished() {
            tokio::time::sleep(POLL).await;
            match self.orchestrator.usage(service).await {
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
                    Event::Second(second) => hopeless = hopeless.or(watch.see(second)),
                    Event::StepEnded { index, window } => {
                        hopeless = hopeless.or(self.failed_step(&plan, *index, window));
                    }
                    _ => {}
                }
                // A view that has gone away does not end the trial.
                let _ = events.send(event);
            }
            if readings.some_ended() {
                hopeless = hopeless.or_else(|| Some("a replica ended".to_owned()));
            }
            if let Some(why) = hopeless.filter(|_| spec.load != Load::Saturate && stopped_early.is_none()) {
                stopped_early = Some(why);
                trial_control.stop();
            }
            if control.is_stopped() {
                trial_control.stop();
            }
        }
        let outcome = engine.await.map_err(|e| EngineError::System(std::io::Error::other(e)))??;
        readings.add(began.elapsed(), self.orchestrator.usage(service).await?);
        Ok(Driven { outcome, readings, stopped_early: stopped_early.filter(|_| !control.is_stopped()) })
    }

    /// Why a step that is over makes going on pointless.
    fn failed_step(&self, plan: &Plan, index: usize, window: &Window) -> Option<String> {
        let users = plan.steps.get(index)?.users;
        let step = result::step_result(plan, users, window, &self.objective);
        (step.verdict == Verdict::Fail && index + 1 < plan.steps.len())
            .then(|| format!("at {users} users: {}", step.reasons.join("; ")))
    }

    fn sum_up(&self, spec: TrialSpec, driven: &Driven, began: Instant) -> Trial {
        let Driven { outcome, readings, stopped_early } = driven;
        let plan = plan(&self.settings, spec.load);
        let steps = result::steps(&plan, outcome, &self.objective);
        let judgement = result::overall(&plan, &steps, outcome, &self.objective, stopped_early.as_deref(), spec.load);
        let window = plan.times().get(steps.len().saturating_sub(1)).copied();
        let (from, to) = window.map_or((Duration::ZERO, Duration::MAX), |w| (w.measured_from, w.end));
        let rate = steps.last().map_or(0.0, |s| s.requests_per_second);
        let usage = readings.summary(from, to, rate);
        let binding_resource = matches!(judgement.verdict, Verdict::Fail | Verdict::Undecided)
            .then(|| attribute(&usage, spec.point.limits.memory_bytes));
        Trial {
            spec,
            steps,
            usage,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            binding_resource,
            // The files were in the page cache from the trial before, or nobody knows: nothing is claimed.
            cold: false,
            stopped_early: stopped_early.clone(),
            wall_seconds: began.elapsed().as_secs_f64(),
        }
    }
}

/// A replica that does not start under its limits has told something about them.
fn not_started(spec: TrialSpec, error: &orchestrator::Error, began: Instant) -> Trial {
    let oom_killed = matches!(error, orchestrator::Error::NotReady { oom_killed: true, .. });
    let usage = TrialUsage {
        oom_kills: u64::from(oom_killed),
        ended: if oom_killed { vec!["out of memory".to_owned()] } else { Vec::new() },
        throttled_share: if oom_killed { 0.0 } else { 1.0 },
        ..TrialUsage::default()
    };
    Trial {
        spec,
        steps: Vec::new(),
        binding_resource: Some(attribute(&usage, spec.point.limits.memory_bytes)),
        usage,
        verdict: Verdict::Fail,
        reasons: vec![error.to_string()],
        cold: false,
        stopped_early: Some("it did not start".to_owned()),
        wall_seconds: began.elapsed().as_secs_f64(),
    }
}
