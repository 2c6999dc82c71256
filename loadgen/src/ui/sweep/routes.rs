//! Calls of the sweep page.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Form as FormBody, Json, Router,
    extract::{Path, Query, State as Shared},
    http::{StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Message, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    SweepForm, Sweeps,
    archive::{self, Sliders},
};
use crate::ui::{Prepare, guard::REPORT_POLICY, load::Tests};

/// State of the routes.
#[derive(Clone)]
pub(in crate::ui) struct SweepPage {
    pub(in crate::ui) sweeps: Arc<Sweeps>,
    pub(in crate::ui) tests: Arc<Tests>,
    pub(in crate::ui) prepare: Arc<dyn Prepare>,
    pub(in crate::ui) form: SweepForm,
}

/// Returns the routes, below `/api/sweeps`.
pub(in crate::ui) fn router(page: SweepPage) -> Router {
    Router::new()
        .route("/", get(list).post(start))
        .route("/form", get(form))
        .route("/stop", post(stop))
        .route("/live", get(events))
        .route("/poll", get(poll))
        .route("/of/{name}", get(details))
        .route("/of/{name}/resume", post(resume))
        .route("/of/{name}/files/{file}", get(file))
        .with_state(page)
}

async fn list(Shared(page): Shared<SweepPage>) -> Json<Value> {
    let (dir, running) = (page.sweeps.dir.clone(), page.sweeps.running());
    let sweeps = tokio::task::spawn_blocking(move || archive::list(&dir)).await;
    Json(json!({
        "dir": page.sweeps.dir,
        "running": running,
        "sweeps": sweeps.unwrap_or_default(),
    }))
}

async fn form(Shared(page): Shared<SweepPage>) -> Json<Value> {
    let (workloads, problem) = page.prepare.workloads().await;
    let offered = |one: &super::form::Workload| json!({ "value": one.value(), "workload": one });
    Json(json!({
        "form": page.form,
        "workloads": workloads.iter().map(offered).collect::<Vec<_>>(),
        "problem": problem,
    }))
}

async fn start(
    Shared(page): Shared<SweepPage>,
    FormBody(form): FormBody<SweepForm>,
) -> Json<Value> {
    if page.tests.is_running() {
        return answer(Err("a load test is running on this machine: stop it first".to_owned()));
    }
    let (workloads, _) = page.prepare.workloads().await;
    let started = form.flags(&workloads).and_then(|flags| {
        page.prepare.check_sweep(&flags).map_err(|error| error.to_string())?;
        page.sweeps.start(flags)
    });
    answer(started)
}

async fn resume(Shared(page): Shared<SweepPage>, Path(name): Path<String>) -> Json<Value> {
    let found = archive::folder(&page.sweeps.dir, &name);
    answer(found.and_then(|_| page.sweeps.resume(&name)))
}

async fn stop(Shared(page): Shared<SweepPage>) -> Json<Value> {
    page.sweeps.stop();
    answer(Ok(page.sweeps.running().unwrap_or_default()))
}

async fn details(
    Shared(page): Shared<SweepPage>,
    Path(name): Path<String>,
    Query(sliders): Query<Sliders>,
) -> Response {
    let folder = match archive::folder(&page.sweeps.dir, &name) {
        Ok(folder) => folder,
        Err(why) => return (StatusCode::NOT_FOUND, why).into_response(),
    };
    let judged = tokio::task::spawn_blocking(move || archive::details(&folder, &sliders)).await;
    match judged {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Query of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileQuery {
    download: Option<String>,
}

async fn file(
    Shared(page): Shared<SweepPage>,
    Path((name, file)): Path<(String, String)>,
    Query(query): Query<FileQuery>,
) -> Response {
    let found = archive::folder(&page.sweeps.dir, &name)
        .and_then(|folder| archive::file(&folder, &file).ok_or(format!("{name} has no {file}")));
    match found {
        Ok((media_type, content)) => {
            let policy = (header::CONTENT_SECURITY_POLICY, REPORT_POLICY.to_owned());
            let headers = [(header::CONTENT_TYPE, media_type.to_owned()), policy];
            let mut response = (headers, content).into_response();
            if query.download.is_some()
                && let Ok(value) = format!("attachment;filename={name}_{file}").parse()
            {
                response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
            }
            response
        }
        Err(why) => (StatusCode::NOT_FOUND, why).into_response(),
    }
}

/// Sends the state of the running sweep at once, and after every change.
async fn events(
    Shared(page): Shared<SweepPage>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let mut changes = page.sweeps.changes();
    changes.mark_changed();
    let known = Known::default();
    let updates = stream::unfold((page, changes, known), |(page, mut changes, mut known)| async {
        changes.changed().await.ok()?;
        let message = Message::default().json_data(state(&page, &mut known)).unwrap_or_default();
        Some((Ok(message), (page, changes, known)))
    });
    Sse::new(updates).keep_alive(KeepAlive::default())
}

/// State of a page: its sweep, and how many trials it has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Known {
    name: String,
    trials: usize,
}

async fn poll(Shared(page): Shared<SweepPage>, Query(mut known): Query<Known>) -> Json<Value> {
    Json(state(&page, &mut known))
}

fn state(page: &SweepPage, known: &mut Known) -> Value {
    let Some(job) = page.sweeps.current() else { return Value::Null };
    let live = job.live();
    // A resumed sweep has the name of the one that ended, and begins without trials.
    if known.name != job.name || known.trials > live.trials() {
        *known = Known { name: job.name.clone(), trials: 0 };
    }
    let state = live.json(&job.name, known.trials);
    known.trials = live.trials();
    state
}

fn answer(done: Result<String, String>) -> Json<Value> {
    Json(match done {
        Ok(name) => json!({ "success": true, "name": name }),
        Err(message) => json!({ "success": false, "message": message }),
    })
}
