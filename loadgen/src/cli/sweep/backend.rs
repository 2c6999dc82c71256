//! The backend where a sweep's replicas run.

use std::{path::PathBuf, sync::Arc};

use orchestrator::{
    Choice, ImageId, Orchestrator, Owner,
    docker::{Attached, Mounted},
    select,
};

use super::options::SweepOptions;
use crate::Error;

const DEFAULT_IMAGE: &str = "inference-api";
const DEFAULT_PORT: u16 = 8000;

/// Backend and workload of a sweep.
pub(super) struct Backend {
    pub(super) orchestrator: Arc<dyn Orchestrator>,
    /// Name of the image.
    pub(super) image: Option<String>,
    /// Id of the image, if it is already known.
    pub(super) image_id: Option<ImageId>,
    pub(super) port: u16,
    /// Compose service that is varied in backend.
    pub(super) service: Option<String>,
    /// Configuration of that service's containers.
    pub(super) configuration: Option<String>,
    /// Its read-only mounts: the path here and the path in the container.
    pub(super) mounts: Vec<(PathBuf, PathBuf)>,
}

/// Connects to the backend that the flags name.
///
/// # Errors
/// Returns an error if nothing can run there.
pub(super) async fn backend(options: &SweepOptions, run: &str) -> Result<Backend, Error> {
    let owner = Owner::current(run)?;
    if let Some(attachment) = &options.attach {
        let attached = Attached::connect(attachment.clone(), owner).await?;
        let (id, exposed) = attached.image().await?;
        let configuration = attached.configuration().await?;
        // Writable mounts change with each trial, and the files of another container are not
        // visible here.
        let is_told = |mounted: &Mounted| mounted.is_read_only && mounted.here.exists();
        let mounts = attached.mounts().await?.into_iter().filter(is_told);
        let mut mounts: Vec<_> = mounts.map(|mounted| (mounted.here, mounted.inside)).collect();
        // The Engine lists mounts in any order, but a resumed sweep compares them.
        mounts.sort();
        return Ok(Backend {
            orchestrator: Arc::new(attached),
            image: Some(id.clone()),
            image_id: Some(ImageId { id, digests: Vec::new() }),
            port: options.port.or(exposed).unwrap_or(DEFAULT_PORT),
            service: Some(attachment.service().to_owned()),
            configuration: Some(configuration),
            mounts,
        });
    }
    let image = options
        .image
        .clone()
        .or_else(|| (options.orchestrator == Choice::Docker).then(|| DEFAULT_IMAGE.to_owned()));
    let orchestrator = select(options.orchestrator, image.is_some(), owner).await?;
    // auto may have chosen Docker because no cgroup is writable.
    let image =
        image.or_else(|| (orchestrator.name() == "docker").then(|| DEFAULT_IMAGE.to_owned()));
    Ok(Backend {
        orchestrator,
        image,
        image_id: None,
        port: options.port.unwrap_or(DEFAULT_PORT),
        service: None,
        configuration: None,
        mounts: Vec::new(),
    })
}
