//! `compose.yaml` with the limits that were found.

use super::{Source, quoted};
use crate::sweep::Minimum;

/// A Compose file that starts what was measured with the limits of `minimum`. One replica is published on 8000 of the loopback
/// interface, several on a range from there.
pub fn file(source: &Source, minimum: &Minimum) -> String {
    let point = minimum.point;
    if let Some(service) = &source.service {
        return format!(
            "# Written by loadgen sweep: the smallest limits found, to be said beside the project's own file:\n\
             # docker compose -f compose.yaml -f THIS up -d\nservices:\n  {}:\n{}",
            quoted(service),
            limits(minimum)
        );
    }
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
    text.push_str(&format!(
        "services:\n  api:\n    image: {}\n    ports: [\"{published}\"]\n",
        quoted(&image.replace('$', "$$"))
    ));
    let variables = source.variables();
    if !variables.is_empty() {
        text.push_str("    environment:\n");
        for (name, value) in variables {
            text.push_str(&format!("      {name}: {}\n", quoted(&value.replace('$', "$$"))));
        }
    }
    let files = source.files();
    if !files.is_empty() {
        text.push_str("    volumes:\n");
        for (here, inside) in files {
            let mount = format!("{}:{}:ro", here.display(), inside.display());
            text.push_str(&format!("      - {}\n", quoted(&mount.replace('$', "$$"))));
        }
    }
    text.push_str("    cap_drop: [ALL]\n    security_opt: [\"no-new-privileges:true\"]\n");
    text.push_str(&limits(minimum));
    text
}

fn limits(minimum: &Minimum) -> String {
    let point = minimum.point;
    format!(
        "    deploy:\n      replicas: {}\n      resources:\n        limits:\n          cpus: \"{}\"\n          memory: \"{}\"\n          \
         pids: 512\n",
        point.replicas, point.limits.cpus, point.limits.memory_bytes
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::minimum, *};

    #[test]
    fn limits_are_per_replica() {
        let source = Source { image: Some("127.0.0.1:5000/x:1".to_owned()), port: 9000, ..Source::default() };
        let text = file(&source, &minimum(2));
        assert!(text.contains("      replicas: 2\n") && text.contains("          cpus: \"0.1\"\n"), "{text}");
        assert!(text.contains("memory: \"67108864\"") && text.contains("127.0.0.1:8000-8001:9000"), "{text}");
        assert!(text.contains("image: \"127.0.0.1:5000/x:1\"") && !text.contains("volumes"), "{text}");
    }

    #[test]
    fn variables_and_mounts_are_there_and_dollars_are_no_variables() {
        let source = Source {
            image: Some("x".to_owned()),
            port: 80,
            env: vec![("A".to_owned(), "b$c".to_owned())],
            mounts: vec![("/here".into(), "/inside".into())],
            ..Source::default()
        };
        let text = file(&source, &minimum(1));
        assert!(text.contains("      A: \"b$$c\"\n") && text.contains("- \"/here:/inside:ro\""), "{text}");
    }

    #[test]
    fn a_service_that_was_varied_gets_its_limits_and_nothing_else() {
        let source =
            Source { image: Some("sha256:0".to_owned()), service: Some("api".to_owned()), ..Source::default() };
        let text = file(&source, &minimum(2));
        assert!(text.contains("  \"api\":\n    deploy:\n      replicas: 2\n") && !text.contains("image"), "{text}");
    }

    #[test]
    fn a_model_that_was_measured_is_the_one_that_is_served() {
        let source = Source { port: 8000, model: Some("/data/my model.onnx".into()), ..Source::default() };
        let text = file(&source, &minimum(1));
        assert!(text.contains("INFERENCE_MODEL: \"/mounted/my model.onnx\""), "{text}");
        assert!(text.contains("- \"/data/my model.onnx:/mounted/my model.onnx:ro\""), "{text}");
        assert!(text.contains("found for processes"), "{text}");
    }
}
