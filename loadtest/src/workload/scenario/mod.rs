//! Scenarios: weighted tasks, filled in for each request, and checks on the answers.

mod check;
mod check_file;
mod data;
mod file;
mod form;
mod place;
mod template;
mod tensors;

use rand::{Rng, RngExt};

pub use check::{Check, Wanted};
pub use file::ScenarioError;
pub use tensors::{ModelMetadata, Tensors};

use self::{data::Data, template::Template};
use super::{Payload, Request, WaitTime};

/// Tasks that users repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    tasks: Vec<Task>,
    /// Cumulative weights up to and including each task.
    weights: Vec<u32>,
    /// JSON pointer to the token in the login's answer. With a login, every user first sends the
    /// last task once.
    login: Option<String>,
    data: Vec<Data>,
    /// Think time of the users, if the scenario sets it.
    pub wait_time: Option<WaitTime>,
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Name in the results.
    pub name: String,
    /// HTTP method: `POST`, `GET`, …
    pub method: String,
    path: Template,
    /// Value of the `Host` header, if it differs from the host's own name.
    host: Option<String>,
    headers: Vec<(String, Template)>,
    body: Body,
    content_type: String,
    /// Checks, all of which must pass.
    pub checks: Vec<Check>,
}

/// Body of a request.
#[derive(Debug, Clone, PartialEq)]
enum Body {
    Nothing,
    Text(Template),
    /// Tensors whose shape is not yet known from the server.
    Wanted(Tensors),
    /// One of these bodies, drawn at random.
    Any(Vec<Vec<u8>>),
    /// Payloads in turn: each user goes through all, beginning with a different one.
    InTurn(Vec<Payload>),
}

/// Values that fill in one request.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Number of the user in the plan.
    pub user: u32,
    /// Number of requests that the user sent before.
    pub iteration: u64,
    /// Token from the user's login.
    pub token: &'a str,
    /// Random number drawn for the request.
    pub random: u64,
}

/// Destination of a request, as its head names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Value of the Host header.
    pub host: String,
    /// Prefix of the task's path.
    pub base_path: String,
}

impl Scenario {
    /// Returns a scenario of one request, the same for every user.
    pub fn single(request: &Request) -> Self {
        // A body may contain braces of its own, so it is not parsed as a template.
        let body = if request.payloads.is_empty() {
            Body::Nothing
        } else {
            Body::InTurn(request.payloads.clone())
        };
        let headers =
            request.headers.iter().map(|h| (h.name.clone(), Template::literal(h.value.as_bytes())));
        let task = Task {
            name: request.path.clone(),
            method: request.method.clone(),
            path: Template::literal(request.path.as_bytes()),
            host: request.host.clone(),
            headers: headers.collect(),
            body,
            content_type: String::new(),
            checks: Vec::new(),
        };
        Self::of(task)
    }

    /// Returns a scenario of random tensors for a model, whose shape [`Scenario::draw_tensors`]
    /// sets.
    pub fn tensors(tensors: Tensors) -> Self {
        Self::of(Task::of_tensors(tensors))
    }

