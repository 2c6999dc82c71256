//! Element type names of the protocol.

use crate::model::Element;

/// Returns the name used in `"datatype": "FP32"`.
pub(super) fn name(element: Element) -> &'static str {
    match element {
        Element::Bool => "BOOL",
        Element::Uint8 => "UINT8",
        Element::Uint16 => "UINT16",
        Element::Uint32 => "UINT32",
        Element::Uint64 => "UINT64",
        Element::Int8 => "INT8",
        Element::Int16 => "INT16",
        Element::Int32 => "INT32",
        Element::Int64 => "INT64",
        Element::Float16 => "FP16",
        Element::Bfloat16 => "BF16",
        Element::Float32 => "FP32",
        Element::Float64 => "FP64",
        Element::Text => "BYTES",
    }
}

/// Returns the name used in a model configuration's `"data_type": "TYPE_FP32"`.
pub(super) fn config_name(element: Element) -> String {
    match element {
        Element::Text => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{}", name(other)),
    }
}
