//! One user's state: where it is in the cycle of waiting, connecting, sending and receiving.

use std::time::Duration;

use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::{cookies::Jar, http1::Reader, stream::Stream};
use crate::{measure::Slot, workload::think_times};

/// Where a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not there, or thinking; in the open model, free for the next arrival.
    Waiting,
    /// Its connection is being made, for a request that is due.
    Connecting,
    /// Its request is partly written.
    Sending,
    /// Its request is written, the answer is not whole.
    Receiving,
}

/// A request that was due and counted, and cannot be sent yet.
#[derive(Debug)]
pub struct Held {
    pub due: Duration,
    pub task: u16,
    pub slot: Slot,
}

/// A user and the connection that it owns.
#[derive(Debug)]
pub struct User {
    /// Its number in the plan.
    pub number: u32,
    pub stream: Option<Stream>,
    pub state: State,
    pub reader: Reader,
    pub rng: Pcg32,
    /// Draws its think times.
    pub think_times: Pcg32,
    /// When the current, or the last, request was due; from the start of the plan, like all times
    /// here.
    pub due: Duration,
    /// When the last request ended: it could not begin another one before.
    pub ended: Duration,
    /// When the current request was sent.
    pub sent: Duration,
    /// When the current connection was begun.
    pub connect_begun: Duration,
    /// When the current request has failed.
    pub deadline: Duration,
    /// Whether more of its answer may have come than was read in one turn.
    pub is_unread: bool,
    /// Whether a timer will look at the deadline.
    pub is_watched: bool,
    /// It begins no request from here on.
    pub until: Duration,
    /// What the current request is.
    pub task: u16,
    /// How many it has begun.
    pub iteration: u64,
    /// What its login gave it; empty before.
    pub token: String,
    /// The target that gave the token: another one is not told.
    pub token_of: usize,
    /// What chance gave the current request.
    pub random: u64,
    pub cookies: Jar,
    /// The bytes of the current request, if they are its own.
    pub outgoing: Vec<u8>,
    /// The window of the current request.
    pub slot: Slot,
    /// Bytes of the request that were written.
    pub written: usize,
    /// The open model's: an arrival that waits for the login of its connection.
    pub held: Option<Held>,
    /// Whether the current request is one that was held.
    pub was_held: bool,
    /// Goes up with every change of what the user waits for; timers with another one are out of
    /// date.
    pub generation: u32,
    /// Which target it is, or will be, connected to.
    pub target: usize,
    /// The target that it goes to once its request has ended, or could not be sent.
    pub moves_to: Option<usize>,
    /// Whether it is there.
    pub is_present: bool,
    /// Whether its connection has brought an answer before.
    pub used: bool,
    /// Whether the server closed its connection while it was thinking.
    pub closed_while_idle: bool,
    /// Whether the current request was sent before, on a connection that turned out to be closed.
    pub resent: bool,
}

impl User {
    /// User `number` of the plan, not started yet.
    pub fn new(number: u32, seed: u64, target: usize) -> Self {
        Self {
            number,
            stream: None,
            state: State::Waiting,
            reader: Reader::default(),
            // Each user draws from streams of its own, so that what it does does not depend on who
            // else there is.
            rng: Pcg32::seed_from_u64(seed ^ (u64::from(number) << 32)),
            think_times: think_times(seed, number),
            due: Duration::ZERO,
            ended: Duration::ZERO,
            sent: Duration::ZERO,
            connect_begun: Duration::ZERO,
            deadline: Duration::ZERO,
            is_unread: false,
            is_watched: false,
            until: Duration::MAX,
            task: 0,
            iteration: 0,
            token: String::new(),
            token_of: target,
            random: 0,
            cookies: Jar::default(),
            outgoing: Vec::new(),
            slot: Slot::default(),
            written: 0,
            held: None,
            was_held: false,
            generation: 0,
            target,
            moves_to: None,
            is_present: false,
            used: false,
            closed_while_idle: false,
            resent: false,
        }
    }

    /// Whether the target that it is connected to, or will be, has given it a token.
    pub fn is_logged_in(&self) -> bool {
        !self.token.is_empty() && self.token_of == self.target
    }

    /// Makes the current request one that has the cookies which belong to it. `fixed` are its bytes
    /// if they are nobody's own.
    pub fn add_cookies(&mut self, fixed: Option<&[u8]>, is_secure: bool) {
        let own = std::mem::take(&mut self.outgoing);
        self.cookies.add_to(self.target, is_secure, fixed.unwrap_or(&own), &mut self.outgoing);
        if self.outgoing.is_empty() {
            self.outgoing = own;
        }
    }

    /// Goes to its other target, if it has one.
    pub fn move_on(&mut self) {
        if let Some(target) = self.moves_to.take() {
            self.disconnect();
            self.closed_while_idle = false;
            self.target = target;
        }
    }

    /// Drops the connection, if there is one.
    pub fn disconnect(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.reset();
        }
        self.used = false;
        self.reader.reset(0);
    }
}
