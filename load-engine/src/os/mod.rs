//! Interfaces to the operating system: sockets, timers, processors and limits.

mod socket;
mod steal;
mod timer_fd;
mod usage;

pub mod limits;

pub use limits::raise_file_limit;
pub use socket::Socket;
pub use steal::Steal;
pub use timer_fd::TimerFd;
pub use usage::{ThreadUsage, pin_to};
