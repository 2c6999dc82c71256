//! Login to the page: a users file, a session cookie, and limited attempts.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use accounts::{Attempts, Sessions, Users};
use axum::{
    Form as FormBody,
    extract::{ConnectInfo, Request, State as Shared},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::assets;

/// People who may use the page.
pub(super) struct Login {
    users: Users,
    attempts: Attempts,
    sessions: Sessions,
    /// Passwords that are hashed at the same time.
    hashing: Semaphore,
}

/// Most hashes at the same time.
const HASHES: usize = 2;
const LONGEST_NAME: usize = 128;
const COOKIE: &str = "loadgen_session";

/// Fields of the login form, with the names of Locust's.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

impl Login {
    pub(super) fn new(users: Users) -> Self {
        Self {
            users,
            attempts: Attempts::default(),
            sessions: Sessions::default(),
            hashing: Semaphore::new(HASHES),
        }
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        token(headers).is_some_and(|token| self.sessions.is_valid(&token, Instant::now()))
    }
}

/// Lets requests with a session pass; the page goes to the login, and other calls get a 401.
pub(super) async fn check(
    Shared(login): Shared<Option<Arc<Login>>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_open = path == "/login" || path.starts_with("/assets/");
    match login {
        Some(login) if !is_open && !login.is_known(request.headers()) => match path {
            "/" => Redirect::to("/login").into_response(),
            _ => (StatusCode::UNAUTHORIZED, "log in first, at /login\n").into_response(),
        },
        _ => next.run(request).await,
    }
}

/// Answers with the login form.
pub(super) async fn form(headers: HeaderMap) -> Html<String> {
    Html(assets::login(assets::login_words(&headers), ""))
}

/// Begins a session if name and password are right.
pub(super) async fn log_in(
    Shared(login): Shared<Option<Arc<Login>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    FormBody(Credentials { username, password }): FormBody<Credentials>,
) -> Response {
    let Some(login) = login else { return Redirect::to("/").into_response() };
    let words = assets::login_words(&headers);
    let refusal = || (StatusCode::UNAUTHORIZED, Html(assets::login(words, words.wrong)));
    if username.len() > LONGEST_NAME {
        return refusal().into_response();
    }
    if let Err(wait) = login.attempts.begin(peer.ip(), &username, Instant::now()) {
        let message = format!("{} {}", words.wait, wait.as_secs() + 1);
        let retry = [(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, retry, Html(assets::login(words, &message)))
            .into_response();
    }
    // A hash takes tens of milliseconds and 19 MiB by design: a few at a time.
    let _hashing = login.hashing.acquire().await;
    let verifier = Arc::clone(&login);
    let name = username.clone();
    let verified =
        tokio::task::spawn_blocking(move || verifier.users.verify(&name, &password)).await;
    let is_right = verified.unwrap_or(false);
    if !is_right {
        return refusal().into_response();
    }
    login.attempts.succeed(peer.ip(), &username);
    let token = login.sessions.begin(Instant::now());
    let age = Sessions::LENGTH.as_secs();
    let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Ends the session.
pub(super) async fn log_out(
    Shared(login): Shared<Option<Arc<Login>>>,
    headers: HeaderMap,
) -> Response {
    if let (Some(login), Some(token)) = (login, token(&headers)) {
        login.sessions.end(&token);
    }
    let cookie = format!("{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

fn token(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('=')).map(str::to_owned)
}
