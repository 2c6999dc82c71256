//! Content of the sweep form: flags of `loadgen sweep`.

use serde::{Deserialize, Serialize};

/// Fields of the form; empty ones keep the defaults of `loadgen sweep`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepForm {
    /// Workload, one of those that the form offers: `image:NAME`, `model:PATH` or
    /// `service:PROJECT/SERVICE`.
    pub workload: String,
    /// Number of users to hold.
    pub max_users: String,
    /// Users added in each step.
    pub step: String,
    /// Objective.
    pub slo: String,
    /// Share of fresh starts that hold it.
    pub confidence: String,
    /// Replica counts.
    pub replicas: String,
    /// CPU limits.
    pub cpus: String,
    /// Memory limits.
    pub memory: String,
    /// Headroom of the manifests.
    pub headroom: String,
    /// Think time.
    pub wait_time: String,
    /// Mode of the sweep.
    pub mode: String,
    /// Longest duration.
    pub max_duration: String,
}

/// Workload of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Workload {
    /// An image of the local Engine.
    Image(String),
    /// An ONNX file, served by processes.
    Model(String),
    /// A running Compose service, `PROJECT/SERVICE`.
    Service(String),
}

impl Workload {
    /// Returns the value that the form sends for it.
    pub fn value(&self) -> String {
        match self {
            Self::Image(name) => format!("image:{name}"),
            Self::Model(path) => format!("model:{path}"),
            Self::Service(name) => format!("service:{name}"),
        }
    }

    fn flags(&self) -> Vec<String> {
        match self {
            Self::Image(name) => vec![format!("--image={name}")],
            Self::Model(path) => {
                vec!["--orchestrator=process".to_owned(), format!("--model={path}")]
            }
            Self::Service(name) => vec![format!("--attach=compose:{name}")],
        }
    }
}

impl SweepForm {
    /// Returns the flags of `loadgen sweep` for one of the offered workloads.
    ///
    /// # Errors
    /// Returns a message if the workload is not offered: the page must not start other programs.
    pub(super) fn flags(&self, offered: &[Workload]) -> Result<Vec<String>, String> {
        let workload =
            offered.iter().find(|one| one.value() == self.workload).ok_or_else(|| {
                "choose an image, a model or a running service from the list".to_owned()
            })?;
        let fields = [
            ("max-users", &self.max_users),
            ("step", &self.step),
            ("slo", &self.slo),
            ("confidence", &self.confidence),
            ("replicas", &self.replicas),
            ("cpus", &self.cpus),
            ("memory", &self.memory),
            ("headroom", &self.headroom),
            ("wait-time", &self.wait_time),
            ("mode", &self.mode),
            ("max-duration", &self.max_duration),
        ];
        let set = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
        let flags = set.map(|(name, value)| format!("--{name}={}", value.trim()));
        Ok(workload.flags().into_iter().chain(flags).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_offered_workloads_become_flags() {
        let offered = [Workload::Image("iris:1".to_owned()), Workload::Service("a/b".to_owned())];
        let form = |workload: &str| SweepForm {
            workload: workload.to_owned(),
            max_users: " 500 ".to_owned(),
            ..SweepForm::default()
        };
        let flags = form("image:iris:1").flags(&offered).unwrap();
        assert_eq!(flags, ["--image=iris:1", "--max-users=500"]);
        assert_eq!(form("service:a/b").flags(&offered).unwrap()[0], "--attach=compose:a/b");
        assert!(form("image:other").flags(&offered).is_err());
        assert!(form("").flags(&offered).is_err());
    }
}
