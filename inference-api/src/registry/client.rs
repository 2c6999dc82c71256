//! MLflow's REST interface, as far as a server of models needs it.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, Url};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ModelUri, RegistryError, uri::Selector};

const API: &str = "api/2.0/mlflow";
const ARTIFACTS: &str = "api/2.0/mlflow-artifacts/artifacts";

/// A stalled registry must not stall the server's start for ever.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// Somebody who asks a registry.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    who: Who,
}

enum Who {
    Nobody,
    Token(String),
    User(String, Option<String>),
}

/// A version, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) version: String,
    /// As the registry tells it.
    pub(super) artifact_uri: String,
}

/// A file or folder of a version.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Artifact {
    /// Relative to the folder that was listed.
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
    /// With the address and the credentials that MLflow's own clients use.
    pub(super) fn from_env(uri: &ModelUri) -> Result<Self, RegistryError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = variable("MLFLOW_REGISTRY_URI")
            .or_else(|| variable("MLFLOW_TRACKING_URI"))
            .ok_or_else(|| RegistryError::NoRegistry(uri.clone()))?;
        let base = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or(RegistryError::Address(address))?;
        let who = match (variable("MLFLOW_TRACKING_USERNAME"), variable("MLFLOW_TRACKING_TOKEN")) {
            (Some(user), _) => Who::User(user, variable("MLFLOW_TRACKING_PASSWORD")),
            (None, Some(token)) => Who::Token(token),
            (None, None) => Who::Nobody,
        };
        super::choose_cryptography();
        let insecure = variable("MLFLOW_TRACKING_INSECURE_TLS").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .tls_danger_accept_invalid_certs(insecure)
            .user_agent(concat!("inference-api/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| RegistryError::Unreachable(chain(&e)))?;
        Ok(Self { http, base, who })
    }

    /// Host and port: two registries may have models of one name.
    pub(super) fn authority(&self) -> String {
        format!("{}_{}", self.base.host_str().unwrap_or("unknown"), self.base.port_or_known_default().unwrap_or(0))
    }

    /// The version that an address stands for now.
    pub(super) async fn resolve(&self, uri: &ModelUri) -> Result<Version, RegistryError> {
        let (name, selector) = match uri {
            ModelUri::Registered { name, selector } => (name.clone(), selector),
            ModelUri::Logged(id) => {
                let logged: Logged = self.ask(&format!("{API}/logged-models/{id}"), &[]).await?;
                let LoggedInfo { artifact_uri, name } = logged.model.info;
                return Ok(Version { name: name.unwrap_or_else(|| id.clone()), version: "1".to_owned(), artifact_uri });
            }
        };
        let version = match selector {
            Selector::Version(version) => version.to_string(),
            Selector::Alias(alias) => {
                let path = format!("{API}/registered-models/alias");
                self.ask::<Alias>(&path, &[("name", &name), ("alias", alias)]).await?.model_version.version
            }
            Selector::Latest => self.latest(uri, &[("name", &name)]).await?,
            Selector::Stage(stage) => self.latest(uri, &[("name", &name), ("stages", stage)]).await?,
        };
        let path = format!("{API}/model-versions/get-download-uri");
        let DownloadUri { artifact_uri } = self.ask(&path, &[("name", &name), ("version", &version)]).await?;
        Ok(Version { name, version, artifact_uri })
    }

    /// The registry tells the latest version of each stage.
    async fn latest(&self, uri: &ModelUri, query: &[(&str, &str)]) -> Result<String, RegistryError> {
        let latest: Latest = self.ask(&format!("{API}/registered-models/get-latest-versions"), query).await?;
        let newest = latest.model_versions.into_iter().max_by_key(|v| v.version.parse::<u64>().ok());
        newest.map(|v| v.version).ok_or_else(|| RegistryError::NoVersion(uri.clone()))
    }

    /// What is in a folder of the proxied artifacts.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Artifact>, RegistryError> {
        Ok(self.ask::<Listing>(ARTIFACTS, &[("path", folder)]).await?.files)
    }

    /// Begins to fetch a file of the proxied artifacts.
    pub(super) async fn get(&self, file: &str) -> Result<Response, RegistryError> {
        let path = format!("{ARTIFACTS}/{file}");
        self.send(self.http.get(self.url(&path)), &path).await
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, RegistryError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let response = self.send(self.http.get(url), path).await?;
        let body = response.bytes().await.map_err(|e| RegistryError::Unreachable(chain(&e)))?;
        serde_json::from_slice(&body)
            .map_err(|e| RegistryError::Answer { path: path.to_owned(), reason: e.to_string() })
    }

    async fn send(&self, request: RequestBuilder, path: &str) -> Result<Response, RegistryError> {
        let request = match &self.who {
            Who::Nobody => request,
            Who::Token(token) => request.bearer_auth(token),
            Who::User(user, password) => request.basic_auth(user, password.as_ref()),
        };
        let response = request.send().await.map_err(|e| RegistryError::Unreachable(chain(&e)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str(&text).map_or(text, |refusal: Refusal| refusal.message);
        let message = crate::predict::shorten(message.trim());
        Err(RegistryError::Refused { status: status.as_u16(), path: path.to_owned(), message })
    }

    /// The base with a path behind it, each part of it escaped.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }
}

/// reqwest tells the reason only in the sources of its errors.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
