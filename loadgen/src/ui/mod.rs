//! `loadgen ui`: a page with Locust's form and API.
//!
//! The page is a view: it polls `stats`, which are filled from the run's events, and measures
//! nothing itself. `guard` protects it, so that a foreign web page cannot drive a generator on this
//! machine.

mod guard;
mod run;
mod stats;

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::State,
    http::header,
    middleware,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use loadtest::workload::{Host, HostError, Request, Trust, WaitTime, parse_run_time};
use run::{Runs, Swarm};
use serde::Deserialize;
use serde_json::json;

pub use guard::Guard;

use crate::{Error, runner::Source};

/// Settings of `loadgen ui`.
#[derive(Debug, Clone)]
pub struct UiSettings {
    /// Address of the page.
    pub bind: SocketAddr,
    /// Initial content of the form, which may be loaded.
    pub sources: Vec<Source>,
    /// Further hosts that may be loaded.
    pub allow_hosts: Vec<Host>,
    /// Trust settings for `https://` hosts.
    pub trust: Trust,
    /// Think time of every user.
    pub wait_time: WaitTime,
    /// Request of the users; if it lacks a payload, the target provides an example.
    pub request: Request,
    /// Request timeout.
    pub timeout: Duration,
    /// Processors for the load threads.
    pub pin: Vec<usize>,
    /// Names, besides loopback's, under which the page may be reached.
    pub allow_names: Vec<String>,
}

impl UiSettings {
    /// Returns the initial content of the form, in one line.
    fn named(&self) -> String {
        named(&self.sources)
    }

    /// Returns the sources that the form asks for, if they are allowed.
    fn allowed(&self, asked: &str) -> Result<Vec<Source>, String> {
        if asked.trim().is_empty() || asked.trim() == self.named() {
            return Ok(self.sources.clone());
        }
        let known = |host: &Host| {
            let source = Source::Host(host.clone());
            self.sources.contains(&source) || self.allow_hosts.contains(host)
        };
        asked
            .split(',')
            .map(|text| {
                let host: Host = text.trim().parse().map_err(|e: HostError| e.to_string())?;
                match known(&host) {
                    true => Ok(Source::Host(host)),
                    false => Err(format!(
                        "{host} may not be loaded from this page; start it with --allow-host {host}"
                    )),
                }
            })
            .collect()
    }
}

fn named(sources: &[Source]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Serves the page until `stop` completes.
///
/// # Errors
/// Returns an error if the address cannot be bound.
pub async fn serve(
    settings: UiSettings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let bind = settings.bind;
    let listener = tokio::net::TcpListener::bind(bind).await.map_err(|e| {
        Error::Machine(format!("cannot listen on {bind}: {e}\n  help: choose another with --bind"))
    })?;
    let addr = listener.local_addr().unwrap_or(bind);
    // Not eprintln!, which panics if standard error is closed.
    let _ =
        writeln!(std::io::stderr(), "the page is on http://{addr}/ and loads {}", settings.named());
    let guard = Guard::new(&settings.allow_names);
    let runs = Arc::new(Runs::new(settings));
    let served =
        axum::serve(listener, router(Arc::clone(&runs), guard)).with_graceful_shutdown(stop).await;
    runs.stop_and_wait().await;
    served.map_err(|e| Error::Machine(format!("the page cannot be served: {e}")))
}

fn router(runs: Arc<Runs>, guard: Guard) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/app.js", get(script))
        .route("/app.css", get(style))
        .route("/swarm", post(swarm))
        .route("/stop", get(stop))
        .route("/stats/requests", get(requests))
        .route("/stats/reset", get(reset))
        .with_state(runs)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
}

async fn page(State(runs): State<Arc<Runs>>) -> Html<String> {
    // The operator chose the host, but it still needs escaping inside an attribute.
    Html(include_str!("page.html").replace("{{host}}", &escape(&runs.settings().named())))
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("app.js"))
        .into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("app.css")).into_response()
}

/// Locust's form fields.
#[derive(Debug, Deserialize)]
struct SwarmForm {
    user_count: u32,
    spawn_rate: f64,
    host: Option<String>,
    run_time: Option<String>,
}

async fn swarm(
    State(runs): State<Arc<Runs>>,
    Form(form): Form<SwarmForm>,
) -> Json<serde_json::Value> {
    match start(&runs, form).await {
        Ok(host) => Json(json!({ "success": true, "message": "Swarming started", "host": host })),
        Err(message) => Json(json!({ "success": false, "message": message })),
    }
}

async fn start(runs: &Arc<Runs>, form: SwarmForm) -> Result<String, String> {
    let sources = runs.settings().allowed(form.host.as_deref().unwrap_or_default())?;
    let run_time = match form.run_time.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => parse_run_time(text)?,
        // The default lasts until a stop.
        None => Duration::from_secs(24 * 3600),
    };
    let host = named(&sources);
    let swarm = Swarm { users: form.user_count, spawn_rate: form.spawn_rate, sources, run_time };
    runs.start(swarm).await.map_err(|e| e.to_string()).map(|()| host)
}

async fn stop(State(runs): State<Arc<Runs>>) -> Json<serde_json::Value> {
    runs.stop();
    Json(json!({ "success": true, "message": "Test stopped" }))
}

async fn requests(State(runs): State<Arc<Runs>>) -> Json<stats::Report> {
    Json(runs.report())
}

async fn reset(State(runs): State<Arc<Runs>>) -> &'static str {
    runs.reset();
    "ok"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
