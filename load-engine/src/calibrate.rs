//! Calibration: the rate of the generator on its processors, against a server that does nothing.

use std::{net::SocketAddr, time::Duration};

use loadtest::workload::{Plan, Request, Segment, Targets, WaitTime};

use crate::{
    Control,
    null_server::{Behaviour, NullServer},
    run,
};

const USERS: u32 = 64;
const RUN_TIME: Duration = Duration::from_millis(800);

/// Returns the requests per second that load threads on `cores` reach against a null server on
/// another of this machine's `cpus`, with 64 connections and no think time. If `cores` is empty,
/// there is one unpinned load thread.
///
/// Returns `None` without another processor, on a refusal by the machine, or with several load
/// threads: the null server has a single thread, which would be the limit.
pub fn calibrate(cores: &[usize], busy_poll: bool, cpus: usize) -> Option<f64> {
    if cpus < 2 || cores.len() > 1 {
        return None;
    }
    let other = (0..cpus).find(|cpu| !cores.contains(cpu))?;
    let server =
        NullServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), Some(other), Behaviour::default())
            .ok()?;
    let plan =
        Plan::steady(USERS, f64::from(USERS) * 100.0, RUN_TIME, WaitTime::Constant(Duration::ZERO))
            .ok()?;
    let targets = Targets::replicas(&[server.addr()], &Request::post_json("/", "{}"));
    let segment = Segment { busy_poll, ..Segment::whole(plan, cores.to_vec()) };
    let outcome = run(&segment, &targets, &[], &|_| (), &Control::default()).ok()?;
    let rate = outcome.steps.first()?.all.requests_per_second();
    (rate > 0.0).then_some(rate)
}
