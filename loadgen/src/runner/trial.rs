//! One trial: drives the engine and the replicas as a monitor says.

use std::{
    net::SocketAddr,
    sync::mpsc,
    time::{Duration, Instant},
};

use load_engine::{Control, EngineError, LoadEvent, Steal};
use loadtest::{
    measure::Outcome,
    workload::{Request, Segment, Targets},
};
use orchestrator::{Blame, Deployment, MemoryUsage, PageCache, Replica, Service};
use sizing::{
    sweep,
    trial::{
        Action, Idle, Measurements, Monitor, Purpose, Trial, TrialSpec, UsageLog, not_started,
        summarize, without_load,
    },
};

use super::{Reached, Sweep, server_times::ServerTimes, stopped};
use crate::{
    Error,
    event::{Event, forward},
};

const POLL: Duration = Duration::from_millis(250);

/// A trial that is running: what is known of it so far.
struct Drive<'a> {
    spec: TrialSpec,
    service: &'a mut Service,
    monitor: Monitor,
    log: UsageLog,
    began: Instant,
    /// The replica that is to be killed, until it is.
    victim: Option<Replica>,
    /// Whether the last second brought answers.
    answers: bool,
    /// Readings of a probe that views were told of.
    told: usize,
    /// Whether a CPU limit could not be changed in place.
    is_refused: bool,
    events: &'a mpsc::Sender<Event>,
}

