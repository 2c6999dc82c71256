//! What users send, by flags.

use clap::Args;

use crate::{Error, workload::Request};

/// What users send.
#[derive(Debug, Args)]
pub(super) struct PayloadOptions {
    /// Path of the request.
    #[arg(long, default_value = "/predict")]
    pub(super) path: String,

    /// Body of the request: JSON, or @FILE. Without it, the example of --model, or the one that the server gives.
    #[arg(long)]
    body: Option<String>,
}

impl PayloadOptions {
    /// The request, if flags and the model's sidecar tell it.
    pub(super) fn request(&self, model: Option<&std::path::Path>) -> Result<Option<Request>, Error> {
        if !self.path.starts_with('/') || self.path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::Usage(format!("--path {:?}: a path begins with / and has no spaces", self.path)));
        }
        let body = match (&self.body, model) {
            (Some(body), _) => match body.strip_prefix('@') {
                Some(file) => {
                    std::fs::read(file).map_err(|e| Error::Usage(format!("--body {body}: cannot read it: {e}")))?
                }
                None => body.clone().into_bytes(),
            },
            (None, Some(model)) => match sidecar_example(model)? {
                Some(example) => example,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        Ok(Some(Request::post_json(&self.path, body)))
    }
}

/// The example of the sidecar of `model`, if it has one.
fn sidecar_example(model: &std::path::Path) -> Result<Option<Vec<u8>>, Error> {
    #[derive(serde::Deserialize)]
    struct Sidecar {
        example: Option<serde_json::Value>,
    }
    let path = model.with_extension("json");
    let Ok(text) = std::fs::read(&path) else { return Ok(None) };
    let sidecar: Sidecar =
        serde_json::from_slice(&text).map_err(|e| Error::Usage(format!("{} is no sidecar: {e}", path.display())))?;
    Ok(sidecar.example.map(|example| example.to_string().into_bytes()))
}
