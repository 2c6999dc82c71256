//! What users send: tasks with weights, filled in for each request, and what the answers have to be.

mod check;
mod data;
mod file;
mod template;

use rand::{Rng, RngExt};

pub use check::Check;
pub use file::ScenarioError;

use self::{
    data::Data,
    template::{Template, Values},
};
use super::{Request, WaitTime};

/// What users do, again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    tasks: Vec<Task>,
    /// The sum of weights up to and with each task.
    weights: Vec<u32>,
    /// Whether the last task is done first, once, by every user, and where its answer has the token.
    login: Option<String>,
    data: Vec<Data>,
    /// The users' think time, if the scenario says.
    pub wait_time: Option<WaitTime>,
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What results call it.
    pub name: String,
    /// `POST`, `GET`, …
    pub method: String,
    path: Template,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    content_type: String,
    /// All have to pass.
    pub checks: Vec<Check>,
}

/// Who sends, and which time.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The user's number in the plan.
    pub user: u32,
    /// How many requests it has sent before.
    pub iteration: u64,
    /// What its login gave it.
    pub token: &'a str,
}

/// Where a request goes: what its head says of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The Host header.
    pub host: String,
    /// In front of the task's path.
    pub base_path: String,
}

impl Scenario {
    /// One request, the same for everybody.
    pub fn single(request: &Request) -> Self {
        // A body may have braces of its own: it is no template here.
        let body = (!request.body.is_empty() || request.method == "POST").then(|| Template::literal(&request.body));
        let task = Task {
            name: request.path.clone(),
            method: request.method.clone(),
            path: Template::literal(request.path.as_bytes()),
            headers: Vec::new(),
            body,
            content_type: request.content_type.clone(),
            checks: Vec::new(),
        };
        Self { tasks: vec![task], weights: vec![1], login: None, data: Vec::new(), wait_time: None }
    }

    /// The tasks; with a login, that is the last one.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The login's number among the tasks, if there is one.
    pub fn login(&self) -> Option<u16> {
        self.login.as_ref().map(|_| self.tasks.len() as u16 - 1)
    }

    /// The token in a login's answer.
    pub fn token(&self, body: &[u8]) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        value.pointer(self.login.as_deref()?)?.as_str().filter(|token| !token.is_empty()).map(str::to_owned)
    }

    /// The number of the first check that an answer to a task does not pass: over all tasks, in their order.
    pub fn failed_check(&self, task: u16, status: u16, body: &[u8]) -> Option<u16> {
        let task = usize::from(task);
        let failed = self.tasks[task].checks.iter().position(|check| !check.passes(status, body))?;
        let before: usize = self.tasks[..task].iter().map(|task| task.checks.len()).sum();
        u16::try_from(before + failed).ok()
    }

    /// The check with a number, and its task.
    pub fn check(&self, number: u16) -> Option<(&Task, &Check)> {
        let checks = self.tasks.iter().flat_map(|task| task.checks.iter().map(move |check| (task, check)));
        checks.into_iter().nth(usize::from(number))
    }

    /// Draws a task by the weights.
    pub fn draw<R: Rng>(&self, rng: &mut R) -> u16 {
        match self.weights[..] {
            [_] => 0,
            [.., all] => {
                let drawn = rng.random_range(0..all);
                self.weights.partition_point(|&weight| weight <= drawn) as u16
            }
            [] => 0,
        }
    }

    /// The bytes of a task's request, if they are the same each time.
    pub fn fixed(&self, task: u16, to: &Authority) -> Option<Vec<u8>> {
        let task = &self.tasks[usize::from(task)];
        let mut templates = task.headers.iter().map(|(_, value)| value).chain([&task.path]).chain(&task.body);
        let is_fixed = templates.all(Template::is_fixed);
        is_fixed.then(|| {
            let mut bytes = Vec::new();
            let nobody = Sender { user: 0, iteration: 0, token: "" };
            task.render(to, &self.values(nobody, &|_| 0), &mut Vec::new(), &mut bytes);
            bytes
        })
    }

    /// Writes a task's request into `out`, head and body in one piece; `body` is room to work in.
    pub fn render<R: Rng>(
        &self,
        task: u16,
        to: &Authority,
        sender: Sender<'_>,
        rng: &mut R,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        let random: u64 = rng.random();
        let rows = |file: usize| self.data[file].row(sender.user, sender.iteration, random);
        self.tasks[usize::from(task)].render(to, &self.values(sender, &rows), body, out);
    }

    fn values<'a>(&'a self, sender: Sender<'a>, rows: &'a dyn Fn(usize) -> usize) -> Values<'a> {
        Values { user: sender.user, iteration: sender.iteration, token: sender.token, data: &self.data, rows }
    }
}

impl Task {
    fn render(&self, to: &Authority, values: &Values<'_>, body: &mut Vec<u8>, out: &mut Vec<u8>) {
        body.clear();
        if let Some(template) = &self.body {
            template.render(values, body);
        }
        for text in [self.method.as_str(), " ", &to.base_path] {
            out.extend_from_slice(text.as_bytes());
        }
        self.path.render(values, out);
        let head = [" HTTP/1.1\r\nhost: ", &to.host, "\r\nuser-agent: loadgen\r\n"];
        head.into_iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.render(values, out);
            out.extend_from_slice(b"\r\n");
        }
        if self.body.is_some() {
            let length = body.len();
            let head = format!("content-type: {}\r\ncontent-length: {length}\r\n", self.content_type);
            out.extend_from_slice(head.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }

    /// Whether a check says which statuses are good.
    pub fn names_statuses(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::Status(_)))
    }

    /// Whether its answers' bodies are read.
    pub fn reads_body(&self) -> bool {
        self.checks.iter().any(Check::reads_body)
    }
}
