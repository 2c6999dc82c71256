//! Conditions of a sweep's measurements.

use orchestrator::{Host, ImageId};
use serde::{Deserialize, Serialize};
use sizing::trial::Settings;

use crate::{output::machine, runner::Pinning};

/// Conditions of the measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    run: String,
    loadgen_version: String,
    command: Vec<String>,
    objective: String,
    model: String,
    wait_time: String,
    /// Seed of every plan, which repeats its schedule.
    seed: u64,
    orchestrator: String,
    image: Option<String>,
    image_id: Option<ImageId>,
    kernel: String,
    governor: Option<String>,
    processor: Option<String>,
    cpus: u32,
    memory_bytes: u64,
    cgroup_version: u8,
    generator_cores: Vec<usize>,
    replica_cores: Option<Vec<usize>>,
    busy_poll: bool,
    /// Largest CPU steal, as a share of the machine's processor time, in a valid window that misses
    /// the objective.
    max_steal: f64,
    network: String,
}

impl Environment {
    /// Returns the conditions on this machine and of this run.
    pub fn new(
        run: &str,
        settings: &Settings,
        host: &Host,
        pinning: &Pinning,
        image: Option<&str>,
        image_id: Option<ImageId>,
    ) -> Self {
        let network = if image.is_some() { "bridge, container addresses" } else { "loopback" };
        Self {
            run: run.to_owned(),
            loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: machine::command_line(),
            objective: settings.objective.to_string(),
            model: "closed".to_owned(),
            wait_time: settings.wait_time.to_string(),
            seed: settings.seed,
            orchestrator: host.description.clone(),
            image: image.map(str::to_owned),
            image_id,
            kernel: machine::kernel(),
            governor: machine::read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            processor: machine::processor(),
            cpus: host.cpus,
            memory_bytes: host.memory_bytes,
            cgroup_version: host.cgroup_version,
            generator_cores: pinning.generator.clone(),
            replica_cores: pinning.replicas.clone(),
            busy_poll: pinning.is_apart(),
            max_steal: settings.max_steal,
            network: network.to_owned(),
        }
    }

    /// Returns the conditions as a sentence.
    pub(super) fn sentence(&self) -> String {
        format!(
            "Slo `{}`; closed model, think time `{}`; {}, cgroup v{}, {} CPUs, Linux {}; network: \
                {}. Times are from when a request was due (intended) to its last byte.",
            self.objective,
            self.wait_time,
            self.orchestrator,
            self.cgroup_version,
            self.cpus,
            self.kernel,
            self.network
        )
    }

    /// Returns the command line of the sweep, without secrets.
    pub(super) fn command(&self) -> &[String] {
        &self.command
    }

    /// Returns the conditions as names and values.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let cores = |cores: &[usize]| -> String {
            cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let image_id = self.image_id.as_ref();
        vec![
            ("Measured objective", self.objective.clone()),
            ("Load", format!("{} model, think time {}", self.model, self.wait_time)),
            ("Seed", self.seed.to_string()),
            ("Orchestrator", self.orchestrator.clone()),
            ("Image", text(&self.image)),
            ("Image id", image_id.map(|image| image.id.clone()).unwrap_or_default()),
            ("Digests", image_id.map(|image| image.digests.join(", ")).unwrap_or_default()),
            ("Network", self.network.clone()),
            ("Processor", text(&self.processor)),
            ("Processors", format!("{}, cgroup v{}", self.cpus, self.cgroup_version)),
            ("Governor", text(&self.governor)),
            ("Memory", format!("{} MiB", self.memory_bytes >> 20)),
            ("Kernel", format!("Linux {}", self.kernel)),
            ("Generator's processors", cores(&self.generator_cores)),
            ("Replicas' processors", self.replica_cores.as_deref().map(cores).unwrap_or_default()),
            ("Largest steal", format!("{:.1}%", self.max_steal * 100.0)),
            ("loadgen", self.loadgen_version.clone()),
        ]
    }

    /// Returns conditions for tests.
    #[cfg(test)]
    pub(crate) fn example(settings: &Settings) -> Self {
        let host = Host {
            cpus: 2,
            memory_bytes: 1 << 34,
            cgroup_version: 2,
            description: "simulator".to_owned(),
        };
        let pinning = Pinning { generator: vec![0], replicas: Some(vec![1]) };
        Self {
            command: ["loadgen", "sweep"].map(str::to_owned).to_vec(),
            ..Self::new("test", settings, &host, &pinning, None, None)
        }
    }
}
