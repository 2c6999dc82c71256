//! The page and its files, which are part of the binary.
//!
//! Files are served below a folder named by the digest of them all, so that browsers keep them for
//! good and never mix two versions.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::output::hexadecimal;

/// Names, media types and contents of the files.
const FILES: [(&str, &str, &str); 29] = [
    ("app.css", "text/css", include_str!("assets/app.css")),
    ("figures.css", "text/css", include_str!("assets/figures.css")),
    ("forms.css", "text/css", include_str!("assets/forms.css")),
    ("app.js", "text/javascript", include_str!("assets/app.js")),
    ("chart-paint.js", "text/javascript", include_str!("assets/chart-paint.js")),
    ("chart-scale.js", "text/javascript", include_str!("assets/chart-scale.js")),
    ("chart.js", "text/javascript", include_str!("assets/chart.js")),
    ("dom.js", "text/javascript", include_str!("assets/dom.js")),
    ("format.js", "text/javascript", include_str!("assets/format.js")),
    ("load-charts.js", "text/javascript", include_str!("assets/load-charts.js")),
    ("load-form.js", "text/javascript", include_str!("assets/load-form.js")),
    ("load-state.js", "text/javascript", include_str!("assets/load-state.js")),
    ("load-tables.js", "text/javascript", include_str!("assets/load-tables.js")),
    ("load-tests.js", "text/javascript", include_str!("assets/load-tests.js")),
    ("stream.js", "text/javascript", include_str!("assets/stream.js")),
    ("load.js", "text/javascript", include_str!("assets/load.js")),
    ("sweep-charts.js", "text/javascript", include_str!("assets/sweep-charts.js")),
    ("sweep-details.js", "text/javascript", include_str!("assets/sweep-details.js")),
    ("sweep-form.js", "text/javascript", include_str!("assets/sweep-form.js")),
    ("sweep-judge.js", "text/javascript", include_str!("assets/sweep-judge.js")),
    ("sweep-live.js", "text/javascript", include_str!("assets/sweep-live.js")),
    ("sweep-parts.js", "text/javascript", include_str!("assets/sweep-parts.js")),
    ("sweep-words.js", "text/javascript", include_str!("assets/sweep-words.js")),
    ("sweep.js", "text/javascript", include_str!("assets/sweep.js")),
    ("table.js", "text/javascript", include_str!("assets/table.js")),
    ("words-en.js", "text/javascript", include_str!("assets/words-en.js")),
    ("words-es.js", "text/javascript", include_str!("assets/words-es.js")),
    ("words.js", "text/javascript", include_str!("assets/words.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = FILES.iter().fold(Sha256::new(), |digest, file| digest.chain_update(file.2));
    hexadecimal(&digest.finalize())[..16].to_owned()
});

static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("assets/page.html").replace("{{version}}", &VERSION));

/// Words of the login form, which has no script to translate it.
pub(super) struct LoginWords {
    lang: &'static str,
    title: &'static str,
    name: &'static str,
    password: &'static str,
    log_in: &'static str,
    /// Message for a wrong name or password.
    pub(super) wrong: &'static str,
    /// Message before the seconds to wait after too many attempts.
    pub(super) wait: &'static str,
}

const ENGLISH: LoginWords = LoginWords {
    lang: "en",
    title: "Log in to loadgen",
    name: "Name",
    password: "Password",
    log_in: "Log in",
    wrong: "Wrong name or password.",
    wait: "Too many attempts. Seconds to wait:",
};

const SPANISH: LoginWords = LoginWords {
    lang: "es",
    title: "Iniciar sesión en loadgen",
    name: "Nombre",
    password: "Contraseña",
    log_in: "Entrar",
    wrong: "Nombre o contraseña incorrectos.",
    wait: "Demasiados intentos. Segundos de espera:",
};

/// Returns the words in the language that a browser prefers.
pub(super) fn login_words(headers: &HeaderMap) -> &'static LoginWords {
    let preferred = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    if preferred.is_some_and(|preferred| preferred.starts_with("es")) { &SPANISH } else { &ENGLISH }
}

/// Returns the login form with a message of our own, or none.
pub(super) fn login(words: &LoginWords, message: &str) -> String {
    include_str!("assets/login.html")
        .replace("{{version}}", &VERSION)
        .replace("{{lang}}", words.lang)
        .replace("{{title}}", words.title)
        .replace("{{name}}", words.name)
        .replace("{{password}}", words.password)
        .replace("{{log_in}}", words.log_in)
        .replace("{{message}}", message)
}

/// Answers with the page.
pub(super) async fn page() -> Html<&'static str> {
    Html(&PAGE)
}

/// Answers with a file of the page.
pub(super) async fn file(Path((version, name)): Path<(String, String)>) -> Response {
    let found = FILES.iter().find(|file| file.0 == name).filter(|_| version == *VERSION);
    match found {
        Some((_, media_type, content)) => {
            let headers = [
                (header::CONTENT_TYPE, format!("{media_type}; charset=utf-8")),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
            ];
            (headers, *content).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such file; reload the page\n").into_response(),
    }
}
