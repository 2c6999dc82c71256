//! Live updates of the load test page: server-sent events, and the same as an answer for polling.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Message, KeepAlive},
    },
};
use futures_util::stream::{self, Stream};
use loadtest::workload::Address;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Tests,
    locust::{errors, rows},
    test::{Inner, Test, milliseconds},
};

/// State of a page: its test, and how many points and log lines it has.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(in crate::ui) struct Known {
    test: u64,
    point: u64,
    line: usize,
}

/// Sends an update at once, and another after every change.
pub(in crate::ui) async fn events(
    Shared(tests): Shared<Arc<Tests>>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let mut changes = tests.changes();
    changes.mark_changed();
    let updates = stream::unfold((tests, changes, Known::default()), |state| async move {
        let (tests, mut changes, mut known) = state;
        changes.changed().await.ok()?;
        let update = update(&tests, &mut known);
        let message = Message::default().json_data(&update).unwrap_or_default();
        Some((Ok(message), (tests, changes, known)))
    });
    Sse::new(updates).keep_alive(KeepAlive::default())
}

/// Answers with the update for a page that polls.
pub(in crate::ui) async fn poll(
    Shared(tests): Shared<Arc<Tests>>,
    Query(mut known): Query<Known>,
) -> Json<Value> {
    Json(update(&tests, &mut known))
}

/// Answers with an earlier test.
pub(in crate::ui) async fn earlier(
    Shared(tests): Shared<Arc<Tests>>,
    Path(id): Path<u64>,
) -> Response {
    match tests.get(id) {
        Some(test) => Json(described(&test, &mut Known::default())).into_response(),
        None => (StatusCode::NOT_FOUND, "this session has no such test\n").into_response(),
    }
}

fn update(tests: &Tests, known: &mut Known) -> Value {
    let mut value = match tests.current() {
        Some(test) => described(&test, known),
        None => json!({ "test": 0, "form": tests.settings().form }),
    };
    value["state"] = json!(tests.state());
    value["tests"] = tests.all().iter().map(|test| label(test)).collect();
    value
}

fn label(test: &Test) -> Value {
    let form = &test.form;
    let load = [&form.arrivals, &form.shape].into_iter().find(|text| !text.trim().is_empty());
    json!({
        "id": test.id,
        "load": load,
        "users": form.user_count,
        "began": milliseconds(test.began),
    })
}

fn described(test: &Test, known: &mut Known) -> Value {
    let (state, verdict) = (test.state(), test.verdict());
    let inner = test.inner();
    if known.test != test.id {
        *known = Known { test: test.id, ..Known::default() };
    }
    let progress = &inner.progress;
    let skipped = known.point.saturating_sub(progress.first_point) as usize;
    let points: Vec<_> = progress.points.iter().skip(skipped).collect();
    let from = progress.first_point + skipped as u64;
    let skipped_lines = known.line.saturating_sub(inner.first_line);
    let lines: Vec<_> = inner.log.iter().skip(skipped_lines).collect();
    let plan = test.plan(&inner);
    let target = plan.steps.last().map_or(0, loadtest::workload::Step::users);
    let left = plan.duration().saturating_sub(inner.elapsed).as_secs();
    let ratios = test.scenario.ratios();
    let value = json!({
        "test": test.id,
        "state": state,
        "began": milliseconds(test.began),
        "form": test.form,
        "host": test.hosts.join(", "),
        "objective": test.objective.as_ref().map(ToString::to_string),
        "limit_ms": test.objective.as_ref().and_then(|objective| {
            objective.latency.first().map(|limit| limit.limit.as_secs_f64() * 1e3)
        }),
        "users": if inner.is_over { 0 } else { progress.total.all.users },
        "target_users": target,
        // A test that lasts until it is stopped has no time left to show.
        "seconds_left": (!test.form.run_time.trim().is_empty()).then_some(left),
        "elapsed": inner.elapsed.as_secs(),
        "stats": rows(test, &inner),
        "errors": errors(test, &inner),
        "addresses": address_rows(test, &inner),
        "spread": spread(&inner),
        "replicas": inner.replicas.named(),
        "first_point": progress.first_point,
        "from": from,
        "points": points,
        "line": inner.first_line + skipped_lines,
        "log": lines,
        "tasks": ratios
            .iter()
            .map(|(task, ratio)| json!([task.method, task.name, ratio]))
            .collect::<Vec<_>>(),
        "problem": inner.problem,
        "verdict": verdict,
    });
    known.point = progress.first_point + progress.points.len() as u64;
    known.line = inner.first_line + inner.log.len();
    value
}

#[derive(Debug, Serialize)]
struct AddressRow {
    host: String,
    address: String,
    requests: u64,
    failures: u64,
    p50: f64,
    p95: f64,
}

fn address_rows(test: &Test, inner: &Inner) -> Vec<AddressRow> {
    let row = |(address, of): (&Address, &loadtest::measure::AddressRequests)| {
        let ms = of.service.percentiles();
        AddressRow {
            host: test.hosts.get(address.host).cloned().unwrap_or_default(),
            address: address.addr.to_string(),
            requests: of.requests,
            failures: of.failures,
            p50: ms.p50,
            p95: ms.p95,
        }
    };
    inner.progress.addresses.iter().map(row).collect()
}

fn spread(inner: &Inner) -> String {
    let addresses = &inner.progress.addresses;
    let loaded = addresses.values().filter(|of| of.requests > of.failures).count();
    match &inner.spread {
        Some(spread) => spread.clone(),
        None if addresses.is_empty() => String::new(),
        None => format!("{loaded} of {} addresses answered requests.", addresses.len()),
    }
}
