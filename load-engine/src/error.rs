//! Errors of the load engine.

/// Reason why a run could not be made. The machine is at fault in all of them, and a retry does not
/// help until it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A limit of this machine is too low for so many users.
    #[error("{what}\n  help: {help}")]
    Limit {
        /// Which limit, and how it is too low.
        what: String,
        /// How to lift it.
        help: String,
    },
    /// The system refused a thread or an event loop.
    #[error("the load engine could not start: {0}")]
    System(#[from] std::io::Error),
}
