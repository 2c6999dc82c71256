//! Registry credentials from the files that `docker login` writes.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// Docker's `config.json`, limited to registries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Auth>,
    /// Helper with the credentials of all registries: `docker-credential-NAME`.
    creds_store: Option<String>,
    /// Helpers of single registries.
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    /// `user:password`, in base64.
    auth: String,
    identitytoken: Option<String>,
}

/// Answer of a helper.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// User name that marks a token in place of a password.
const TOKEN: &str = "<token>";
/// Key of Docker Hub in the file.
const HUB: &str = "https://index.docker.io/v1/";

/// Returns the credentials for the registry of an image, if there are any.
///
/// # Errors
/// Returns an error if the file or a helper's answer is invalid.
pub(super) fn of(reference: &str) -> Result<Option<DockerCredentials>, String> {
    let Some(path) = config_path() else { return Ok(None) };
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| format!("{}: {e}", path.display()))?,
    };
    let config: Config =
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    find(&config, registry(reference))
}

fn config_path() -> Option<PathBuf> {
    let named = env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let folder = named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

/// Returns the registry of a reference: the part before the first slash, if it looks like a host.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some(("docker.io" | "index.docker.io" | "registry-1.docker.io", _)) => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

fn find(config: &Config, registry: &str) -> Result<Option<DockerCredentials>, String> {
    if let Some(helper) = config.cred_helpers.get(registry).or(config.creds_store.as_ref()) {
        return ask(helper, registry);
    }
    let Some(auth) =
        config.auths.iter().find(|(key, _)| is_of(key, registry)).map(|(_, auth)| auth)
    else {
        return Ok(None);
    };
    if let Some(token) = &auth.identitytoken {
        return Ok(Some(credentials(registry, TOKEN, token)));
    }
    // `docker login` with a store leaves an empty entry.
    if auth.auth.is_empty() {
        return Ok(None);
    }
    let plain = STANDARD.decode(&auth.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match plain.as_deref().and_then(|plain| plain.split_once(':')) {
        Some((user, password)) => Ok(Some(credentials(registry, user, password))),
        None => Err(format!(
            "the entry {registry:?} in Docker's config.json is no user:password in base64"
        )),
    }
}

/// Returns true if a key is for the registry; keys may have a scheme and a path.
fn is_of(key: &str, registry: &str) -> bool {
    let host = |text: &str| {
        let text = text.trim_start_matches("https://").trim_start_matches("http://");
        text.split('/').next().unwrap_or_default().to_owned()
    };
    host(key) == host(registry)
}

fn ask(helper: &str, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let program = format!("docker-credential-{helper}");
    let failed = |e: io::Error| format!("{program}: {e}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        io::Write::write_all(&mut stdin, registry.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    // The helper has no entry: the registry may allow anonymous access.
    if !output.status.success() {
        return Ok(None);
    }
    let helped: Helped =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("{program}: {e}"))?;
    Ok(Some(credentials(registry, &helped.username, &helped.secret)))
}

fn credentials(registry: &str, user: &str, secret: &str) -> DockerCredentials {
    let serveraddress = Some(registry.to_owned());
    match user {
        TOKEN => DockerCredentials {
            serveraddress,
            identitytoken: Some(secret.to_owned()),
            ..Default::default()
        },
        user => DockerCredentials {
            serveraddress,
            username: Some(user.to_owned()),
            password: Some(secret.to_owned()),
            ..Default::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry() {
        for (reference, wanted) in [
            ("debian", HUB),
            ("docker.io/me/private", HUB),
            ("anyone/fastapi-model:1.0", HUB),
            ("127.0.0.1:5000/x:1", "127.0.0.1:5000"),
            ("ghcr.io/a/b@sha256:00", "ghcr.io"),
            ("localhost/x", "localhost"),
        ] {
            assert_eq!(registry(reference), wanted);
        }
    }

    #[test]
    fn what_docker_login_wrote_is_read() {
        let text = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "YTpiOmM="},
                "127.0.0.1:5000": {"auth": "dTpw"},
                "ghcr.io": {"auth": "", "identitytoken": "t"},
                "broken.io": {"auth": "!"}
            },
            "credHelpers": {"gcr.io": "none-such"}
        }"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let of = |registry| find(&config, registry).unwrap();
        let hub = of(HUB).unwrap();
        assert_eq!((hub.username.as_deref(), hub.password.as_deref()), (Some("a"), Some("b:c")));
        assert_eq!(of("127.0.0.1:5000").unwrap().username.as_deref(), Some("u"));
        assert_eq!(of("ghcr.io").unwrap().identitytoken.as_deref(), Some("t"));
        assert_eq!(of("quay.io"), None);
        assert!(find(&config, "broken.io").unwrap_err().contains("broken.io"));
        assert!(find(&config, "gcr.io").unwrap_err().contains("docker-credential-none-such"));
    }
}
