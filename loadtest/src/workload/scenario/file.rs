//! Scenario files in TOML.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Body, Scenario, Task, Tensors, check_file,
    data::{Data, Order},
    form::form,
    place::{Wrong, place},
    template::Template,
};
use crate::workload::Payload;

/// Error for a scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {reason}", path.display())]
pub struct ScenarioError {
    path: PathBuf,
    /// `:line:column`, or empty.
    place: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    wait_time: Option<Spanned<String>>,
    #[serde(default)]
    data: BTreeMap<String, DataFile>,
    login: Option<Login>,
    task: Spanned<Vec<TaskFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataFile {
    file: Spanned<PathBuf>,
    #[serde(default)]
    order: Order,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    #[serde(default = "post")]
    method: Spanned<String>,
    path: Spanned<String>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    body: Option<Spanned<String>>,
    /// JSON pointer to the token in the answer.
    token: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    name: Option<String>,
    weight: Option<Spanned<u32>>,
    method: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    form: BTreeMap<String, Spanned<String>>,
    tensors: Option<Spanned<Tensors>>,
    #[serde(default)]
    check: Vec<Spanned<check_file::CheckFile>>,
}

const MAX_WEIGHT: u32 = 1_000_000;
const MAX_TASKS: usize = 1000;
/// Most checks of a task: a failed check is reported by its number, which has 16 bits.
const MAX_CHECKS: usize = 60;

fn post() -> Spanned<String> {
    Spanned::new(0..0, "POST".to_owned())
}

impl Scenario {
    /// Reads a scenario; data files are relative to its folder.
    ///
    /// # Errors
    /// Returns the line and column of the problem.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let error = |place, reason| ScenarioError { path: path.to_owned(), place, reason };
        if path.extension().is_some_and(|extension| extension == "py") {
            let why = "this is a Python file, as Locust has them; loadgen's scenarios are TOML: \
                [[task]] with name, weight, method, path, body (docs/reference/scenario.md)";
            return Err(error(String::new(), why.to_owned()));
        }
        let text =
            std::fs::read_to_string(path).map_err(|e| error(String::new(), e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let file: Result<File, _> = toml::from_str(&text);
        let read = match file {
            Ok(file) => build(file, folder),
            Err(e) => Err((e.span().unwrap_or(0..0), e.message().to_owned())),
        };
        read.map_err(|(span, reason)| error(place(&text, span.start), reason))
    }
}

fn build(file: File, folder: &Path) -> Result<Scenario, Wrong> {
    let data = file
        .data
        .into_iter()
        .map(|(name, data)| {
            let read = Data::read(&folder.join(data.file.get_ref()), data.order);
            read.map(|read| (name, read)).map_err(|why| (data.file.span(), why))
        })
        .collect::<Result<Vec<_>, Wrong>>()?;
    let wait_time = file.wait_time.map(|text| {
        text.get_ref()
            .parse()
            .map_err(|e: crate::workload::WaitTimeError| (text.span(), e.to_string()))
    });
    if !(1..=MAX_TASKS).contains(&file.task.get_ref().len()) {
        let why = match file.task.get_ref().len() {
            0 => "there is no [[task]]".to_owned(),
            count => format!("{count} tasks are more than {MAX_TASKS}"),
        };
        return Err((file.task.span(), why));
    }
    let mut weights = Vec::new();
    let mut tasks = Vec::new();
    for mut task in file.task.into_inner() {
        let weight = task.weight.take().unwrap_or(Spanned::new(0..0, 1));
        if !(1..=MAX_WEIGHT).contains(weight.get_ref()) {
            return Err((weight.span(), format!("a weight is from 1 to {MAX_WEIGHT}")));
        }
        weights.push(weights.last().unwrap_or(&0) + weight.into_inner());
        tasks.push(build_task(task, folder, &data)?);
    }
    let login = file.login.map(|login| build_login(login, folder, &data)).transpose()?;
    let token = match login {
        Some((task, token)) => {
            tasks.push(task);
            Some(token)
        }
        None if tasks.iter().any(Task::uses_token) => {
            return Err((0..0, "{{token}} comes from a login: there is no [login]".to_owned()));
        }
        None => None,
    };
    let data = data.into_iter().map(|(_, data)| data).collect();
    Ok(Scenario { tasks, weights, login: token, data, wait_time: wait_time.transpose()? })
}

fn build_login(
    login: Login,
    folder: &Path,
    data: &[(String, Data)],
) -> Result<(Task, String), Wrong> {
    if !login.token.get_ref().starts_with('/') {
        return Err((
            login.token.span(),
            "a JSON pointer begins with /, for instance /access_token".to_owned(),
        ));
    }
    let file = TaskFile {
        name: Some("login".to_owned()),
        weight: None,
        method: Some(login.method),
        path: Some(login.path),
        headers: login.headers,
        body: login.body,
        form: BTreeMap::new(),
        tensors: None,
        check: Vec::new(),
    };
    Ok((build_task(file, folder, data)?, login.token.into_inner()))
}

fn build_task(task: TaskFile, folder: &Path, data: &[(String, Data)]) -> Result<Task, Wrong> {
    let template = |text: &Spanned<String>| {
        // Skips the opening quote; exact in strings without escapes.
        let wrong = |(at, why): (usize, String)| (text.span().start + 1 + at..text.span().end, why);
        Template::parse(text.get_ref(), data).map_err(wrong)
    };
    let path_text = match (task.path, &task.tensors, &task.body) {
        (_, Some(tensors), _) if tensors.get_ref().batch_size == 0 => {
            return Err((tensors.span(), "a batch_size is from 1".to_owned()));
        }
        (_, None, Some(body)) if !task.form.is_empty() => {
            return Err((body.span(), "a task has a body or a form".to_owned()));
        }
        (_, Some(tensors), None) if !task.form.is_empty() => {
            return Err((tensors.span(), "a task has tensors or a form".to_owned()));
        }
        (_, Some(tensors), Some(_)) => {
            return Err((tensors.span(), "a task has a body or tensors".to_owned()));
        }
        (Some(path), ..) => path,
        (None, Some(tensors), None) => Spanned::new(tensors.span(), tensors.get_ref().infer_path()),
        (None, None, _) => return Err((0..0, "a [[task]] has no path".to_owned())),
    };
    let path = template(&path_text)?;
    if !path_text.get_ref().starts_with('/') || path_text.get_ref().contains(char::is_whitespace) {
        return Err((path_text.span(), "a path begins with / and has no spaces".to_owned()));
    }
    let has_body = task.body.is_some() || task.tensors.is_some() || !task.form.is_empty();
    let default = if has_body { "POST" } else { "GET" };
    let method = task.method.unwrap_or(Spanned::new(0..0, default.to_owned()));
    if method.get_ref().is_empty() || !method.get_ref().bytes().all(|b| b.is_ascii_uppercase()) {
        return Err((method.span(), format!("{:?} is no HTTP method", method.get_ref())));
    }
    if ["HEAD", "CONNECT"].contains(&method.get_ref().as_str()) {
        return Err((
            method.span(),
            format!("{} is not supported: its answers end in a way of their own", method.get_ref()),
        ));
    }
    let (mut content_type, mut host) = (None, None);
    let mut headers = Vec::new();
    for (name, value) in &task.headers {
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_name || value.get_ref().contains(['\r', '\n']) {
            return Err((value.span(), format!("{name:?} with this value is no header")));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = Some(value.get_ref().clone()),
            "host" => host = Some(value.get_ref().clone()),
            "content-length" | "transfer-encoding" => {
                return Err((value.span(), format!("{name} is set by loadgen")));
            }
            _ => headers.push((name.clone(), template(value)?)),
        }
    }
    let body = match (task.tensors, &task.body) {
        (Some(tensors), _) => Body::Wanted(tensors.into_inner()),
        (None, Some(text)) if text.get_ref().starts_with('@') => {
            let read = Payload::read_all(text.get_ref(), folder, content_type.as_deref());
            Body::InTurn(read.map_err(|why| (text.span(), why))?)
        }
        (None, Some(text)) => Body::Text(template(text)?),
        (None, None) if !task.form.is_empty() => Body::InTurn(vec![form(&task.form, folder)?]),
        (None, None) => Body::Nothing,
    };
    let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
    if let Some(check) = task.check.get(MAX_CHECKS) {
        return Err((check.span(), format!("a task has at most {MAX_CHECKS} checks")));
    }
    let checks = task.check.into_iter().map(|check| check_file::build(check, folder, data));
    let checks = checks.collect::<Result<_, Wrong>>()?;
    let name = task.name.unwrap_or_else(|| path_text.get_ref().clone());
    Ok(Task { name, method: method.into_inner(), path, host, headers, body, content_type, checks })
}

impl Task {
    fn uses_token(&self) -> bool {
        self.templates().any(Template::uses_token)
    }
}

#[cfg(test)]
mod tests;