    /// Adds the headers and the host name of a request to every task that does not set them itself.
    pub fn with_headers(&mut self, request: &Request) {
        for task in &mut self.tasks {
            for header in &request.headers {
                if !task.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&header.name)) {
                    task.headers
                        .push((header.name.clone(), Template::literal(header.value.as_bytes())));
                }
            }
            if task.host.is_none() {
                task.host.clone_from(&request.host);
            }
        }
    }

    fn of(task: Task) -> Self {
        Self { tasks: vec![task], weights: vec![1], login: None, data: Vec::new(), wait_time: None }
    }

    /// Returns the models whose shapes are still unknown, by task.
    pub fn wanted_tensors(&self) -> Vec<(usize, Tensors)> {
        let wanted = |(index, task): (usize, &Task)| match &task.body {
            Body::Wanted(tensors) => Some((index, tensors.clone())),
            _ => None,
        };
        self.tasks.iter().enumerate().filter_map(wanted).collect()
    }

    /// Draws the bodies of a task that sends tensors.
    ///
    /// # Errors
    /// Returns an error if the model has an input that cannot be drawn.
    pub fn draw_tensors<R: Rng>(
        &mut self,
        task: usize,
        metadata: &ModelMetadata,
        rng: &mut R,
    ) -> Result<(), String> {
        let task = &mut self.tasks[task];
        if let Body::Wanted(tensors) = &task.body {
            let drawn = tensors.draw(metadata, rng)?;
            if let Some(length) = drawn.json_length {
                task.content_type = "application/octet-stream".to_owned();
                let length = Template::literal(length.to_string().as_bytes());
                task.headers.push(("inference-header-content-length".to_owned(), length));
            }
            task.body = Body::Any(drawn.bodies);
        }
        Ok(())
    }

    /// Returns the tasks; a login is the last one.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Returns the tasks that users repeat, each with its share of the requests.
    pub fn ratios(&self) -> Vec<(&Task, f64)> {
        let all = self.weights.last().copied().unwrap_or(1).max(1);
        let before = std::iter::once(0).chain(self.weights.iter().copied());
        let shares = self.weights.iter().zip(before).map(|(upto, before)| upto - before);
        self.tasks.iter().zip(shares.map(|share| f64::from(share) / f64::from(all))).collect()
    }

    /// Returns the index of the login among the tasks, if there is one.
    pub fn login(&self) -> Option<u16> {
        self.login.as_ref().map(|_| self.tasks.len() as u16 - 1)
    }

    /// Returns the token in a login's answer.
    pub fn token(&self, body: &[u8]) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        value
            .pointer(self.login.as_deref()?)?
            .as_str()
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
    }

    /// Returns the number of the first check that an answer fails, counted over all tasks in their
    /// order.
    pub fn failed_check(
        &self,
        task: u16,
        status: u16,
        body: &[u8],
        sender: Sender<'_>,
    ) -> Option<u16> {
        let task = usize::from(task);
        let failed = self.tasks[task]
            .checks
            .iter()
            .position(|check| !check.passes(status, body, sender, &self.data))?;
        let before: usize = self.tasks[..task].iter().map(|task| task.checks.len()).sum();
        u16::try_from(before + failed).ok()
    }

    /// Returns the check with this number, and its task.
    pub fn check(&self, number: u16) -> Option<(&Task, &Check)> {
        let checks =
            self.tasks.iter().flat_map(|task| task.checks.iter().map(move |check| (task, check)));
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

    /// Returns the bytes of a task's request, if they never change.
    pub fn fixed(&self, task: u16, to: &Authority) -> Option<Vec<u8>> {
        let task = &self.tasks[usize::from(task)];
        let is_same = match &task.body {
            Body::Any(_) => false,
            Body::InTurn(payloads) => payloads.len() == 1,
            Body::Nothing | Body::Text(_) | Body::Wanted(_) => true,
        };
        (is_same && task.templates().all(Template::is_fixed)).then(|| {
            let mut bytes = Vec::new();
            let nobody = Sender { user: 0, iteration: 0, token: "", random: 0 };
            task.render(to, nobody, &self.data, &mut Vec::new(), &mut bytes);
            bytes
        })
    }

    /// Writes a task's request into `out`, head and body in one piece; `room` is a scratch buffer.
    pub fn render(
        &self,
        task: u16,
        to: &Authority,
        sender: Sender<'_>,
        room: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        self.tasks[usize::from(task)].render(to, sender, &self.data, room, out);
    }
}

impl Task {
    fn of_tensors(tensors: Tensors) -> Self {
        let path = tensors.infer_path();
        Self {
            name: path.clone(),
            method: "POST".to_owned(),
            path: Template::literal(path.as_bytes()),
            host: None,
            headers: Vec::new(),
            body: Body::Wanted(tensors),
            content_type: "application/json".to_owned(),
            checks: Vec::new(),
        }
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let body = match &self.body {
            Body::Text(template) => Some(template),
            _ => None,
        };
        self.headers.iter().map(|(_, value)| value).chain([&self.path]).chain(body)
    }

    fn render(
        &self,
        to: &Authority,
        sender: Sender<'_>,
        data: &[Data],
        room: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        room.clear();
        let body: Option<(&[u8], &str)> = match &self.body {
            Body::Nothing | Body::Wanted(_) => None,
            Body::Text(template) => {
                template.render(sender, data, room);
                Some((room, &self.content_type))
            }
            Body::Any(bodies) => {
                let drawn = (sender.random % bodies.len() as u64) as usize;
                Some((&bodies[drawn], &self.content_type))
            }
            Body::InTurn(payloads) => {
                let turn = (u64::from(sender.user) + sender.iteration) % payloads.len() as u64;
                let payload = &payloads[turn as usize];
                Some((&payload.bytes, &payload.content_type))
            }
        };
        for text in [self.method.as_str(), " ", &to.base_path] {
            out.extend_from_slice(text.as_bytes());
        }
        self.path.render(sender, data, out);
        let host = self.host.as_ref().unwrap_or(&to.host);
        let head = [" HTTP/1.1\r\nhost: ", host, "\r\nuser-agent: loadgen\r\n"];
        head.into_iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.render(sender, data, out);
            out.extend_from_slice(b"\r\n");
        }
        if let Some((body, content_type)) = body {
            let length = body.len();
            let head = format!("content-type: {content_type}\r\ncontent-length: {length}\r\n");
            out.extend_from_slice(head.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body.map_or(&[], |(body, _)| body));
    }

    /// Returns true if a check names the accepted statuses.
    pub fn names_statuses(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::Status(_)))
    }

    /// Returns true if the task sets its own cookie header.
    pub fn names_cookies(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"))
    }

    /// Returns true if a check reads the answers' bodies.
    pub fn reads_body(&self) -> bool {
        self.checks.iter().any(Check::reads_body)
    }
}
