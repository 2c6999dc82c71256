//! One trial: drives the engine and the replicas as the monitor decides.

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

/// State of a running trial.
struct Drive<'a> {
    spec: TrialSpec,
    service: &'a mut Service,
    monitor: Monitor,
    log: UsageLog,
    began: Instant,
    /// Replica to kill, until it is killed.
    victim: Option<Replica>,
    /// True if the last second had answers.
    answers: bool,
    /// Readings of a probe that were already sent to the views.
    sent_readings: usize,
    /// True if a CPU limit could not be changed in place.
    is_refused: bool,
    events: &'a mpsc::Sender<Event>,
}

impl Sweep {
    /// Runs a trial; `None` if it was interrupted without a result.
    ///
    /// # Errors
    /// Returns an error if something that every trial needs is missing: an image, a cgroup, files.
    /// A replica that does not start under its limits gives a failed trial instead.
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
            // Closing the orchestrator removes an unfinished deployment.
            () = stopped(control) => return Ok(None),
        };
        let wall = |trial: Trial| Trial { wall_seconds: began.elapsed().as_secs_f64(), ..trial };
        let mut service = match deployed {
            Ok(service) => service,
            // A replica that does not start under the largest limits never will.
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
            // An interrupted probe keeps its readings; other trials have no result before their
            // verdict.
            Ok((monitor, measured)) if !control.is_stopped() || monitor.reading_count() > 0 => {
                summarize(&self.settings, spec, monitor, measured)
            }
            Ok(_) => return Ok(None),
            Err(_) if control.is_stopped() => return Ok(None),
            // After an earlier success, a replica that does not answer fails because of its limits.
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
            sent_readings: 0,
            is_refused: false,
            events,
        };
        let mut steal = Steal::new(&[]);
        while !engine.is_finished() {
            tokio::time::sleep(POLL).await;
            if let Err(error) = self.step(&mut drive, &inbox, trials).await {
                // Ends the load before the replicas.
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
        // After one refusal, limits are not changed in place any more.
        self.settings.can_probe &= !is_refused;
        log.add(began.elapsed(), self.orchestrator.usage(service).await?);
        let server_ms = match times_before {
            // A replica that answers no user would time out here, too.
            Some(before) if answers => {
                ServerTimes::of(&first, &request).await.and_then(|after| after.since(&before))
            }
            _ => None,
        };
        Ok((monitor, Measurements { outcome, log, idle, server_ms }))
    }

    /// Reads the replicas' usage, passes new events to the monitor, and performs its actions.
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
                    // After a stop, only requests that were still waited for end.
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
            // A closed view does not end the trial.
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
                    "limits cannot be changed in place ({why}); the sweep goes on with fresh \
                        trials, which takes longer"
                );
                let _ = drive.events.send(Event::Log(log));
            }
        }
    }

    /// Sends views a probe's new readings, and the estimate with them.
    fn tell_readings(&self, drive: &mut Drive<'_>, trials: &[Trial]) {
        if drive.monitor.reading_count() == drive.sent_readings {
            return;
        }
        let readings = drive.monitor.readings(&self.settings, drive.spec, &drive.log);
        for reading in &readings[drive.sent_readings..] {
            let _ = drive.events.send(Event::Reading(Box::new(reading.clone())));
        }
        drive.sent_readings = readings.len();
        let running = Trial::running(drive.spec, readings);
        if let Some(estimate) = sweep::estimate(&self.settings, trials, Some(&running)) {
            let _ = drive.events.send(Event::Estimate(estimate));
        }
    }

    /// Sends every replica a first request, with the time limit of its start: one-time work of the
    /// program belongs to its start, and no user waits for it.
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
