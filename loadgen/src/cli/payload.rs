//! Flags for the requests.

use std::{path::Path, time::Duration};

use clap::Args;
use loadtest::{
    slo::Slo,
    workload::{Field, Header, Payload, Request, Targets},
};

use crate::{Error, ui::Form};

/// Options for the requests.
#[derive(Debug, Clone, Args)]
pub(super) struct PayloadOptions {
    /// Path of the request.
    #[arg(long, default_value = "/predict")]
    path: String,

    /// HTTP method of the request.
    #[arg(long, default_value = "POST", value_parser = parse_method)]
    method: String,

    /// Request body: JSON, @FILE (media type by its name) or @FOLDER (all its files in turn);
    /// repeatable [default: the example of --model, or of the server].
    #[arg(long)]
    body: Vec<String>,

    /// Form field (multipart/form-data) in the syntax of curl's -F: NAME=VALUE or NAME=@FILE;
    /// repeatable.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with_all = ["body", "content_type"])]
    form: Vec<Field>,

    /// Media type of the body [default: JSON, or by the file's name].
    #[arg(long, value_name = "MEDIA/TYPE", requires = "body", value_parser = parse_content_type)]
    content_type: Option<String>,

    /// Request header, for instance 'X-Tenant: 7'; repeatable.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<Header>,

    /// Value of the Host header, if it differs from the host's name.
    #[arg(long, value_name = "NAME", value_parser = parse_host_header)]
    host_header: Option<String>,

    /// API key of a protected service, sent as Authorization: Bearer KEY.
    #[arg(long, value_name = "KEY", env = "LOADGEN_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Request timeout in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Targets::TIMEOUT.as_secs_f64(),
        value_parser = parse_seconds,
    )]
    timeout: f64,
}

impl PayloadOptions {
    /// Returns the request, as far as the flags and the model's sidecar define it.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if the path is invalid.
    pub(super) fn request(&self, model: Option<&Path>) -> Result<Request, Error> {
        if !self.path.starts_with('/')
            || self.path.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return Err(Error::Usage(format!(
                "--path {:?}: a path begins with / and has no spaces",
                self.path
            )));
        }
        Ok(Request {
            method: self.method.clone(),
            host: self.host_header.clone(),
            headers: self.headers()?,
            payloads: self.payloads(model)?,
            ..Request::get(&self.path)
        })
    }

    /// Returns the options with the fields of a page's form, where it has any.
    ///
    /// # Errors
    /// Returns an error for an invalid field, and for a body that names a file: people who may use
    /// the page may not read this machine's files.
    pub(super) fn with_form(&self, form: &Form) -> Result<Self, Error> {
        let mut options = self.clone();
        let text = |field: &str| Some(field.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(path) = text(&form.path) {
            options.path = path;
        }
        if let Some(method) = text(&form.method) {
            options.method = parse_method(&method).map_err(Error::Usage)?;
        }
        if let Some(body) = text(&form.body) {
            if body.starts_with('@') {
                return Err(Error::Usage(
                    "the body of this page is text\n  help: start loadgen ui with --body @FILE"
                        .to_owned(),
                ));
            }
            (options.body, options.form) = (vec![body], Vec::new());
            options.content_type = text(&form.content_type)
                .map(|t| parse_content_type(&t))
                .transpose()
                .map_err(|why| Error::Usage(format!("content type: {why}")))?;
        }
        for line in form.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let header = line.parse::<Header>();
            options
                .header
                .push(header.map_err(|why| Error::Usage(format!("header {line:?}: {why}")))?);
        }
        Ok(options)
    }

    /// Returns the fields of a page's form.
    pub(super) fn form(&self) -> Form {
        let text = |body: &&String| !body.starts_with('@');
        Form {
            path: self.path.clone(),
            method: self.method.clone(),
            body: self.body.first().filter(text).cloned().unwrap_or_default(),
            content_type: self.content_type.clone().unwrap_or_default(),
            ..Form::default()
        }
    }

    /// Returns the request timeout.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// Checks that the timeout is not below a latency limit of the objective.
    ///
    /// # Errors
    /// Returns an error if it is: the objective could not be judged.
    pub(super) fn check(&self, objective: &Slo) -> Result<(), Error> {
        let timeout = self.timeout();
        match objective.limits().into_iter().find(|limit| *limit > timeout) {
            Some(limit) => Err(Error::Usage(format!(
                "the objective allows {limit:?}, and requests are given up after \
                    {timeout:?}\n  help: say --timeout {}",
                (limit.as_secs_f64() * 2.0).ceil()
            ))),
            None => Ok(()),
        }
    }

    fn headers(&self) -> Result<Vec<Header>, Error> {
        let key = self.api_key.iter().map(|key| {
            let header = format!("Authorization: Bearer {key}").parse::<Header>();
            // The error does not repeat the key itself.
            header.map_err(|_| Error::Usage("--api-key: a key is one line of text".to_owned()))
        });
        self.header.iter().cloned().map(Ok).chain(key).collect()
    }

    fn payloads(&self, model: Option<&Path>) -> Result<Vec<Payload>, Error> {
        let here = Path::new("");
        if !self.form.is_empty() {
            let form = Payload::form(&self.form, here)
                .map_err(|why| Error::Usage(format!("--form: {why}")))?;
            return Ok(vec![form]);
        }
        let read = |text: &String| {
            let read = Payload::read_all(text, here, self.content_type.as_deref());
            read.map_err(|why| Error::Usage(format!("--body {text}: {why}")))
        };
        let given = self.body.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        match model {
            Some(model) if given.is_empty() => {
                Ok(sidecar_example(model)?.map(Payload::json).into_iter().collect())
            }
            _ => Ok(given.concat()),
        }
    }
}

/// Returns the example from the sidecar of `model`, if it has one.
fn sidecar_example(model: &Path) -> Result<Option<Vec<u8>>, Error> {
    #[derive(serde::Deserialize)]
    struct Sidecar {
        example: Option<serde_json::Value>,
    }
    let path = model.with_extension("json");
    let Ok(text) = std::fs::read(&path) else { return Ok(None) };
    let sidecar: Sidecar = serde_json::from_slice(&text)
        .map_err(|e| Error::Usage(format!("{} is no sidecar: {e}", path.display())))?;
    Ok(sidecar.example.map(|example| example.to_string().into_bytes()))
}

fn parse_method(text: &str) -> Result<String, String> {
    let method = text.to_ascii_uppercase();
    match method.as_str() {
        "HEAD" | "CONNECT" => {
            Err(format!("{method} is not supported: its answers end in a way of their own"))
        }
        _ if !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Ok(method)
        }
        _ => Err("a method, for instance POST or GET".to_owned()),
    }
}

fn parse_content_type(text: &str) -> Result<String, String> {
    let is_type = text.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    let is_line = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_type && is_line {
        Ok(text.to_owned())
    } else {
        Err("a media type, for instance image/jpeg".to_owned())
    }
}

fn parse_host_header(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a name, with a port where it needs one: api.example.com".to_owned())
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 86_400.0 => Ok(value),
        _ => Err(format!("{text:?}: seconds from above 0 to 86400")),
    }
}
