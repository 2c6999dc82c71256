//! A scenario as a TOML file.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Check, Scenario, Task,
    data::{Data, Order},
    template::Template,
};

/// A scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {reason}", path.display())]
pub struct ScenarioError {
    path: PathBuf,
    /// `:line:column`, or nothing.
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
    path: Spanned<String>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    check: Vec<Spanned<CheckFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckFile {
    status: Option<Vec<u16>>,
    json: Option<String>,
    equals: Option<toml::Value>,
    contains: Option<String>,
}

const MAX_WEIGHT: u32 = 1_000_000;

fn post() -> Spanned<String> {
    Spanned::new(0..0, "POST".to_owned())
}

impl Scenario {
    /// Reads a scenario; data files are found beside it.
    ///
    /// # Errors
    /// With the line and column at which something is wrong.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let error = |place, reason| ScenarioError { path: path.to_owned(), place, reason };
        let text = std::fs::read_to_string(path).map_err(|e| error(String::new(), e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let file: Result<File, _> = toml::from_str(&text);
        let read = match file {
            Ok(file) => build(file, folder),
            Err(e) => Err((e.span().unwrap_or(0..0), e.message().to_owned())),
        };
        read.map_err(|(span, reason)| error(place(&text, span.start), reason))
    }
}

/// `:line:column`, both from 1.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!(":{line}:{column}")
}

type Wrong = (Range<usize>, String);

fn build(file: File, folder: &Path) -> Result<Scenario, Wrong> {
    let data = file
        .data
        .into_iter()
        .map(|(name, data)| {
            let read = Data::read(&folder.join(data.file.get_ref()), data.order);
            read.map(|read| (name, read)).map_err(|why| (data.file.span(), why))
        })
        .collect::<Result<Vec<_>, Wrong>>()?;
    let wait_time = file
        .wait_time
        .map(|text| text.get_ref().parse().map_err(|e: crate::workload::WaitTimeError| (text.span(), e.to_string())));
    if file.task.get_ref().is_empty() {
        return Err((file.task.span(), "there is no [[task]]".to_owned()));
    }
    let mut weights = Vec::new();
    let mut tasks = Vec::new();
    for mut task in file.task.into_inner() {
        let weight = task.weight.take().unwrap_or(Spanned::new(0..0, 1));
        if !(1..=MAX_WEIGHT).contains(weight.get_ref()) {
            return Err((weight.span(), format!("a weight is from 1 to {MAX_WEIGHT}")));
        }
        weights.push(weights.last().unwrap_or(&0) + weight.into_inner());
        tasks.push(build_task(task, &data)?);
    }
    let login = file.login.map(|login| build_login(login, &data)).transpose()?;
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

fn build_login(login: Login, data: &[(String, Data)]) -> Result<(Task, String), Wrong> {
    if !login.token.get_ref().starts_with('/') {
        return Err((login.token.span(), "a JSON pointer begins with /, for instance /access_token".to_owned()));
    }
    let file = TaskFile {
        name: Some("login".to_owned()),
        weight: None,
        method: Some(login.method),
        path: login.path,
        headers: login.headers,
        body: login.body,
        check: Vec::new(),
    };
    Ok((build_task(file, data)?, login.token.into_inner()))
}

fn build_task(task: TaskFile, data: &[(String, Data)]) -> Result<Task, Wrong> {
    let template = |text: &Spanned<String>| {
        // Behind the quote that opens it; exact in strings without escapes.
        let wrong = |(at, why): (usize, String)| (text.span().start + 1 + at..text.span().end, why);
        Template::parse(text.get_ref(), data).map_err(wrong)
    };
    let path = template(&task.path)?;
    if !task.path.get_ref().starts_with('/') || task.path.get_ref().contains(char::is_whitespace) {
        return Err((task.path.span(), "a path begins with / and has no spaces".to_owned()));
    }
    let default = if task.body.is_some() { "POST" } else { "GET" };
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
    let mut content_type = "application/json".to_owned();
    let mut headers = Vec::new();
    for (name, value) in &task.headers {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_name || value.get_ref().contains(['\r', '\n']) {
            return Err((value.span(), format!("{name:?} with this value is no header")));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value.get_ref().clone(),
            "content-length" | "host" | "transfer-encoding" => {
                return Err((value.span(), format!("{name} is set by loadgen")));
            }
            _ => headers.push((name.clone(), template(value)?)),
        }
    }
    let body = task.body.as_ref().map(template).transpose()?;
    let checks = task.check.into_iter().map(build_check).collect::<Result<_, Wrong>>()?;
    let name = task.name.unwrap_or_else(|| task.path.get_ref().clone());
    Ok(Task { name, method: method.into_inner(), path, headers, body, content_type, checks })
}

fn build_check(check: Spanned<CheckFile>) -> Result<Check, Wrong> {
    let span = check.span();
    match check.into_inner() {
        CheckFile { status: Some(statuses), json: None, equals: None, contains: None } => Ok(Check::Status(statuses)),
        CheckFile { json: Some(pointer), .. } if !pointer.is_empty() && !pointer.starts_with('/') => Err((
            span,
            format!("{pointer:?} is no JSON pointer: that begins with /, for instance /predictions/0/label"),
        )),
        CheckFile { status: None, json: Some(pointer), equals: Some(value), contains: None } => {
            let value = serde_json::to_value(value).map_err(|e| (span.clone(), e.to_string()))?;
            Ok(Check::Json(pointer, value))
        }
        CheckFile { status: None, json: None, equals: None, contains: Some(text) } => Ok(Check::Contains(text)),
        _ => {
            Err((span, "a check has status = [200], or json = \"/a/b\" and equals = …, or contains = \"…\"".to_owned()))
        }
    }
}

impl Task {
    fn uses_token(&self) -> bool {
        let headers = self.headers.iter().map(|(_, value)| value);
        headers.chain([&self.path]).chain(&self.body).any(Template::uses_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Authority, Sender};

    fn read(text: &str) -> Result<Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.csv"), "a,b\n1,\"x\"\"y\"\n2,z\n").unwrap();
        std::fs::write(folder.path().join("rows.jsonl"), "{\"a\": [1, 2]}\n").unwrap();
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, text).unwrap();
        Scenario::read(&path).map_err(|e| e.to_string().rsplit_once("scenario.toml").unwrap().1.to_owned())
    }

