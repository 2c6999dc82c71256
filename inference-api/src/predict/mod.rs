//! JSON in, JSON out: the body of `POST /predict` to tensors, and what the model puts out to the answer.

mod decode;
mod encode;
mod fault;
mod row;
mod scalar;

pub use decode::{Batch, decode};
pub use encode::encode;
pub use fault::Fault;