impl Sweep {
    /// Makes a trial; `None` if it was interrupted with nothing to tell.
    ///
    /// # Errors
    /// When something that every trial needs is missing: an image, a cgroup, files. A replica that
    /// does not start under its limits is no error but a failed trial.
    pub(super) async fn trial(
        &mut self,
        spec: TrialSpec,
        trials: &[Trial],
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Option<Trial>, Error> {
        let began = Instant::now();
        let deployment = Deployment {
            replicas: spec.point.replicas,
            limits: spec.point.limits,
            cpuset: self.pinning.replicas.clone(),
            in_place: matches!(spec.purpose, Purpose::Calibrate | Purpose::Probe),
            ..self.deployment.clone()
        };
        let deployed = tokio::select! {
            deployed = self.orchestrator.deploy(&deployment) => deployed,
            // What was begun is removed when the orchestrator is closed.
            () = stopped(control) => return Ok(None),
        };
        let wall = |trial: Trial| Trial { wall_seconds: began.elapsed().as_secs_f64(), ..trial };
        let mut service = match deployed {
            Ok(service) => service,
            // What does not start under the largest limits never will.
            Err(error) if error.blame() == Blame::Replica && spec.purpose != Purpose::Calibrate => {
                return Ok(Some(wall(not_started(spec, &error))));
            }
            Err(error) => return Err(error.into()),
        };
        let measured = self.load(&mut service, spec, trials, events, control).await;
        let usage = self.orchestrator.usage(&service).await;
        let warm_because = match &service.page_cache {
            PageCache::Cold => None,
            PageCache::Warm(why) => Some(why.clone()),
        };
        self.orchestrator.tear_down(service).await?;
        let trial = match measured {
            // What a probe has read by now stays; other trials say nothing before they are judged.
            Ok((monitor, measured)) if !control.is_stopped() || monitor.reading_count() > 0 => {
                summarize(&self.settings, spec, monitor, measured)
            }
            Ok(_) => return Ok(None),
            Err(_) if control.is_stopped() => return Ok(None),
            // A replica that was asked before and does not answer now has its limits to blame.
            Err(Error::Unreachable(why) | Error::Usage(why)) if self.answered => {
                let mut log = UsageLog::default();
                log.add(Duration::ZERO, usage?);
                without_load(spec, log.summary(Duration::ZERO, Duration::MAX, 0.0), why)
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Trial { cold_start: warm_because.is_none(), warm_because, ..wall(trial) }))
    }

    async fn load(
        &mut self,
        service: &mut Service,
        spec: TrialSpec,
        trials: &[Trial],
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<(Monitor, Measurements), Error> {
        let addrs: Vec<_> = service.replicas.iter().map(|r| r.addr).collect();
        let nobody = || Error::Machine("the service has no replica".to_owned());
        let first = Reached::replica(*addrs.first().ok_or_else(nobody)?);
        self.request = first.complete(self.request.clone()).await?;
        let request = self.request.clone();
        self.warm(&addrs, &request).await?;
        self.answered = true;
        let times_before = ServerTimes::of(&first, &request).await;
        let idle = self.idle(service).await?;

        let monitor = Monitor::new(&self.settings, spec);
        let segment = Segment {
            busy_poll: self.pinning.is_apart(),
            ..Segment::whole(monitor.plan().clone(), self.pinning.generator.clone())
        };
        let mut targets = Targets::replicas(&addrs, &request);
        targets.timeout = self.timeout;
        let limits = self.settings.objective.limits();
        let (sender, inbox) = mpsc::channel();
        let trial_control = Control::default();
        let engine = {
            let control = trial_control.clone();
            tokio::task::spawn_blocking(move || {
                load_engine::run(&segment, &targets, &limits, &forward(&sender), &control)
            })
        };
        let victim = service.replicas.last().filter(|_| monitor.failure_at().is_some()).cloned();
        let mut drive = Drive {
            spec,
            service,
            monitor,
            log: UsageLog::default(),
            began: Instant::now(),
            victim,
            answers: true,
            told: 0,
            is_refused: false,
            events,
        };
        let mut steal = Steal::new(&[]);
        while !engine.is_finished() {
            tokio::time::sleep(POLL).await;
            if let Err(error) = self.step(&mut drive, &inbox, trials).await {
                // The load ends before the replicas do.
                trial_control.stop();
                let _ = engine.await;
                return Err(error);
            }
            drive.log.add_steal(drive.began.elapsed(), steal.take());
            if control.is_stopped() || drive.monitor.is_stopped() {
                trial_control.stop();
                drive.log.end_load(drive.began.elapsed());
            }
        }
        let outcome: Outcome =
            engine.await.map_err(|e| EngineError::System(std::io::Error::other(e)))??;
        let Drive { service, monitor, mut log, began, answers, is_refused, .. } = drive;
        // What was refused once is not asked for again.
        self.settings.can_probe &= !is_refused;
        log.add(began.elapsed(), self.orchestrator.usage(service).await?);
        let server_ms = match times_before {
            // One that answers no user would be waited for, and not tell.
            Some(before) if answers => {
                ServerTimes::of(&first, &request).await.and_then(|after| after.since(&before))
            }
            _ => None,
        };
        Ok((monitor, Measurements { outcome, log, idle, server_ms }))
    }

    /// Reads what the replicas used, tells the monitor of what happened since the last time, and
    /// does what it says.
    async fn step(
        &self,
        drive: &mut Drive<'_>,
        inbox: &mpsc::Receiver<Event>,
        trials: &[Trial],
    ) -> Result<(), Error> {
        let now = drive.began.elapsed();
        let is_due = drive.monitor.failure_at().is_some_and(|at| now >= at);
        if let Some(victim) = drive.victim.take_if(|_| is_due) {
            drive.log.kill(&victim.name);
            self.orchestrator.kill(&victim).await?;
        }
        drive.log.add(now, self.orchestrator.usage(drive.service).await?);
        for event in inbox.try_iter() {
            let action = match &event {
                Event::Load(LoadEvent::Second(second)) => {
                    // What ends after a stop are requests that had to be waited for.
                    if second.requests > 0 && !drive.monitor.is_stopped() {
                        drive.answers = second.requests > second.failures;
                    }
                    drive.monitor.second(second, &drive.log)
                }
                Event::Load(LoadEvent::StepEnded { index, window }) => {
                    drive.monitor.step_ended(*index, window)
                }
                _ => Action::Continue,
            };
            // A view that has gone away does not end the trial.
            let _ = drive.events.send(event);
            if let Action::SetLimits(limits) = action {
                self.set_limits(drive, limits).await;
            }
        }
        if !drive.log.ended().is_empty() {
            drive.monitor.replica_ended();
        }
        self.tell_readings(drive, trials);
        Ok(())
    }

    async fn set_limits(&self, drive: &mut Drive<'_>, limits: orchestrator::Limits) {
        let memory_bytes = drive.service.deployment.limits.memory_bytes;
        if let Err(error) = self.orchestrator.set_limits(drive.service, limits).await {
            let why = error.to_string();
            drive.monitor.refused(limits, &why);
            if limits.memory_bytes == memory_bytes {
                drive.is_refused = true;
                let log = format!(
                    "limits cannot be changed in place ({why}); the sweep goes on with fresh trials, which takes longer"
                );
                let _ = drive.events.send(Event::Log(log));
            }
        }
    }

    /// Tells views of a probe's new readings, and of what is known with them.
    fn tell_readings(&self, drive: &mut Drive<'_>, trials: &[Trial]) {
        if drive.monitor.reading_count() == drive.told {
            return;
        }
        let readings = drive.monitor.readings(&self.settings, drive.spec, &drive.log);
        for reading in &readings[drive.told..] {
            let _ = drive.events.send(Event::Reading(Box::new(reading.clone())));
        }
        drive.told = readings.len();
        let running = Trial::running(drive.spec, readings);
        if let Some(estimate) = sweep::estimate(&self.settings, trials, Some(&running)) {
            let _ = drive.events.send(Event::Estimate(estimate));
        }
    }

    /// Sends every replica a first request, which may take as long as its start: what a program
    /// does for the first time is part of its start, and no user waits for it.
    async fn warm(&self, addrs: &[SocketAddr], request: &Request) -> Result<(), Error> {
        let patience = self.deployment.ready_timeout.max(self.timeout);
        let first = |&addr: &SocketAddr| async move {
            Reached::replica(addr).check(request, patience).await
        };
        futures_util::future::try_join_all(addrs.iter().map(first)).await.map(drop)
    }

    async fn idle(&self, service: &Service) -> Result<Idle, Error> {
        let idle = self.orchestrator.usage(service).await?;
        let largest = |bytes: fn(&MemoryUsage) -> u64| {
            idle.iter().map(|usage| bytes(&usage.memory)).max().unwrap_or(0)
        };
        Ok(Idle {
            bytes: largest(|memory| memory.current_bytes),
            anon_bytes: largest(|memory| memory.anon_bytes),
        })
    }
}
