//! Routes: the page, Locust's API, and the page's own calls.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Form as FormBody, Json, Router,
    extract::State as Shared,
    middleware,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    assets,
    guard::{self, Guard},
    load::{Form, Tests, downloads, live, locust},
    login::{self, Login},
    sweep::{self, Sweeps, routes::SweepPage},
};

/// Returns the routes; scripts for Locust use all but those under `/api` and `/assets`.
pub(super) fn router(
    tests: &Arc<Tests>,
    sweeps: &Arc<Sweeps>,
    guard: Guard,
    login: Option<Arc<Login>>,
) -> Router {
    let settings = tests.settings();
    let page = SweepPage {
        sweeps: Arc::clone(sweeps),
        tests: Arc::clone(tests),
        prepare: Arc::clone(&settings.prepare),
        form: settings.sweep_form.clone(),
    };
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{version}/{name}", get(assets::file))
        .route("/swarm", post(locust::swarm))
        // Locust takes POST since 2.33, and took GET before.
        .route("/stop", get(locust::stop).post(locust::stop))
        .route("/stats/reset", get(locust::reset).post(locust::reset))
        .route("/stats/requests", get(locust::requests))
        .route("/stats/report", get(downloads::report))
        .route("/stats/{kind}/csv", get(downloads::csv))
        .route("/exceptions", get(locust::exceptions))
        .route("/exceptions/csv", get(downloads::exceptions))
        .route("/tasks", get(locust::tasks))
        .route("/logs", get(locust::logs))
        .route("/worker-count", get(locust::worker_count))
        .route("/api/form", get(form))
        .route("/api/example", post(example))
        .route("/api/live", get(live::events))
        .route("/api/poll", get(live::poll))
        .route("/api/tests/{id}", get(live::earlier))
        .route("/api/tests/{id}/{file}", get(downloads::of_test))
        .with_state(Arc::clone(tests))
        .nest("/api/sweeps", sweep::routes::router(page))
        .merge(login_routes(login.clone()))
        .layer(middleware::from_fn_with_state(login, login::check))
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
}

fn login_routes(login: Option<Arc<Login>>) -> Router {
    Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .with_state(login)
}

/// Answers with the initial form and its lists.
async fn form(Shared(tests): Shared<Arc<Tests>>) -> Json<Value> {
    let settings = tests.settings();
    let names: Vec<String> = settings
        .scenarios
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let has_login = settings.users.is_some();
    Json(json!({ "form": settings.form, "scenarios": names, "has_login": has_login }))
}

/// Answers with the example of the model that the form's host serves.
async fn example(
    Shared(tests): Shared<Arc<Tests>>,
    FormBody(fields): FormBody<HashMap<String, String>>,
) -> Json<Value> {
    let form = Form::with_fields(fields, &tests.settings().form);
    Json(match tests.settings().prepare.example(&form).await {
        Ok(body) => json!({ "success": true, "body": body }),
        Err(error) => json!({ "success": false, "message": error.to_string() }),
    })
}
