//! Kinds of service that sweeps are tested on.

use super::{Machine, Service};

/// A kind of service on a kind of machine.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Name, for tables.
    pub name: &'static str,
    /// The service, before its scale is drawn.
    pub service: Service,
    /// The machine.
    pub machine: Machine,
}

const MIB: f64 = (1 << 20) as f64;

/// Costs measured on `inference-api` with `iris`: 0.36 CPU with headroom, 0.14 to 0.18 CPU at the
/// edge for 10,000 users.
const BATCHING: Service = Service {
    alone: 63e-6,
    busy: 20e-6,
    half: 8.0,
    tail: (0.0, 1.0),
    starts: 0.03,
    warm_up: (1.0, 1.0),
    resume: 0.8e-3,
    connect: 60e-6,
    idle_bytes: 14.0 * MIB,
    connection_bytes: 1200.0,
    waiting_bytes: 3000.0,
    program_bytes: 12.0 * MIB,
    memory_spread: 0.03,
};

/// All kinds, each with its peculiarity.
pub const KINDS: [Kind; 8] = [
    Kind { name: "batching (iris)", service: BATCHING, machine: Machine::CALM },
    Kind {
        name: "same cost always",
        service: Service { alone: 60e-6, busy: 60e-6, ..BATCHING },
        machine: Machine::CALM,
    },
    Kind {
        name: "strongly batching",
        service: Service { alone: 60e-6, busy: 9e-6, half: 30.0, ..BATCHING },
        machine: Machine::CALM,
    },
    Kind {
        name: "warms up",
        service: Service { alone: 50e-6, busy: 30e-6, warm_up: (1.6, 12.0), ..BATCHING },
        machine: Machine::CALM,
    },
    Kind {
        name: "memory by waiting requests",
        service: Service {
            waiting_bytes: 60_000.0,
            idle_bytes: 40.0 * MIB,
            memory_spread: 0.06,
            ..BATCHING
        },
        machine: Machine::CALM,
    },
    Kind {
        name: "starts that differ",
        service: Service { starts: 0.09, ..BATCHING },
        machine: Machine::CALM,
    },
    Kind {
        name: "some requests cost 20 times",
        service: Service { alone: 30e-6, busy: 18e-6, tail: (0.03, 20.0), ..BATCHING },
        machine: Machine::CALM,
    },
    Kind {
        name: "busy machine",
        service: BATCHING,
        machine: Machine {
            within_trials: 0.06,
            between_trials: 0.04,
            wander: 0.03,
            steal_bursts: 0.7,
            ..Machine::CALM
        },
    },
];
