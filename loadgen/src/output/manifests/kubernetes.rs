//! Kubernetes manifest with the limits of the result.

use sizing::trial::{Point, Trial};

use super::{Source, comments, memory, quoted};

/// Target utilization of the limit if none was measured, and its maximum. All users use up the
/// smallest limits, and an autoscaler that waits for the whole request never acts.
const UTILIZATION: f64 = 0.8;
/// Factor from the minimum to the maximum of the autoscaler's replicas.
const MOST: u32 = 4;

/// Returns a Deployment with requests and limits, a Service and a HorizontalPodAutoscaler.
///
/// The autoscaler keeps the utilization at which the objective held, as `confirmation` measured it,
/// or somewhat less. Pods on nodes of their own do not share file pages. So each gets `alone_bytes`
/// of memory, the need of each of fewer replicas, if it is known and larger.
pub fn file(
    source: &Source,
    point: Point,
    alone_bytes: Option<u64>,
    confirmation: Option<&Trial>,
) -> String {
    let millis = point.limits.cpus.millis;
    let memory = memory(point.limits.memory_bytes.max(alone_bytes.unwrap_or(0)), "Mi");
    let used = confirmation
        .map(|trial| trial.usage.cpus_used / point.total_cpus())
        .filter(|share| *share > 0.05);
    let how = match used {
        Some(used) if used <= UTILIZATION => "measured".to_owned(),
        Some(used) => format!(
            "assumed: {:.0}% was measured, at which it would never act",
            used.min(1.0) * 100.0
        ),
        None => "assumed".to_owned(),
    };
    let utilization = (used.unwrap_or(UTILIZATION).min(UTILIZATION) * 100.0).round();
    let pages = match alone_bytes {
        _ if point.replicas == 1 => String::new(),
        Some(_) => comments(
            "          ",
            &[
                "Replicas on one machine share the pages of their files, pods on nodes of their \
                    own do not: this is the memory that",
                "fewer replicas needed each, where that is more.",
            ],
        ),
        None => comments(
            "          ",
            &[
                "Measured on one machine, where replicas share the pages of their files: a pod on \
                    a node of its own may need more",
                "memory.",
            ],
        ),
    };
    let ready = if source.ready_path.is_empty() { "/health" } else { &source.ready_path };
    let added = match &source.rights.cap_add[..] {
        [] => String::new(),
        added => format!(", add: [{}]", added.join(", ")),
    };
    let user = source.rights.user.as_deref().map(run_as).unwrap_or_default();
    let mut text = format!(
        "# Written by loadgen sweep: the smallest limits found, on one machine. A node's \
            processors may be faster or slower.\n{}\
         apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\n  labels: \
         {{ app: api }}\nspec:\n  replicas: {}\n  \
         selector:\n    matchLabels: {{ app: api }}\n  template:\n    metadata:\n      labels: \
         {{ app: api }}\n    spec:\n      \
         containers:\n        - name: api\n          image: {}\n          imagePullPolicy: \
         IfNotPresent\n          ports:\n            - containerPort: {}\n          \
         readinessProbe:\n            httpGet: \
         {{ path: {}, port: {} }}\n            periodSeconds: \
         2\n{pages}          resources:\n            \
         requests: {{ cpu: {millis}m, memory: \"{memory}\" }}\n            limits: \
         {{ cpu: {millis}m, memory: \"{memory}\" }}\n          \
         securityContext:\n            allowPrivilegeEscalation: false\n            capabilities: \
         {{ drop: [ALL]{added} }}\n{user}",
        source.warning(),
        point.replicas,
        quoted(&pinned(source)),
        source.port,
        quoted(ready),
        source.port
    );
    if !source.args.is_empty() {
        let args: Vec<String> = source.args.iter().map(|arg| literal(arg)).collect();
        text.push_str(&format!("          args: [{}]\n", args.join(", ")));
    }
    if !source.env.is_empty() {
        text.push_str("          env:\n");
        for (name, value) in &source.env {
            text.push_str(&format!(
                "            - name: {}\n              value: {}\n",
                quoted(name),
                literal(value)
            ));
        }
    }
    let files = &source.mounts;
    if !files.is_empty() {
        text.push_str("          volumeMounts:\n");
        for (index, (_, inside)) in files.iter().enumerate() {
            let inside = quoted(&inside.display().to_string());
            text.push_str(&format!(
                "            - name: file-{index}\n              mountPath: \
                    {inside}\n              readOnly: true\n"
            ));
        }
        text.push_str(
            "      # Paths of the machine that was measured on: put a ConfigMap or a volume claim \
                in their place.\n      volumes:\n",
        );
        for (index, (here, _)) in files.iter().enumerate() {
            let here = quoted(&here.display().to_string());
            text.push_str(&format!(
                "        - name: file-{index}\n          hostPath: {{ path: {here} }}\n"
            ));
        }
    }
    text.push_str(&format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: api\nspec:\n  selector: \
            {{ app: api }}\n  ports:\n    - port: 80\n      targetPort: {}\n---\napiVersion: \
            autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: \
            api\nspec:\n  scaleTargetRef: \
            {{ apiVersion: apps/v1, kind: Deployment, name: api }}\n  minReplicas: {}\n  # \
            Assumed: {MOST} times as many.\n  maxReplicas: {}\n  metrics:\n    - type: \
            Resource\n      resource:\n        name: cpu\n        # Of the request, with all users \
            ({how}).\n        target: {{ type: Utilization, averageUtilization: {utilization} }}\n",
        source.port,
        point.replicas,
        point.replicas * MOST
    ));
    text
}

