//! Command line that starts one replica.

use orchestrator::MOST_PIDS;
use sizing::trial::Point;

use super::{NO_HEALTH_CHECK, Source, comments, memory};

/// Returns `docker run …` for one replica with the limits of `point`, published on port 8000 of the
/// loopback interface, after shell comments with warnings.
pub fn line(source: &Source, point: Point) -> String {
    let limits = point.limits;
    let memory = memory(limits.memory_bytes, "m");
    let mut words = vec![
        "docker run --rm --no-healthcheck".to_owned(),
        format!("--cpus {} --memory {memory} --memory-swap {memory}", limits.cpus),
        format!("--pids-limit {MOST_PIDS} --cap-drop ALL --security-opt no-new-privileges"),
        format!("-p 127.0.0.1:8000:{}", source.port),
    ];
    words.extend(source.rights.cap_add.iter().map(|added| format!("--cap-add {added}")));
    words.extend(source.rights.user.iter().map(|user| format!("--user {}", shell(user))));
    words.extend((source.open_files > 0).then(|| format!("--ulimit nofile={}", source.open_files)));
    words.extend(
        source.env.iter().map(|(name, value)| format!("-e {}", shell(&format!("{name}={value}")))),
    );
    let mount = |(here, inside): &(std::path::PathBuf, std::path::PathBuf)| {
        format!("-v {}", shell(&format!("{}:{}:ro", here.display(), inside.display())))
    };
    words.extend(source.mounts.iter().map(mount));
    words.push(shell(source.image()));
    words.extend(source.args.iter().map(|arg| shell(arg)));
    format!("{}{}{}", source.warning(), comments("", &NO_HEALTH_CHECK), words.join(" "))
}

/// Quotes a word for a shell.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{minimum, model_at_9000},
        *,
    };

    #[test]
    fn it_is_a_line_for_a_shell() {
        let source = Source {
            image: Some("x:1".to_owned()),
            port: 9000,
            open_files: 65_536,
            env: vec![("A".to_owned(), "it's $1".to_owned())],
            mounts: vec![("/here".into(), "/inside".into())],
            ..Source::default()
        };
        let text = line(&source, minimum(2));
        let (comments, line) = text.rsplit_once('\n').unwrap();
        assert!(
            line.starts_with(
                "docker run --rm --no-healthcheck --cpus 0.1 --memory 64m --memory-swap 64m "
            ),
            "{line}"
        );
        assert!(line.contains(" --pids-limit 512 "), "{line}");
        assert!(
            line.ends_with(
                "-p 127.0.0.1:8000:9000 --ulimit nofile=65536 -e 'A=it'\\''s $1' \
                    -v /here:/inside:ro x:1"
            ),
            "{line}"
        );
        assert!(
            comments.lines().all(|line| line.starts_with("# ")) && !comments.contains("processes"),
            "{comments}"
        );
        assert!(comments.contains("without the image's health check"), "{comments}");
    }

    #[test]
    fn what_was_served_is_served_where_it_is_published() {
        let text = line(&model_at_9000(None), minimum(1));
        let serve = "inference-api serve --model '/mounted/my model.onnx' --bind 0.0.0.0:9000";
        assert!(text.contains("-p 127.0.0.1:8000:9000 ") && text.ends_with(serve), "{text}");
        assert!(text.starts_with("# The limits were found for processes"), "{text}");
    }
}
