//! The statistical model: where is the edge, and how sure is it?
//!
//! Every start of a service has an *edge*: the CPU limit with which that start just holds the
//! objective. Starts differ, so that the edge of start j is θ + σ ε_j in logarithms, where ε_j
//! follows Student's t distribution with 4 degrees of freedom: most starts are alike, and a few are
//! not. A window with the limit c measures the latency q at the objective's quantile, of which the
//! objective allows l, and tells of its start's edge s:
//!
//! ```text
//! ln(q / l) = -γ (ln c - s) + noise
//! ```
//!
//! So it is near the edge. Far above it latency is what the service takes when nothing holds it up,
//! and only says that the edge is below (left-censored); past the edge latency grows without bound,
//! and only says that the edge is above (right-censored). All readings of a probe share the edge of
//! their start.
//!
//! The latency tells more than the share of violations: at the edge of a quota services break
//! within a few percent of CPU, so that the share is either none or nearly all, while the latency
//! comes near its limit steadily.
//!
//! The posterior is computed on a grid of θ, γ and σ, so that it depends on the set of starts and
//! on nothing else. From it follows `p_hold(c)`, the probability that a fresh start with c holds
//! the objective: the probability of an edge below ln c.

mod observation;
mod posterior;

pub use observation::{Observation, Seen, Start, seen_in_step};
pub use posterior::{Posterior, Prior, Worth};
