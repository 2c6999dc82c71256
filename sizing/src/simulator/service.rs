//! A service and its running replicas.

use loadtest::measure::{GeneratorSecond, Latencies, Second};
use orchestrator::{Limits, Usage};
use rand::RngExt;
use rand_pcg::Pcg64;

use super::{
    PERIOD, TICK,
    machine::Weather,
    normal,
    replica::{Done, Replica},
};

/// Resource needs of a service; times are CPU seconds.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Cost of a request that finds no other waiting.
    pub alone: f64,
    /// Cost of a request among very many waiting ones.
    pub busy: f64,
    /// Waiting requests at which the cost is the mean of the two.
    pub half: f64,
    /// Share of requests that cost more, and the factor on their cost.
    pub tail: (f64, f64),
    /// Spread of the cost from one start to the next (standard deviation of the logarithm).
    pub starts: f64,
    /// Factor on the cost right after the start, and the seconds in which its excess fades to 37%.
    pub warm_up: (f64, f64),
    /// Cost of resuming after a stop by the quota.
    pub resume: f64,
    /// Cost of a new connection.
    pub connect: f64,
    /// Memory without users.
    pub idle_bytes: f64,
    /// Memory of a connection.
    pub connection_bytes: f64,
    /// Memory of a waiting request.
    pub waiting_bytes: f64,
    /// Pages of the program that it needs again and again.
    pub program_bytes: f64,
    /// Spread of the memory from one start to the next (standard deviation of the logarithm).
    pub memory_spread: f64,
}

impl Service {
    /// Returns the service with the cost of its requests multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            alone: self.alone * factor,
            busy: self.busy * factor,
            connect: self.connect * factor,
            ..self
        }
    }
}

/// Mean think time of the simulated users.
const THINK_SECONDS: f64 = 1.75;
/// Cycle time without think time: the network and the generator.
const NO_THINK_SECONDS: f64 = 0.0002;

/// Running replicas and their users.
#[derive(Debug, Clone)]
pub struct Running {
    replicas: Vec<Replica>,
    weather: Weather,
    limit_ticks: Vec<u32>,
    users: f64,
    seconds: u64,
    think: f64,
    rng: Pcg64,
}

impl Running {
    /// Starts replicas on a machine; `limits_ms` are the objective's latency limits.
    pub(super) fn start(
        service: Service,
        weather: &mut Weather,
        count: u32,
        limits: Limits,
        limits_ms: &[u64],
        rng: &mut Pcg64,
    ) -> Self {
        weather.begin_trial(rng);
        let tick_ms = TICK.as_millis() as u64;
        let limit_ticks =
            limits_ms.iter().map(|ms| u32::try_from(ms / tick_ms).unwrap_or(u32::MAX)).collect();
        let ticks = PERIOD.div_duration_f64(TICK) as u32;
        let cost = (service.starts * normal(rng)).exp();
        let replicas = (0..count)
            .map(|_| {
                let memory = (service.memory_spread * normal(rng)).exp();
                Replica::new(service.scaled(cost), memory, limits, rng.random_range(0..ticks))
            })
            .collect();
        let seed = rng.random_range(0..u64::MAX);
        let rng = rand::SeedableRng::seed_from_u64(seed);
        Self {
            replicas,
            weather: weather.clone(),
            limit_ticks,
            users: 0.0,
            seconds: 0,
            think: THINK_SECONDS,
            rng,
        }
    }

    /// Sets the think time to zero.
    pub fn saturate(&mut self) {
        self.think = NO_THINK_SECONDS;
    }

    /// Changes the limits of all replicas while they run. A replica whose memory does not fit is
    /// killed.
    pub fn set_limits(&mut self, limits: Limits) {
        self.replicas.iter_mut().for_each(|replica| replica.set_limits(limits));
    }

    /// Kills a replica; its users move to the others.
    pub fn kill(&mut self, index: usize) {
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.kill("signal 9");
        }
    }

    /// Advances by a second in which the number of users changes to `users`. Returns the
    /// measurements and the stolen share of the processors.
    pub fn second(&mut self, users: f64) -> (Second, f64) {
        self.seconds += 1;
        let (slowness, stolen) = self.weather.second(&mut self.rng);
        let ticks = (1.0 / TICK.as_secs_f64()).round() as u32;
        let spawned = (users - self.users) / f64::from(ticks);
        let mut done = Done::new(self.limit_ticks.len());
        let core = self.weather.cores() * (1.0 - stolen) * TICK.as_secs_f64();
        for tick in 0..ticks {
            self.users += spawned;
            let alive = self.replicas.iter().filter(|replica| replica.runs()).count().max(1) as f64;
            let (each, new) = (self.users / alive, spawned.max(0.0) / alive);
            let mut left = core;
            let count = self.replicas.len();
            // The first replica served changes with every tick.
            for index in (0..count).map(|i| (tick as usize + i) % count) {
                let z = normal(&mut self.rng);
                let replica = &mut self.replicas[index];
                left -= replica.tick(
                    each,
                    new,
                    self.think,
                    slowness,
                    left,
                    z,
                    &self.limit_ticks,
                    &mut done,
                );
            }
        }
        (self.measured(&done, stolen), stolen)
    }

    /// Returns the usage of each replica.
    pub fn usage(&self) -> Vec<Usage> {
        let named = |(index, replica): (usize, &Replica)| Usage {
            replica: format!("s-{index}"),
            ..replica.usage()
        };
        self.replicas.iter().enumerate().map(named).collect()
    }

    fn measured(&self, done: &Done, stolen: f64) -> Second {
        let whole = |count: f64| count.round().max(0.0) as u64;
        let mut over = [0; loadtest::measure::Window::MAX_LIMITS];
        over.iter_mut().zip(&done.over).for_each(|(to, over)| *to = whole(*over));
        let mut intended = Latencies::default();
        let mut carried = 0.0;
        for (ticks, requests) in
            done.ticks.iter().enumerate().filter(|(_, requests)| **requests > 0.0)
        {
            carried += requests;
            let whole = carried.floor();
            carried -= whole;
            let half = TICK / 2;
            intended
                .record_many(TICK * u32::try_from(ticks).unwrap_or(u32::MAX) + half, whole as u64);
        }
        Second {
            index: self.seconds,
            users: self.users.round() as u32,
            requests: whole(done.requests),
            failures: whole(done.failures),
            over,
            intended,
            kinds: match whole(done.failures) {
                0 => Default::default(),
                failures => [(loadtest::measure::FailureKind::ConnectionClosed, failures)].into(),
            },
            generator: GeneratorSecond { cpu: 0.3, run_delay: None, steal: Some(stolen) },
            ..Second::default()
        }
    }
}
