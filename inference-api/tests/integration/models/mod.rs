//! Models of every kind: what they take, what they answer, and how `/model` describes them.

mod datatypes;
mod description;
mod labels;
mod shapes;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

#[track_caller]
fn answers(server: &Server, body: &Value, outputs: &Value) {
    assert_eq!(server.post(&body.to_string()).ok()["outputs"], *outputs, "{body}");
}

/// Asserts a 422 for `field`.
#[track_caller]
fn refuses(server: &Server, body: &Value, field: &str) -> Answer {
    let answer = server.post(&body.to_string());
    assert_eq!(
        (answer.status, &answer.json()["error"]["field"]),
        (422, &json!(field)),
        "{body}: {:?}",
        answer.json()
    );
    answer
}
