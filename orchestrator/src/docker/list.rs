//! Workloads of the local Engine: named images, and running Compose services.

use std::collections::{BTreeSet, HashMap};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder};

use super::connection::{address, engine, open};
use crate::{Error, Result};

/// Named images and running Compose services of an Engine, each sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Images as `NAME:TAG`.
    pub images: Vec<String>,
    /// Services as `PROJECT/SERVICE`.
    pub services: Vec<String>,
}

/// Lists what the Engine has.
///
/// # Errors
/// Returns an error if no Engine answers.
pub async fn list() -> Result<Inventory> {
    let at = address();
    let docker = open(&at).await.map_err(|cause| Error::NoEngine { at, cause })?;
    let images = docker.list_images(Some(ListImagesOptionsBuilder::new().build())).await;
    let images = images.map_err(|e| engine("list images", &e))?;
    let tags = images.into_iter().flat_map(|image| image.repo_tags);
    let named: BTreeSet<String> = tags.filter(|tag| !tag.contains("<none>")).collect();
    let filters = HashMap::from([("status", vec!["running".to_owned()])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let running = docker.list_containers(Some(options)).await;
    let running = running.map_err(|e| engine("list containers", &e))?;
    let service = |labels: &HashMap<String, String>| {
        let project = labels.get("com.docker.compose.project")?;
        Some(format!("{project}/{}", labels.get("com.docker.compose.service")?))
    };
    let services: BTreeSet<String> =
        running.iter().filter_map(|container| service(container.labels.as_ref()?)).collect();
    Ok(Inventory { images: named.into_iter().collect(), services: services.into_iter().collect() })
}
