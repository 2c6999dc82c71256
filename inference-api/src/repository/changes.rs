//! Result of a scan of the sources.

/// Changes made by a scan of the sources.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Versions now served, as `name/version`.
    pub loaded: Vec<String>,
    /// Versions no longer served, as `name/version`.
    pub unloaded: Vec<String>,
    /// Versions that were found but do not load.
    pub refused: Vec<Refusal>,
    /// Errors of unreadable sources; versions from them stay served.
    pub problems: Vec<String>,
}

/// Version that was found but does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Version as `name/version`.
    pub version: String,
    /// Reason of the failure.
    pub reason: String,
    /// True if a version of the same name is served.
    pub is_served: bool,
}

impl Refusal {
    /// Returns the consequence as a log message.
    pub fn consequence(&self) -> &'static str {
        match self.is_served {
            true => "REFUSED: it does not load; what was served before still is",
            false => "REFUSED: it does not load, and nothing of this name is served",
        }
    }
}
