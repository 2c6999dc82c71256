//! Downloads of a test: Locust's CSV files and report, JSON, and the histogram log.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    Tests,
    test::{Test, milliseconds},
};
use crate::{
    output::{RunFormat, Theme},
    ui::guard::REPORT_POLICY,
};

/// Query of `/stats/report`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::ui) struct ReportQuery {
    download: Option<String>,
    theme: Theme,
}

/// Answers with the current test's report.
pub(in crate::ui) async fn report(
    Shared(tests): Shared<Arc<Tests>>,
    Query(query): Query<ReportQuery>,
) -> Response {
    let is_download = query.download.is_some_and(|download| !download.is_empty());
    answer(tests.current(), RunFormat::Html(query.theme), is_download).await
}

/// Answers with a file of the current test by Locust's path.
pub(in crate::ui) async fn csv(
    Shared(tests): Shared<Arc<Tests>>,
    Path(kind): Path<String>,
) -> Response {
    let format = match kind.as_str() {
        "requests" => RunFormat::Stats,
        "requests_full_history" => RunFormat::StatsHistory,
        "failures" => RunFormat::Failures,
        "exceptions" => RunFormat::Exceptions,
        _ => return (StatusCode::NOT_FOUND, "there is no such table\n").into_response(),
    };
    answer(tests.current(), format, true).await
}

/// Answers with Locust's table of exceptions, which is always empty.
pub(in crate::ui) async fn exceptions(tests: Shared<Arc<Tests>>) -> Response {
    csv(tests, Path("exceptions".to_owned())).await
}

/// Answers with a file of one of the session's tests.
pub(in crate::ui) async fn of_test(
    Shared(tests): Shared<Arc<Tests>>,
    Path((id, file)): Path<(u64, String)>,
    Query(query): Query<ReportQuery>,
) -> Response {
    let format = match file.as_str() {
        "stats.csv" => RunFormat::Stats,
        "stats_history.csv" => RunFormat::StatsHistory,
        "failures.csv" => RunFormat::Failures,
        "exceptions.csv" => RunFormat::Exceptions,
        "run.json" => RunFormat::Json,
        "latencies.hlog" => RunFormat::HdrLog,
        "report.html" => RunFormat::Html(query.theme),
        _ => return (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    };
    let is_shown = file == "report.html" && query.download.is_none();
    answer(tests.get(id), format, !is_shown).await
}

async fn answer(test: Option<Arc<Test>>, format: RunFormat, is_download: bool) -> Response {
    let Some(test) = test else {
        return (StatusCode::NOT_FOUND, "no test was started yet\n").into_response();
    };
    let name = format!("loadgen_{}_{}", milliseconds(test.began) / 1000, format.file_name());
    // A long test's files take a while.
    let made = tokio::task::spawn_blocking(move || format.content(&test.report())).await;
    let content = match made {
        Ok(Ok(content)) => content,
        Ok(Err(error)) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
        }
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
    ];
    let mut response = (headers, content).into_response();
    if is_download && let Ok(value) = format!("attachment;filename={name}").parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
