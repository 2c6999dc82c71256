//! The statistical model of the edge and its uncertainty.
//!
//! Every start of a service has an *edge*: the CPU limit with which that start just holds the
//! objective. Starts differ: the edge of start j is θ + σ ε_j in logarithms, where ε_j follows
//! Student's t distribution with 4 degrees of freedom. Most starts are alike, and a few are not. A
//! window with the limit c measures the latency q at the objective's quantile, whose limit is l. It
//! relates to its start's edge s by
//!
//! ```text
//! ln(q / l) = -γ (ln c - s) + noise
//! ```
//!
//! This holds near the edge. Far above it the latency is that of an idle service, which only says
//! that the edge is below (left-censored). Past the edge the latency grows without bound, which
//! only says that the edge is above (right-censored). All readings of a probe share the edge of
//! their start.
//!
//! The latency says more than the share of violations. At the edge of a quota services break within
//! a few percent of CPU, so that the share is either none or nearly all, while the latency
//! approaches its limit steadily.
//!
//! The posterior is computed on a grid of θ, γ and σ, so that it depends only on the set of starts.
//! From it follows `p_hold(c)`, the probability that a fresh start with c holds the objective: the
//! probability of an edge below ln c.

mod observation;
mod posterior;

pub use observation::{Observation, Seen, Start, seen_in_step};
pub use posterior::{Posterior, Prior, Worth};
