//! Images on the Engine.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bollard::{Docker, errors::Error as EngineError, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;

use super::{
    connection::{chain, engine},
    credentials,
};
use crate::{Error, ImageId, Pull, Result, page_cache::all_here};

/// Ensures that the Engine has `reference`, pulling it as `how` says, and returns its identity.
///
/// # Errors
/// Returns [`Error::NoImage`] if it is missing and cannot, or must not, be pulled.
pub(super) async fn fetch(docker: &Docker, reference: &str, how: Pull) -> Result<ImageId> {
    if how == Pull::Always {
        pull(docker, reference).await?;
    }
    if let Some(found) = find(docker, reference).await? {
        return Ok(found);
    }
    if how == Pull::Never {
        return Err(not_pulled(reference, "nobody asked for it to be pulled".to_owned()));
    }
    pull(docker, reference).await?;
    let missing = || not_pulled(reference, "the Engine pulled it and does not have it".to_owned());
    find(docker, reference).await?.ok_or_else(missing)
}

async fn find(docker: &Docker, reference: &str) -> Result<Option<ImageId>> {
    match docker.inspect_image(reference).await {
        Ok(image) => Ok(Some(ImageId {
            id: image.id.unwrap_or_else(|| reference.to_owned()),
            digests: image.repo_digests.unwrap_or_default(),
        })),
        Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(engine(&format!("look up image {reference}"), &error)),
    }
}

/// Pulls with the credentials of Docker's own config; logs progress at most once a second.
async fn pull(docker: &Docker, reference: &str) -> Result<()> {
    tracing::info!(image = reference, "pulling");
    let credentials = credentials::of(reference).map_err(|cause| not_pulled(reference, cause))?;
    let options = CreateImageOptionsBuilder::new().from_image(&with_tag(reference)).build();
    let mut progress = docker.create_image(Some(options), None, credentials);
    let mut logged = Instant::now();
    while let Some(step) = progress.next().await {
        let step = step.map_err(|error| no_image(reference, &error))?;
        if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
            return Err(not_pulled(reference, message));
        }
        if logged.elapsed() > Duration::from_secs(1) {
            logged = Instant::now();
            let detail = step.progress_detail.unwrap_or_default();
            let (done, total) =
                (detail.current.unwrap_or(0) >> 20, detail.total.unwrap_or(0) >> 20);
            let (layer, status) = (step.id.unwrap_or_default(), step.status.unwrap_or_default());
            tracing::info!(image = reference, layer, status, "{done} of {total} MiB");
        }
    }
    Ok(())
}

/// Returns the local folders of the image's layers, or the reason why they are unknown.
pub(super) async fn layers(
    docker: &Docker,
    reference: &str,
) -> std::result::Result<Vec<PathBuf>, String> {
    let image = docker.inspect_image(reference).await.map_err(|error| chain(&error))?;
    let driver =
        image.graph_driver.ok_or("the Engine does not tell where the image's layers lie")?;
    let folders = ["UpperDir", "LowerDir"]
        .iter()
        .filter_map(|key| driver.data.get(*key))
        .flat_map(|list| list.split(':'));
    let folders: Vec<PathBuf> =
        folders.filter(|folder| !folder.is_empty()).map(PathBuf::from).collect();
    if folders.is_empty() {
        return Err(format!(
            "the storage driver {} does not tell where the image's layers lie",
            driver.name
        ));
    }
    all_here(folders)
}

/// Adds the tag `latest` if there is none: the Engine would otherwise pull all tags.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') || name.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

fn no_image(reference: &str, error: &EngineError) -> Error {
    match error {
        EngineError::DockerResponseServerError { message, .. } => {
            not_pulled(reference, message.trim().to_owned())
        }
        EngineError::DockerStreamError { error } => not_pulled(reference, error.trim().to_owned()),
        other => not_pulled(reference, chain(other)),
    }
}

fn not_pulled(reference: &str, cause: String) -> Error {
    Error::NoImage {
        reference: reference.to_owned(),
        cause,
        help: format!(
            "docker build -t {reference} . makes it, --pull missing fetches it, docker login says \
                who you are"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_always_given() {
        assert_eq!(with_tag("debian"), "debian:latest");
        assert_eq!(with_tag("localhost:5000/debian"), "localhost:5000/debian:latest");
        assert_eq!(with_tag("localhost:5000/debian:12"), "localhost:5000/debian:12");
        assert_eq!(with_tag("debian@sha256:00"), "debian@sha256:00");
    }
}