/// Returns the image by its digest, or with a tag. For an image with neither, Kubernetes would use
/// the latest one and ask for it at every start.
fn pinned(source: &Source) -> String {
    let image = source.image();
    let name = image.rsplit('/').next().unwrap_or(image);
    match &source.digest {
        Some(digest) => digest.clone(),
        None if name.contains([':', '@']) => image.to_owned(),
        None => format!("{image}:latest"),
    }
}

/// Returns the lines that set a numeric user and group; Kubernetes accepts no names.
fn run_as(user: &str) -> String {
    let (user, group) =
        user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let line = |name: &str, id: &str| match id.parse::<u32>() {
        Ok(id) => format!("            {name}: {id}\n"),
        Err(_) => format!(
            "            # {name}: Kubernetes takes a number, and the trials had {}.\n",
            quoted(id)
        ),
    };
    line("runAsUser", user) + &group.map(|group| line("runAsGroup", group)).unwrap_or_default()
}

/// Quotes a string without `$(NAME)` references of Kubernetes.
fn literal(text: &str) -> String {
    quoted(&text.replace("$(", "$$("))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{
        super::tests::{minimum, model_at_9000},
        *,
    };

    #[test]
    fn it_is_three_documents_of_yaml() {
        let source = Source {
            image: Some("127.0.0.1:5000/x:1".to_owned()),
            port: 9000,
            env: vec![("A".to_owned(), "$(B)".to_owned())],
            mounts: vec![("/here".into(), "/in side".into())],
            ready_path: "/ready".to_owned(),
            ..Source::default()
        };
        let text = file(&source, minimum(2), Some(80 << 20), None);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let kinds: Vec<&str> = documents.iter().map(|d| d["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Deployment", "Service", "HorizontalPodAutoscaler"]);
        let container = &documents[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container["resources"]["limits"],
            serde_json::json!({ "cpu": "100m", "memory": "80Mi" })
        );
        assert_eq!(
            (&documents[0]["spec"]["replicas"], &container["env"][0]["value"]),
            (&2.into(), &"$$(B)".into())
        );
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/in side");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready");
        let scaler = &documents[2]["spec"];
        assert_eq!(scaler["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        assert_eq!((&scaler["minReplicas"], &scaler["maxReplicas"]), (&2.into(), &8.into()));
        assert!(container["args"].is_null() && !text.contains("processes"), "{text}");
    }

    #[test]
    fn pods_of_which_nothing_smaller_is_known_have_the_memory_that_was_measured() {
        let more = file(&Source::default(), minimum(2), Some(8 << 20), None);
        assert!(
            more.contains("memory: \"64Mi\"") && more.contains("fewer replicas needed"),
            "{more}"
        );
        let unknown = file(&Source::default(), minimum(2), None, None);
        assert!(unknown.contains("may need more"), "{unknown}");
        assert!(!file(&Source::default(), minimum(1), None, None).contains("share the pages"));
    }

    #[test]
    fn an_image_has_a_digest_or_a_tag() {
        let named = |image: &str, digest: Option<&str>| {
            let (image, digest) = (Some(image.to_owned()), digest.map(str::to_owned));
            pinned(&Source { image, digest, ..Source::default() })
        };
        assert_eq!(named("127.0.0.1:5000/x", None), "127.0.0.1:5000/x:latest");
        assert_eq!(named("x:1", None), "x:1");
        assert_eq!(named("x:1", Some("x@sha256:0")), "x@sha256:0");
        assert!(
            file(&Source::default(), minimum(1), None, None)
                .contains("imagePullPolicy: IfNotPresent")
        );
    }

    #[test]
    fn who_runs_is_a_number() {
        assert_eq!(run_as("7:8"), "            runAsUser: 7\n            runAsGroup: 8\n");
        assert!(run_as("app").contains("# runAsUser"));
    }

    #[test]
    fn what_was_served_is_served_where_it_is_asked_for() {
        let text = file(&model_at_9000(None), minimum(1), None, None);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let container = &documents[0]["spec"]["template"]["spec"]["containers"][0];
        let args = serde_json::json!([
            "serve",
            "--model",
            "/mounted/my model.onnx",
            "--bind",
            "0.0.0.0:9000"
        ]);
        assert_eq!(
            (&container["args"], &container["ports"][0]["containerPort"]),
            (&args, &9000.into())
        );
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/mounted/my model.onnx");
        assert!(text.contains("# The limits were found for processes"), "{text}");
    }
}
