//! One virtual user: its connection, the request in flight, its session and its schedule.
//!
//! All times count from the start of the plan.

use std::time::Duration;

use loadtest::{
    measure::Slot,
    workload::{Sender, think_times},
};
use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::{cookies::Jar, stream::Stream};
use crate::http1::Reader;

/// Stage of a user's cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Absent, or thinking; in the open model, free for the next arrival.
    Waiting,
    /// The connection is being made, for a request that is due.
    Connecting,
    /// The request is partly written.
    Sending,
    /// The request is written, the answer is not whole.
    Receiving,
}

/// A user of the plan.
#[derive(Debug)]
pub struct User {
    /// Number in the plan.
    pub number: u32,
    pub state: State,
    pub connection: Connection,
    pub request: InFlight,
    pub session: Session,
    pub schedule: Schedule,
    /// Grows with every change of state; timers with an older value are out of date.
    pub generation: u32,
}

/// The connection that a user owns, and the target at its other end.
#[derive(Debug)]
pub struct Connection {
    pub stream: Option<Stream>,
    pub reader: Reader,
    /// Index of the target that it is or will be connected to.
    pub target: usize,
    /// Target to move to once the request in flight has ended or could not be sent.
    pub moves_to: Option<usize>,
    /// Time at which connecting began.
    pub begun: Duration,
    /// True if an answer came over this connection before.
    pub has_answered: bool,
    /// True if the server closed it while the user was thinking.
    pub closed_while_idle: bool,
    /// True if the answer may have bytes that the last turn did not read.
    pub is_unread: bool,
}

/// The current or last request of a user.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Index of its task in the scenario.
    pub task: u16,
    /// Window in which it counts.
    pub slot: Slot,
    pub due: Duration,
    pub sent: Duration,
    /// Time at which it counts as timed out.
    pub deadline: Duration,
    /// Random number for its template.
    pub random: u64,
    /// Bytes of a request that differs from the task's fixed ones; empty otherwise.
    pub outgoing: Vec<u8>,
    /// Bytes written so far.
    pub written: usize,
    /// True if it was sent a second time, because the first connection turned out to be closed.
    pub resent: bool,
    /// True if it arrived while its connection was logging in.
    pub was_held: bool,
}

/// State that a user keeps from one request to the next.
#[derive(Debug)]
pub struct Session {
    /// Token of the login; empty before.
    pub token: String,
    /// Target that issued the token; no other one is sent it.
    pub token_of: usize,
    pub cookies: Jar,
    /// Requests begun.
    pub iteration: u64,
    /// Random generator for tasks and random numbers.
    pub rng: Pcg32,
}

/// Presence of a user, and the due times of its requests.
#[derive(Debug)]
pub struct Schedule {
    /// Random generator of think times.
    pub think_times: Pcg32,
    /// Time from which no request begins.
    pub until: Duration,
    /// End of the last request; the next one cannot begin earlier.
    pub ended: Duration,
    /// Arrival of the open model that waits for the login of its connection.
    pub held: Option<Held>,
    pub is_present: bool,
    /// True if a timer is set for the deadline of the request in flight.
    pub is_watched: bool,
}

/// A request that is due and counted, and cannot be sent yet.
#[derive(Debug)]
pub struct Held {
    pub due: Duration,
    pub task: u16,
    pub slot: Slot,
}

impl User {
    /// Returns user `number` of the plan, not started yet.
    pub fn new(number: u32, seed: u64, target: usize) -> Self {
        Self {
            number,
            state: State::Waiting,
            connection: Connection::to(target),
            request: InFlight::default(),
            session: Session {
                token: String::new(),
                token_of: target,
                cookies: Jar::default(),
                iteration: 0,
                // A random stream per user, so that it behaves the same whatever other users there
                // are.
                rng: Pcg32::seed_from_u64(seed ^ (u64::from(number) << 32)),
            },
            schedule: Schedule {
                think_times: think_times(seed, number),
                until: Duration::MAX,
                ended: Duration::ZERO,
                held: None,
                is_present: false,
                is_watched: false,
            },
            generation: 0,
        }
    }

    /// Returns true if the current target issued the user's token.
    pub fn is_logged_in(&self) -> bool {
        !self.session.token.is_empty() && self.session.token_of == self.connection.target
    }

    /// Adds the cookies of the current target to the request. `fixed` holds the request's bytes if
    /// they are the same for all users.
    pub fn add_cookies(&mut self, fixed: Option<&[u8]>, is_secure: bool) {
        let outgoing = &mut self.request.outgoing;
        let own = std::mem::take(outgoing);
        let request = fixed.unwrap_or(&own);
        self.session.cookies.add_to(self.connection.target, is_secure, request, outgoing);
        if outgoing.is_empty() {
            *outgoing = own;
        }
    }
}

impl Session {
    /// Returns what the template of the current request sees of its user, number `user`.
    pub fn sender(&self, user: u32, random: u64) -> Sender<'_> {
        Sender { user, iteration: self.iteration.wrapping_sub(1), token: &self.token, random }
    }
}

impl Connection {
    fn to(target: usize) -> Self {
        Self {
            stream: None,
            reader: Reader::default(),
            target,
            moves_to: None,
            begun: Duration::ZERO,
            has_answered: false,
            closed_while_idle: false,
            is_unread: false,
        }
    }

    /// Closes the connection if it has to move, and points it at its new target.
    pub fn move_on(&mut self) {
        if let Some(target) = self.moves_to.take() {
            self.close();
            self.closed_while_idle = false;
            self.target = target;
        }
    }

    /// Closes the connection, if there is one.
    pub fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.reset();
        }
        self.has_answered = false;
        self.reader.reset(0);
    }
}
