//! Charts as SVG: without scripts, readable on dark and light backgrounds and without telling red
//! from green.

mod axis;
mod curve;
mod demand;
mod frame;

pub use curve::curve;
pub use demand::demand;
