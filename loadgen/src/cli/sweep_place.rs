//! Where the replicas of a sweep run.

use std::{path::PathBuf, sync::Arc};

use orchestrator::{
    Choice, ImageId, Orchestrator, Owner,
    docker::{Attached, Mounted},
    select,
};

use super::sweep_options::SweepOptions;
use crate::Error;

const DEFAULT_IMAGE: &str = "inference-api";
const DEFAULT_PORT: u16 = 8000;

/// Where replicas run, and what they run.
pub(super) struct Place {
    pub(super) orchestrator: Arc<dyn Orchestrator>,
    /// The image, as people call it.
    pub(super) image: Option<String>,
    /// Its id, where it is known without asking for it.
    pub(super) image_id: Option<ImageId>,
    pub(super) port: u16,
    /// The Compose service that is varied in place.
    pub(super) service: Option<String>,
    /// How that service's containers are made.
    pub(super) made_as: Option<String>,
    /// What they have of this file system and may not change: here, and inside.
    pub(super) mounts: Vec<(PathBuf, PathBuf)>,
}

/// What the flags say of it.
///
/// # Errors
/// When nothing can run there.
pub(super) async fn place(options: &SweepOptions, run: &str) -> Result<Place, Error> {
    let owner = Owner::current(run)?;
    if let Some(attachment) = &options.attach {
        let attached = Attached::connect(attachment.clone(), owner).await?;
        let (id, exposed) = attached.image().await?;
        let made_as = attached.made_as().await?;
        // What a service may write to is another thing after each trial; in a container of our own
        // its files are not to be seen.
        let is_told = |mounted: &Mounted| mounted.is_read_only && mounted.here.exists();
        let mounts = attached.mounts().await?.into_iter().filter(is_told);
        let mut mounts: Vec<_> = mounts.map(|mounted| (mounted.here, mounted.inside)).collect();
        // The Engine tells them in any order, and those of a resumed sweep have to be the same.
        mounts.sort();
        return Ok(Place {
            orchestrator: Arc::new(attached),
            image: Some(id.clone()),
            image_id: Some(ImageId { id, digests: Vec::new() }),
            port: options.port.or(exposed).unwrap_or(DEFAULT_PORT),
            service: Some(attachment.service().to_owned()),
            made_as: Some(made_as),
            mounts,
        });
    }
    let image = options
        .image
        .clone()
        .or_else(|| (options.orchestrator == Choice::Docker).then(|| DEFAULT_IMAGE.to_owned()));
    let orchestrator = select(options.orchestrator, image.is_some(), owner).await?;
    // auto may have ended at Docker for want of a cgroup.
    let image =
        image.or_else(|| (orchestrator.name() == "docker").then(|| DEFAULT_IMAGE.to_owned()));
    Ok(Place {
        orchestrator,
        image,
        image_id: None,
        port: options.port.unwrap_or(DEFAULT_PORT),
        service: None,
        made_as: None,
        mounts: Vec::new(),
    })
}
