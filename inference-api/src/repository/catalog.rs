//! What is served at one moment.

use std::{collections::BTreeMap, sync::Arc};

use super::Served;

/// What is served at one moment. Cheap to copy, since models are shared.
#[derive(Clone, Default)]
pub struct Catalog {
    models: BTreeMap<String, Entry>,
    /// The model that was loaded first: `POST /predict` is about it.
    first: Option<String>,
}

/// The versions of one model, ascending.
#[derive(Clone, Default)]
pub struct Entry {
    /// Never empty.
    pub versions: Vec<Arc<Served>>,
}

/// There is no such model, or no such version of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No model of this name.
    #[error("Request for unknown model: '{0}' is not found")]
    Model(String),
    /// The model has other versions.
    #[error("Request for unknown model: '{0}' version {1} is not found")]
    Version(String, String),
    /// Nothing is served at all.
    #[error("no model is loaded")]
    Nothing,
}

impl Catalog {
    /// The newest version of the model that requests without a name are about.
    ///
    /// # Errors
    /// When it was unloaded.
    pub fn default_model(&self) -> Result<&Arc<Served>, Unknown> {
        let first = self.first.as_deref().ok_or(Unknown::Nothing)?;
        self.find(first, None)
    }

    /// A version of a model, the newest if none is named.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<&Arc<Served>, Unknown> {
        let unknown = || Unknown::Model(name.to_owned());
        let entry = self.entry(name).ok_or_else(unknown)?;
        match version.filter(|v| !v.is_empty()) {
            None => entry.versions.last().ok_or_else(unknown),
            Some(version) => entry
                .versions
                .iter()
                .find(|s| s.signature.version == version)
                .ok_or_else(|| Unknown::Version(name.to_owned(), version.to_owned())),
        }
    }

    /// All versions of a model.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.models.get(name)
    }

    /// Every version of every model, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.models.values().flat_map(|entry| &entry.versions)
    }

    pub(super) fn put(&mut self, served: Arc<Served>) {
        let (name, version) = (served.signature.name.clone(), served.signature.version.clone());
        self.first.get_or_insert_with(|| name.clone());
        let versions = &mut self.models.entry(name).or_default().versions;
        versions.retain(|s| s.signature.version != version);
        versions.push(served);
        versions.sort_by_cached_key(|s| order(&s.signature.version));
    }

    /// Where the first model is neither served nor wanted any more, another one takes its place.
    pub(super) fn choose_first(&mut self, is_wanted: impl Fn(&str) -> bool) {
        if self
            .first
            .as_deref()
            .is_none_or(|first| !self.models.contains_key(first) && !is_wanted(first))
        {
            self.first = self.models.keys().next().cloned();
        }
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.models.remove(name).is_some()
    }

    pub(super) fn remove_version(&mut self, name: &str, version: &str) {
        if let Some(entry) = self.models.get_mut(name) {
            entry.versions.retain(|s| s.signature.version != version);
            if entry.versions.is_empty() {
                self.models.remove(name);
            }
        }
    }
}

/// Versions by number, and those that are no number before them, by name.
pub(super) fn order(version: &str) -> (Option<u64>, String) {
    (version.parse().ok(), version.to_owned())
}