    fn rendered(scenario: &Scenario, task: u16, iteration: u64) -> String {
        let to = Authority { host: "h".to_owned(), base_path: "/base".to_owned() };
        let sender = Sender { user: 7, iteration, token: "T" };
        let (mut body, mut out) = (Vec::new(), Vec::new());
        scenario.render(task, &to, sender, &mut rand_pcg::Pcg32::new(1, 1), &mut body, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_filled_in() {
        let scenario = read(
            "wait_time = 'constant(1)'\n[data.rows]\nfile = 'rows.csv'\n[data.lines]\nfile = 'rows.jsonl'\n\
             [login]\npath = '/login'\nbody = '{\"user\": \"u{{user}}\"}'\ntoken = '/token'\n\
             [[task]]\nname = 'predict'\nweight = 3\npath = '/p/{{iteration}}'\nbody = '[{{rows.a}}, \"{{rows.b}}\", {{lines.a}}]'\n\
             headers = { Authorization = 'Bearer {{token}}' }\n[[task]]\npath = '/health'\n",
        )
        .unwrap();
        assert_eq!(
            rendered(&scenario, 0, 1),
            "POST /base/p/1 HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\nAuthorization: Bearer T\r\n\
             content-type: application/json\r\ncontent-length: 18\r\n\r\n[1, \"x\\\"y\", [1,2]]"
        );
        assert!(rendered(&scenario, 0, 2).ends_with("[2, \"z\", [1,2]]"), "the next row");
        assert_eq!(rendered(&scenario, 1, 0), "GET /base/health HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\n\r\n");
        assert_eq!((scenario.login(), scenario.token(b"{\"token\": \"abc\"}")), (Some(2), Some("abc".to_owned())));
        let mut rng = rand_pcg::Pcg32::new(5, 5);
        let first = (0..4000).filter(|_| scenario.draw(&mut rng) == 0).count();
        assert!(first.abs_diff(3000) < 150, "three of four: {first}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, says) in [
            ("[[task]]\npath = '/x'\nbody = '{{row.a}}'", ":3:9: {{row.a}} is not known"),
            (
                "[data.rows]\nfile = 'rows.csv'\n[[task]]\npath = '/{{rows.c}}'",
                ":4:10: rows has no column \"c\"; it has a, b",
            ),
            ("[[task]]\npath = '/x'\nbody = '{{user'", ":3:9: {{ without }}"),
            ("[[task]]\npath = 'x'", ":2:8: a path begins with /"),
            ("[[task]]\npath = '/x'\nweight = 0", ":3:10: a weight is from 1"),
            ("[[task]]\npath = '/x'\nwaight = 1", ":3:1: unknown field `waight`"),
            ("wait_time = 'between(1)'\n[[task]]\npath = '/'", ":1:13: wait time"),
            ("task = []", ":1:8: there is no [[task]]"),
            ("[[task]]\npath = '/'\n[[task.check]]\nstatus = [200]\ncontains = 'x'", "a check has status"),
            ("[[task]]\npath = '/{{token}}'", "there is no [login]"),
            ("[data.x]\nfile = 'none.csv'\n[[task]]\npath = '/'", ":2:8:"),
            ("[[task]\n", ":1:8:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{says:?} is not in {error:?}");
        }
    }

    #[test]
    fn checks_look_at_status_and_body() {
        let text = "[[task]]\npath = '/'\ncheck = [{ status = [200, 201] }, { json = '/a/0', equals = 5 }, { contains = 'b' }]";
        let checks = &read(text).unwrap().tasks()[0].checks.clone();
        let passes = |status, body: &str| checks.iter().map(|c| c.passes(status, body.as_bytes())).collect::<Vec<_>>();
        assert_eq!(passes(201, "{\"a\": [5], \"b\": 1}"), [true, true, true]);
        assert_eq!(passes(204, "{\"a\": [6]}"), [false, false, false]);
    }
}
