//! `compose.yaml` with the limits that were found.

use std::path::PathBuf;

use crate::sweep::Minimum;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Source {
    /// The image; none where processes were measured.
    pub image: Option<String>,
    /// The port that the program in it listens on.
    pub port: u16,
    /// A model that was mounted, or served as a process.
    pub model: Option<PathBuf>,
}

/// A Compose file that starts what was measured with the limits of `minimum`. One replica is published on 8000 of the loopback
/// interface, several on a range from there.
pub fn file(source: &Source, minimum: &Minimum) -> String {
    let point = minimum.point;
    let port = source.port;
    let published = match point.replicas {
        1 => format!("127.0.0.1:8000:{port}"),
        r => format!("127.0.0.1:8000-{}:{port}", 8000 + r - 1),
    };
    let mut text = "# Written by loadgen sweep: the smallest limits found.\n".to_owned();
    if source.image.is_none() {
        text.push_str(
            "# They were found for processes on the host. In a container the pages of program and library count too: sweep the\n\
             # image itself (--image) before relying on them here.\n",
        );
    }
    let image = source.image.as_deref().unwrap_or("inference-api");
    text.push_str(&format!("services:\n  api:\n    image: {}\n    ports: [\"{published}\"]\n", quoted(image)));
    if let Some(model) = &source.model {
        let name = model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let inside = format!("/mounted/{name}");
        text.push_str(&format!("    environment:\n      INFERENCE_MODEL: {}\n    volumes:\n", quoted(&inside)));
        let sidecar = model.with_extension("json");
        for file in [Some(model.clone()), sidecar.is_file().then_some(sidecar)].into_iter().flatten() {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            text.push_str(&format!("      - {}\n", quoted(&format!("{}:/mounted/{name}:ro", file.display()))));
        }
    }
    text.push_str(&format!(
        "    cap_drop: [ALL]\n    security_opt: [\"no-new-privileges:true\"]\n    deploy:\n      replicas: {}\n      resources:\n        \
         limits:\n          cpus: \"{}\"\n          memory: \"{}\"\n          pids: 512\n",
        point.replicas, point.limits.cpus, point.limits.memory_bytes
    ));
    text
}

/// A JSON string is a YAML string, whatever is in it; a dollar would be taken for a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Below, Point};

    fn minimum(replicas: u32) -> Minimum {
        let point = Point::new(replicas, 100, 64 << 20);
        Minimum { point, below_cpus: Below::Fails, below_memory: Below::Fails }
    }

    #[test]
    fn limits_are_per_replica() {
        let source = Source { image: Some("127.0.0.1:5000/x:1".to_owned()), port: 9000, model: None };
        let text = file(&source, &minimum(2));
        assert!(text.contains("      replicas: 2\n") && text.contains("          cpus: \"0.1\"\n"), "{text}");
        assert!(text.contains("memory: \"67108864\"") && text.contains("127.0.0.1:8000-8001:9000"), "{text}");
        assert!(text.contains("image: \"127.0.0.1:5000/x:1\"") && !text.contains("volumes"), "{text}");
    }

    #[test]
    fn a_model_that_was_measured_is_the_one_that_is_served() {
        let source = Source { image: None, port: 8000, model: Some("/data/my model.onnx".into()) };
        let text = file(&source, &minimum(1));
        assert!(text.contains("INFERENCE_MODEL: \"/mounted/my model.onnx\""), "{text}");
        assert!(text.contains("- \"/data/my model.onnx:/mounted/my model.onnx:ro\""), "{text}");
        assert!(text.contains("found for processes"), "{text}");
    }
}
