//! Synthetic service time: sync is a queue with as many servers as workers, async is none.

use std::time::{Duration, Instant};

use crate::support::{IRIS, Server, is_setosa, predict};

/// How long it takes until all of `count` requests that are sent at once are answered.
fn time(flags: &[&str], count: usize) -> Duration {
    let server = Server::with("iris", flags);
    let mut clients: Vec<_> = (0..count).map(|_| server.client()).collect();
    let begun = Instant::now();
    for client in &mut clients {
        client.send(predict(IRIS));
    }
    for client in &mut clients {
        is_setosa(&client.read());
    }
    begun.elapsed()
}

#[test]
fn sync_requests_follow_one_another_and_async_ones_do_not() {
    let sync = time(&["--service-time", "constant(0.2)"], 5);
    assert!(sync >= Duration::from_secs(1), "{sync:?}");
    let at_once = time(&["--service-time", "constant(0.2)", "--service-mode", "async"], 5);
    assert!(
        at_once >= Duration::from_millis(200) && at_once < Duration::from_millis(900),
        "{at_once:?}"
    );
}

#[test]
fn times_are_drawn_and_told() {
    let server =
        Server::with("iris", &["--service-time", "uniform(0.01,0.03)", "--service-seed", "7"]);
    let begun = Instant::now();
    for _ in 0..20 {
        is_setosa(&server.post(IRIS));
    }
    let took = begun.elapsed().as_secs_f64();
    let sum = |which: &str| {
        server.metric(&format!("inference_service_time_seconds_sum{{time=\"{which}\"}}"))
    };
    let (drawn, came) = (sum("drawn"), sum("true"));
    assert!((0.2..0.6).contains(&drawn), "{drawn}");
    assert!(came >= drawn && took >= drawn, "drawn {drawn}, came {came}, took {took}");
    assert_eq!(server.metric("inference_service_time_seconds_count{time=\"drawn\"}"), 20.0);
}
