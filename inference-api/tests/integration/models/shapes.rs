//! Rows of every shape: values, nested lists, open lengths, fixed batches, several inputs.

use serde_json::json;

use super::{answers, refuses};
use crate::support::Server;

#[test]
fn a_regressor_answers_with_its_outputs() {
    let server = Server::of("regressor");
    answers(&server, &json!({ "features": [1, 2.5, -1] }), &json!({ "y": [[2.5]] }));
    answers(
        &server,
        &json!({ "instances": [[1, 2, 3], [4, 5, 6]] }),
        &json!({ "y": [[6.0], [15.0]] }),
    );
    answers(&server, &json!({ "x_0": 1, "x_2": 3, "x_1": 2 }), &json!({ "y": [[6.0]] }));
}

#[test]
fn a_fixed_batch_is_run_as_often_as_it_takes() {
    let server = Server::of("fixed_batch");
    let rows = json!([[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0]]);
    answers(&server, &json!({ "instances": rows }), &json!({ "y": [[1.0], [2.0], [3.0], [4.0]] }));
    refuses(&server, &json!({ "features": [1, 2, 3] }), "instances");
}

#[test]
fn a_tensor_is_nested_lists() {
    let server = Server::of("tensor");
    let row = json!([[1, 2, 3], [4, 5, 6]]);
    let twice = json!([[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]);
    answers(&server, &json!({ "features": row }), &json!({ "y": [twice] }));
    answers(&server, &json!({ "x": row }), &json!({ "y": [twice] }));
    answers(&server, &json!({ "instances": [row, { "x": row }] }), &json!({ "y": [twice, twice] }));
    refuses(&server, &json!({ "features": [[1, 2, 3], [4, 5]] }), "features[1]");
    refuses(&server, &json!({ "features": [[1, 2, 3]] }), "features");
    refuses(&server, &json!({ "features": [] }), "features");
    refuses(&server, &json!({ "features": [[1, 2, 3], [4, [5], 6]] }), "features[1][1]");
    refuses(&server, &json!({ "features": 1 }), "features");
}

#[test]
fn rows_of_open_length_must_have_one_length() {
    let server = Server::of("open");
    answers(&server, &json!({ "features": [1, 2, 3, 4] }), &json!({ "y": [10.0] }));
    answers(&server, &json!({ "instances": [[1, 2], [3, 4]] }), &json!({ "y": [3.0, 7.0] }));
    refuses(&server, &json!({ "instances": [[1, 2], [3]] }), "instances[1]");
    refuses(&server, &json!({ "instances": [[1, 2], []] }), "instances[1]");
    refuses(&server, &json!({ "features": [1, null] }), "features[1]");
    // No values at all: whatever the runtime says of it, it is not our fault.
    assert!(server.post(r#"{"features": []}"#).status < 500);
    assert!(server.post(r#"{"instances": [[], []]}"#).status < 500);
}

#[test]
fn a_model_of_rank_1_takes_a_value_a_row() {
    let server = Server::of("rank1");
    answers(&server, &json!({ "features": [2] }), &json!({ "y": [4.0] }));
    answers(&server, &json!({ "features": 2 }), &json!({ "y": [4.0] }));
    answers(
        &server,
        &json!({ "instances": [1, [2], { "x": 3 }] }),
        &json!({ "y": [2.0, 4.0, 6.0] }),
    );
    refuses(&server, &json!({ "features": [] }), "features");
    refuses(&server, &json!({ "features": [1, 2] }), "features");
    refuses(&server, &json!({ "features": [[1]] }), "features[0]");
    refuses(&server, &json!({ "instances": [] }), "instances");
    refuses(&server, &json!({ "features": null }), "features");
}

#[test]
fn several_inputs_are_columns() {
    let server = Server::of("multi");
    let one = json!([2.5, 4, "Oslo", [1, 2]]);
    let named = json!({ "city": "Rome", "window": [3, 4], "count": 2, "price": 1.5 });
    let outputs = |total: f64, city: &str, area: f64| {
        json!({
            "total": [[total]],
            "where": [[city]],
            "area": [[area]],
        })
    };
    answers(&server, &json!({ "features": one }), &outputs(10.0, "Oslo", 3.0));
    answers(&server, &named, &outputs(3.0, "Rome", 7.0));
    let both =
        json!({ "total": [[10.0], [3.0]], "where": [["Oslo"], ["Rome"]], "area": [[3.0], [7.0]] });
    answers(&server, &json!({ "instances": [one, named] }), &both);
    refuses(&server, &json!({ "features": [2.5, "4", "Oslo", [1, 2]] }), "features[1]");
    refuses(&server, &json!({ "features": [2.5, 4, "Oslo", [1]] }), "features[3]");
    refuses(&server, &json!({ "instances": [one, { "city": "Rome" }] }), "instances[1].price");
}
