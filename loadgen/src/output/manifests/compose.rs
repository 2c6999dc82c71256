//! `compose.yaml` with the limits of the result.

use orchestrator::MOST_PIDS;
use sizing::trial::Point;

use super::{NO_HEALTH_CHECK, Source, comments, memory, quoted};

/// Returns a Compose file that starts the measured service with the limits of `point`. One replica
/// is published on port 8000 of the loopback interface, several on a range from there.
pub fn file(source: &Source, point: Point) -> String {
    if let Some(service) = &source.service {
        return beside(service, point);
    }
    let port = source.port;
    let published = match point.replicas {
        1 => format!("127.0.0.1:8000:{port}"),
        r => format!("127.0.0.1:8000-{}:{port}", 8000 + r - 1),
    };
    let mut text =
        format!("# Written by loadgen sweep: the smallest limits found.\n{}", source.warning());
    text.push_str(&format!(
        "services:\n  api:\n    image: {}\n    ports: [\"{published}\"]\n",
        literal(source.image())
    ));
    if !source.args.is_empty() {
        let args: Vec<String> = source.args.iter().map(|arg| literal(arg)).collect();
        text.push_str(&format!("    command: [{}]\n", args.join(", ")));
    }
    if !source.env.is_empty() {
        text.push_str("    environment:\n");
        for (name, value) in &source.env {
            text.push_str(&format!("      {name}: {}\n", literal(value)));
        }
    }
    if !source.mounts.is_empty() {
        text.push_str("    volumes:\n");
        for (here, inside) in &source.mounts {
            text.push_str(&format!(
                "      - {}\n",
                literal(&format!("{}:{}:ro", here.display(), inside.display()))
            ));
        }
    }
    text.push_str(&comments("    ", &NO_HEALTH_CHECK));
    text.push_str("    healthcheck: { disable: true }\n");
    if source.open_files > 0 {
        text.push_str(&format!("    ulimits: {{ nofile: {} }}\n", source.open_files));
    }
    if let Some(user) = &source.rights.user {
        text.push_str(&format!("    user: {}\n", literal(user)));
    }
    if !source.rights.cap_add.is_empty() {
        text.push_str(&format!("    cap_add: [{}]\n", source.rights.cap_add.join(", ")));
    }
    text.push_str("    cap_drop: [ALL]\n    security_opt: [\"no-new-privileges:true\"]\n");
    text.push_str(&deploy(point));
    text.push_str(&format!("          pids: {MOST_PIDS}\n"));
    text
}

/// Returns an override for the Compose file of a service that was varied in place. That file may
/// set limits in either of Compose's two ways. Compose refuses a project in which they differ, and
/// an Engine refuses both of its ways for CPU, so the override sets all of them.
fn beside(service: &str, point: Point) -> String {
    format!(
        "# Written by loadgen sweep: the smallest limits found, to be said beside the project's \
            own file:\n\
         # docker compose -f compose.yaml -f THIS up -d\nservices:\n  {}:\n    \
         # In each way in which the project's own file may say them: they must not differ.\n    \
         cpus: {}\n    cpu_period: 0\n    cpu_quota: 0\n    mem_limit: \"{}\"\n    scale: {}\n{}",
        quoted(service),
        point.limits.cpus,
        memory(point.limits.memory_bytes, "M"),
        point.replicas,
        deploy(point)
    )
}

/// Returns the limits, without swap as in the trials.
fn deploy(point: Point) -> String {
    let memory = memory(point.limits.memory_bytes, "M");
    format!(
        "    memswap_limit: \"{memory}\"\n    deploy:\n      replicas: \
            {}\n      resources:\n        limits:\n          cpus: \"{}\"\n          memory: \
            \"{memory}\"\n",
        point.replicas, point.limits.cpus
    )
}

/// Quotes a string without variables of Compose.
fn literal(text: &str) -> String {
    quoted(&text.replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use orchestrator::Rights;
    use serde_json::{Value, json};

    use super::{
        super::tests::{minimum, model_at_9000},
        *,
    };

    fn api(text: &str) -> Value {
        serde_saphyr::from_str::<Value>(text).unwrap()["services"]["api"].clone()
    }

    #[test]
    fn limits_are_per_replica() {
        let source = Source {
            image: Some("127.0.0.1:5000/x:1".to_owned()),
            port: 9000,
            ..Source::default()
        };
        let text = file(&source, minimum(2));
        let api = api(&text);
        assert_eq!(
            (&api["image"], &api["ports"][0]),
            (&json!("127.0.0.1:5000/x:1"), &json!("127.0.0.1:8000-8001:9000"))
        );
        let limits = json!({ "cpus": "0.1", "memory": "64M", "pids": 512 });
        assert_eq!(api["deploy"], json!({ "replicas": 2, "resources": { "limits": limits } }));
        assert_eq!(api["memswap_limit"], "64M");
        assert!(
            api["volumes"].is_null()
                && api["command"].is_null()
                && api["ulimits"].is_null()
                && !text.contains("processes"),
            "{text}"
        );
    }

    #[test]
    fn containers_are_as_those_of_trials() {
        let source =
            Source { image: Some("x".to_owned()), open_files: 65_536, ..Source::default() };
        let text = file(&source, minimum(1));
        let api = api(&text);
        assert_eq!(
            (&api["healthcheck"]["disable"], &api["ulimits"]["nofile"]),
            (&json!(true), &json!(65_536))
        );
        assert!(text.contains("# As it was measured, without the image's health check"), "{text}");
    }

    #[test]
    fn variables_and_mounts_are_there_and_dollars_are_no_variables() {
        let source = Source {
            image: Some("x".to_owned()),
            port: 80,
            args: vec!["--a=$b".to_owned()],
            env: vec![("A".to_owned(), "b$c".to_owned())],
            mounts: vec![("/here".into(), "/inside".into())],
            rights: Rights { cap_add: vec!["CHOWN".to_owned()], user: Some("7:7".to_owned()) },
            ..Source::default()
        };
        let api = api(&file(&source, minimum(1)));
        assert_eq!(
            (&api["environment"]["A"], &api["command"]),
            (&json!("b$$c"), &json!(["--a=$$b"]))
        );
        assert_eq!(api["volumes"], json!(["/here:/inside:ro"]));
        assert_eq!((&api["user"], &api["cap_add"]), (&json!("7:7"), &json!(["CHOWN"])));
    }

    #[test]
    fn a_service_that_was_varied_gets_its_limits_and_nothing_else() {
        let source = Source {
            image: Some("sha256:0".to_owned()),
            service: Some("api".to_owned()),
            ..Source::default()
        };
        let limits = json!({ "cpus": "0.1", "memory": "64M" });
        let expected = json!({
            "cpus": 0.1,
            "cpu_period": 0,
            "cpu_quota": 0,
            "mem_limit": "64M",
            "memswap_limit": "64M",
            "scale": 2,
            "deploy": { "replicas": 2, "resources": { "limits": limits } },
        });
        assert_eq!(api(&file(&source, minimum(2))), expected);
    }

    #[test]
    fn what_was_served_is_served_where_it_is_published() {
        let text = file(&model_at_9000(None), minimum(1));
        let api = api(&text);
        assert_eq!(
            api["command"],
            json!(["serve", "--model", "/mounted/my model.onnx", "--bind", "0.0.0.0:9000"])
        );
        assert_eq!(api["ports"], json!(["127.0.0.1:8000:9000"]));
        assert_eq!(api["volumes"], json!(["/data/my model.onnx:/mounted/my model.onnx:ro"]));
        assert!(text.contains("found for processes"), "{text}");
    }
}
