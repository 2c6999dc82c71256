//! The command that starts one replica.

use super::Source;
use crate::sweep::Minimum;

/// `docker run …` with the limits of `minimum`, for one replica, published on 8000 of the loopback interface.
pub fn line(source: &Source, minimum: &Minimum) -> String {
    let limits = minimum.point.limits;
    let mut words = vec![
        "docker run --rm".to_owned(),
        format!("--cpus {} --memory {} --memory-swap {}", limits.cpus, limits.memory_bytes, limits.memory_bytes),
        "--pids-limit 512 --cap-drop ALL --security-opt no-new-privileges".to_owned(),
        format!("-p 127.0.0.1:8000:{}", source.port),
    ];
    words.extend(
        source.variables().into_iter().map(|(name, value)| format!("-e {}", shell(&format!("{name}={value}")))),
    );
    let mount = |(here, inside): (std::path::PathBuf, std::path::PathBuf)| {
        format!("-v {}", shell(&format!("{}:{}:ro", here.display(), inside.display())))
    };
    words.extend(source.files().into_iter().map(mount));
    words.push(shell(source.image.as_deref().unwrap_or("inference-api")));
    words.join(" ")
}

/// A word of a shell's.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::minimum, *};

    #[test]
    fn it_is_a_line_for_a_shell() {
        let source = Source {
            image: Some("x:1".to_owned()),
            port: 9000,
            env: vec![("A".to_owned(), "it's $1".to_owned())],
            mounts: vec![("/here".into(), "/inside".into())],
            ..Source::default()
        };
        let line = line(&source, &minimum(2));
        assert!(line.starts_with("docker run --rm --cpus 0.1 --memory 67108864 --memory-swap 67108864 "), "{line}");
        assert!(line.ends_with(r"-p 127.0.0.1:8000:9000 -e 'A=it'\''s $1' -v /here:/inside:ro x:1"), "{line}");
    }
}
