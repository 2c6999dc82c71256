//! Scenario files in TOML.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Body, Scenario, Task, Tensors, check_file,
    data::{Data, Order},
    form::form,
    place::place,
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
                [[task]] with name, weight, method, path, body, as the README's section on \
                scenarios shows";
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

/// Byte range of a problem in the file, and its description.
pub(super) type Wrong = (Range<usize>, String);

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
mod tests {
    use super::*;
    use crate::workload::{Authority, Sender};

    fn read(text: &str) -> Result<Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.csv"), "a,b\n1,\"x\"\"y\"\n2,z\n").unwrap();
        std::fs::write(folder.path().join("rows.jsonl"), "{\"a\": [1, 2]}\n").unwrap();
        std::fs::write(folder.path().join("golden.json"), "{\"p\": [0.5, 1]}").unwrap();
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, text).unwrap();
        Scenario::read(&path)
            .map_err(|e| e.to_string().rsplit_once("scenario.toml").unwrap().1.to_owned())
    }

    fn rendered(scenario: &Scenario, task: u16, iteration: u64) -> String {
        let to = Authority { host: "h".to_owned(), base_path: "/base".to_owned() };
        let sender = Sender { user: 7, iteration, token: "T", random: 3 };
        let (mut body, mut out) = (Vec::new(), Vec::new());
        scenario.render(task, &to, sender, &mut body, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_filled_in() {
        let scenario = read(
            "wait_time = 'constant(1)'\n[data.rows]\nfile = 'rows.csv'\n[data.lines]\nfile = \
                'rows.jsonl'\n\
             [login]\npath = '/login'\nbody = '{\"user\": \"u{{user}}\"}'\ntoken = '/token'\n\
             [[task]]\nname = 'predict'\nweight = 3\npath = '/p/{{iteration}}'\nbody = \
             '[{{rows.a}}, \"{{rows.b}}\", {{lines.a}}]'\n\
             headers = { Authorization = 'Bearer {{token}}' }\n[[task]]\npath = '/health'\n",
        )
        .unwrap();
        assert_eq!(
            rendered(&scenario, 0, 1),
            "POST /base/p/1 HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\nAuthorization: Bearer \
                T\r\n\
             content-type: application/json\r\ncontent-length: 18\r\n\r\n[1, \"x\\\"y\", [1,2]]"
        );
        assert!(rendered(&scenario, 0, 2).ends_with("[2, \"z\", [1,2]]"), "the next row");
        assert_eq!(
            rendered(&scenario, 1, 0),
            "GET /base/health HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\n\r\n"
        );
        assert_eq!(
            (scenario.login(), scenario.token(b"{\"token\": \"abc\"}")),
            (Some(2), Some("abc".to_owned()))
        );
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
            (
                "[[task]]\npath = '/'\n[[task.check]]\nstatus = [200]\ncontains = 'x'",
                "a check has status",
            ),
            ("[[task]]\npath = '/{{token}}'", "there is no [login]"),
            ("[[task]]\nweight = 1", "a [[task]] has no path"),
            (
                "[[task]]\ntensors = { model = 'm' }\nbody = ''",
                ":2:11: a task has a body or tensors",
            ),
            (
                "[[task]]\ntensors = { model = 'm', batch_size = 0 }",
                ":2:11: a batch_size is from 1",
            ),
            ("[[task]]\npath = '/'\n[[task.check]]\ngolden = 'none.json'", "none.json"),
            (
                "[[task]]\npath = '/'\n[[task.check]]\njson = ''\nequals = 'a{{b}}'",
                "{{b}} is not known",
            ),
            ("[data.x]\nfile = 'none.csv'\n[[task]]\npath = '/'", ":2:8:"),
            ("[[task]\n", ":1:8:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{says:?} is not in {error:?}");
        }
    }

    #[test]
    fn checks_look_at_status_and_body() {
        let passes = |check: &str, status, body: &str| {
            let text = format!(
                "[data.rows]\nfile = 'rows.csv'\n[[task]]\npath = '/{{{{rows.a}}}}'\ncheck = \
                    [{check}]"
            );
            let scenario = read(&text).unwrap();
            // The second row: a = 2, b = z.
            let sender = Sender { user: 0, iteration: 1, token: "", random: 0 };
            scenario.failed_check(0, status, body.as_bytes(), sender).is_none()
        };
        for (check, status, good, bad) in [
            ("{ status = [200, 201] }", 201, "", None),
            ("{ json = '/a/0', equals = 5 }", 200, "{\"a\": [5.0]}", Some("{\"a\": [6]}")),
            ("{ contains = 'b' }", 200, "abc", Some("ac")),
            (
                "{ json = '/n', equals = '{{rows.a}}', tolerance = 0.1 }",
                200,
                "{\"n\": 2.05}",
                Some("{\"n\": 2.2}"),
            ),
            ("{ json = '', equals = '{{rows.b}}' }", 200, "\"z\"", Some("\"x\"")),
            (
                "{ golden = 'golden.json', tolerance = 1e-3 }",
                200,
                "{\"p\": [0.5001, 1.0]}",
                Some("{\"p\": [0.51, 1]}"),
            ),
            (
                "{ json = '/q', golden = 'golden.json' }",
                200,
                "{\"q\": {\"p\": [0.5, 1]}}",
                Some("{\"q\": {\"p\": [0.5]}}"),
            ),
        ] {
            assert!(passes(check, status, good), "{check} refuses {good}");
            if let Some(bad) = bad {
                assert!(!passes(check, status, bad), "{check} takes {bad}");
                assert!(!passes(check, status, "no JSON"), "{check}");
            }
        }
        assert!(!passes("{ status = [200, 201] }", 204, ""));
    }

    #[test]
    fn tensors_are_drawn_in_the_shape_that_the_model_has() {
        let metadata = r#"{"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "s", "datatype": "BYTES", "shape": [-1]}, {"name": "h", "datatype": "FP16", "shape": [2]}]}"#;
        let metadata = serde_json::from_str(metadata).unwrap();
        for binary in [false, true] {
            let text =
                format!("[[task]]\ntensors = {{ model = 'm', batch_size = 3, binary = {binary} }}");
            let mut scenario = read(&text).unwrap();
            assert_eq!(scenario.wanted_tensors()[0].1.metadata_path(), "/v2/models/m");
            scenario.draw_tensors(0, &metadata, &mut rand_pcg::Pcg32::new(1, 1)).unwrap();
            assert!(scenario.wanted_tensors().is_empty());
            let to = Authority { host: "h".to_owned(), base_path: String::new() };
            assert_eq!(scenario.fixed(0, &to), None, "bodies differ");
            let sender = Sender { user: 7, iteration: 1, token: "T", random: 3 };
            let (mut room, mut out) = (Vec::new(), Vec::new());
            scenario.render(0, &to, sender, &mut room, &mut out);
            let end = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8(out[..end].to_vec()).unwrap();
            let header = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
            };
            assert!(head.starts_with("POST /v2/models/m/infer HTTP/1.1\r\n"), "{head}");
            assert_eq!(header("content-length:"), (out.len() - end).to_string());
            assert_eq!(header("content-type:"), "application/octet-stream");
            let json: usize = header("inference-header-content-length:").parse().unwrap();
            let raw = out.len() - end - json;
            let request: serde_json::Value = serde_json::from_slice(&out[end..end + json]).unwrap();
            assert_eq!(request["inputs"][0]["shape"], serde_json::json!([3, 4]));
            assert_eq!(request["inputs"][1]["shape"], serde_json::json!([3]));
            // 12 FP32, three texts of 8 bytes behind their lengths, and two FP16, for which JSON
            // has no numbers.
            assert_eq!(raw, 48 + 36 + 4);
            assert_eq!(request["parameters"]["binary_data_output"] == true, binary);
        }
        let unknown = serde_json::from_str(
            r#"{"inputs": [{"name": "x", "datatype": "COMPLEX", "shape": [1]}]}"#,
        )
        .unwrap();
        let mut scenario = read("[[task]]\ntensors = { model = 'm' }").unwrap();
        let refusal =
            scenario.draw_tensors(0, &unknown, &mut rand_pcg::Pcg32::new(1, 1)).unwrap_err();
        assert!(refusal.contains("COMPLEX"), "{refusal}");
    }
}
