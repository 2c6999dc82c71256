//! Conversion of `POST /predict` bodies to tensors, and of the model's outputs to JSON.

mod decode;
mod encode;
mod fault;
mod flat;
mod object;
mod row;
mod scalar;

pub use decode::{Batch, decode, decode_rows};
pub use encode::{encode, encode_columns, encode_records, large};
pub use fault::{Fault, shorten};
pub use flat::{flat, shaped};
pub use scalar::without_python_numbers;
