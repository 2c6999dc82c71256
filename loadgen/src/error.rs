//! The one place where errors become exit codes.

use load_engine::EngineError;
use loadtest::{
    slo::ObjectiveError,
    workload::{HostError, ScenarioError, WaitTimeError},
};
use sizing::trial::LadderError;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or file is wrong.
    #[error("{0}")]
    Usage(String),
    /// The target does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// This machine lacks something.
    #[error("{0}")]
    Machine(String),
    /// From the load engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// From the orchestrator.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::Error),
    /// A result file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: std::path::PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// How a command ended; the numbers are part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// The objective was met, or there was none.
    Met = 0,
    /// It was missed, no limits hold it, or every request failed.
    Missed = 1,
    /// A flag or file is wrong.
    Usage = 2,
    /// The generator was the limit while an objective or a rate was set.
    GeneratorLimited = 3,
    /// The target does not answer.
    Unreachable = 4,
    /// An Engine, a cgroup or an image is missing, or a limit of this machine is too low.
    Machine = 5,
    /// Ctrl-C; what was measured by then is written.
    Interrupted = 130,
}

impl Error {
    /// The exit code that tells whose fault it was.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::Usage,
            Self::Unreachable(_) => ExitStatus::Unreachable,
            Self::Machine(_) | Self::Engine(_) | Self::Write { .. } => ExitStatus::Machine,
            Self::Orchestrator(error) => match error.blame() {
                orchestrator::Blame::Request => ExitStatus::Usage,
                orchestrator::Blame::Machine => ExitStatus::Machine,
                orchestrator::Blame::Replica => ExitStatus::Unreachable,
            },
        }
    }
}

impl From<WaitTimeError> for Error {
    fn from(error: WaitTimeError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ObjectiveError> for Error {
    fn from(error: ObjectiveError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<LadderError> for Error {
    fn from(error: LadderError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ScenarioError> for Error {
    fn from(error: ScenarioError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Syntax { .. } | HostError::Tls { .. } => Self::Usage(error.to_string()),
            HostError::Resolve { .. } => Self::Unreachable(error.to_string()),
        }
    }
}
