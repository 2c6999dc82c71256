//! Client of MLflow's REST interface, limited to what a model server needs.

use std::time::Duration;

use axum::http::Uri;
use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::{self, Response};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ModelUri, RegistryError, uri::Selector};

const API: &str = "api/2.0/mlflow";
const ARTIFACTS: &str = "api/2.0/mlflow-artifacts/artifacts";

/// Timeouts: a stalled registry must not stall the server's start forever.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// Lowest download rate without a timeout; `UNKNOWN_SIZE` applies to files of unknown size.
const SLOWEST_BYTES_PER_SECOND: u64 = 50_000;
const UNKNOWN_SIZE: Duration = Duration::from_secs(3600);

/// Characters to escape in a path segment or query value: all but RFC 3986's unreserved ones.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Client of one registry.
pub(super) struct Client {
    http: blocking::Client,
    /// Base address without a trailing slash.
    base: String,
    /// Host and port, which distinguish models of the same name in two registries.
    pub(super) authority: String,
    authorization: Option<String>,
}

/// Version and the location of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) version: String,
    /// Location as reported by the registry.
    pub(super) artifact_uri: String,
}

/// File or folder of a version.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Artifact {
    /// Path relative to the listed folder.
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_dir: bool,
    #[serde(default)]
    pub(super) file_size: Option<u64>,
}

#[derive(Deserialize)]
struct Alias {
    model_version: RegisteredVersion,
}

#[derive(Deserialize)]
struct Latest {
    #[serde(default)]
    model_versions: Vec<RegisteredVersion>,
}

#[derive(Deserialize)]
struct RegisteredVersion {
    version: String,
}

#[derive(Deserialize)]
struct DownloadUri {
    artifact_uri: String,
}

#[derive(Deserialize)]
struct Logged {
    model: LoggedModel,
}

#[derive(Deserialize)]
struct LoggedModel {
    info: LoggedInfo,
}

#[derive(Deserialize)]
struct LoggedInfo {
    artifact_uri: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    files: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Client {
    /// Creates a client with the address and credentials of MLflow's own environment variables.
    pub(super) fn from_env(uri: &ModelUri) -> Result<Self, RegistryError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = variable("MLFLOW_REGISTRY_URI")
            .or_else(|| variable("MLFLOW_TRACKING_URI"))
            .ok_or_else(|| RegistryError::NoRegistry(uri.clone()))?;
        let parsed = address
            .parse::<Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let authority = parsed
            .as_ref()
            .and_then(Uri::authority)
            .map(|a| format!("{}_{}", a.host(), a.port_u16().unwrap_or(0)));
        let authority = authority.ok_or_else(|| RegistryError::Address(address.clone()))?;
        let authorization =
            match (variable("MLFLOW_TRACKING_USERNAME"), variable("MLFLOW_TRACKING_TOKEN")) {
                (Some(user), _) => {
                    let password = variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
                    Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
                }
                (None, token) => token.map(|token| format!("Bearer {token}")),
            };
        let insecure = variable("MLFLOW_TRACKING_INSECURE_TLS")
            .is_some_and(|v| v.eq_ignore_ascii_case("true"));
        // Fails only where a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = blocking::Client::builder()
            .connect_timeout(CONNECT)
            .user_agent(concat!("inference-api/", env!("CARGO_PKG_VERSION")))
            .tls_danger_accept_invalid_certs(insecure)
            .build()
            .map_err(|e| unreachable(&e))?;
        let base = address.trim_end_matches('/').to_owned();
        Ok(Self { http, base, authority, authorization })
    }

    /// Returns the version that an address currently refers to.
    pub(super) fn resolve(&self, uri: &ModelUri) -> Result<Version, RegistryError> {
        let (name, selector) = match uri {
            ModelUri::Registered { name, selector } => (name.clone(), selector),
            ModelUri::Logged(id) => {
                let logged: Logged = self.ask(&format!("{API}/logged-models/{id}"), &[])?;
                let LoggedInfo { artifact_uri, name } = logged.model.info;
                return Ok(Version {
                    name: name.unwrap_or_else(|| id.clone()),
                    version: "1".to_owned(),
                    artifact_uri,
                });
            }
        };
        let version = match selector {
            Selector::Version(version) => version.to_string(),
            Selector::Alias(alias) => {
                let path = format!("{API}/registered-models/alias");
                self.ask::<Alias>(&path, &[("name", &name), ("alias", alias)])?
                    .model_version
                    .version
            }
            Selector::Latest => self.latest(uri, &[("name", &name)])?,
            Selector::Stage(stage) => self.latest(uri, &[("name", &name), ("stages", stage)])?,
        };
        let path = format!("{API}/model-versions/get-download-uri");
        let DownloadUri { artifact_uri } =
            self.ask(&path, &[("name", &name), ("version", &version)])?;
        Ok(Version { name, version, artifact_uri })
    }

    /// Returns the newest of the latest versions that the registry reports for each stage.
    fn latest(&self, uri: &ModelUri, query: &[(&str, &str)]) -> Result<String, RegistryError> {
        let latest: Latest =
            self.ask(&format!("{API}/registered-models/get-latest-versions"), query)?;
        let newest =
            latest.model_versions.into_iter().max_by_key(|v| v.version.parse::<u64>().ok());
        newest.map(|v| v.version).ok_or_else(|| RegistryError::NoVersion(uri.clone()))
    }

    /// Lists a folder of the proxied artifacts.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Artifact>, RegistryError> {
        Ok(self.ask::<Listing>(ARTIFACTS, &[("path", folder)])?.files)
    }

    /// Starts the download of a proxied artifact of `bytes` bytes.
    pub(super) fn get(&self, file: &str, bytes: Option<u64>) -> Result<Response, RegistryError> {
        let patience = bytes.map_or(UNKNOWN_SIZE, |bytes| {
            ANSWER + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
        });
        self.send(&format!("{ARTIFACTS}/{file}"), &[], patience)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, RegistryError> {
        let response = self.send(path, query, ANSWER)?;
        let body = response.bytes().map_err(|e| unreachable(&e))?;
        serde_json::from_slice(&body)
            .map_err(|e| RegistryError::Answer { path: path.to_owned(), reason: e.to_string() })
    }

    fn send(
        &self,
        path: &str,
        query: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Response, RegistryError> {
        let mut request = self.http.get(self.url(path, query)).timeout(patience);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().map_err(|e| unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().unwrap_or_default();
        let message = serde_json::from_str(&text).map_or(text, |refusal: Refusal| refusal.message);
        let message = crate::predict::shorten(message.trim());
        Err(RegistryError::Refused { status: status.as_u16(), path: path.to_owned(), message })
    }

    /// Returns the base address with an escaped path and query appended.
    fn url(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = self.base.clone();
        for part in path.split('/') {
            url.push('/');
            url.extend(utf8_percent_encode(part, ESCAPED));
        }
        for (i, (name, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, ESCAPED));
        }
        url
    }
}

/// Returns the error with its causes: reqwest's own words name only the address.
fn unreachable(error: &reqwest::Error) -> RegistryError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    RegistryError::Unreachable(text)
}
