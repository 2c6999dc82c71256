//! Faults of a request: the field, the expected value and the received one.

use std::{cell::RefCell, fmt};

use serde::Serialize;

/// Reason why the model cannot accept a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path of the field from the body's root, such as `instances[1][2]`; `body` for the whole.
    pub field: String,
    /// Description of a valid value.
    pub expected: String,
    /// Description of the received value.
    pub got: String,
    /// True if the body is not valid JSON.
    #[serde(skip)]
    pub malformed: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
    }
}

/// Collector of a fault while serde unwinds.
///
/// The innermost visitor notes the cause, each level above its position. A success pays nothing.
#[derive(Debug, Default)]
pub(super) struct Trail(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    what: Option<(String, String)>,
    /// Positions, innermost first.
    path: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Key(String),
    Index(usize),
}

impl Trail {
    /// Notes the cause and returns the error that ends the parse.
    pub(super) fn fault<E: serde::de::Error>(
        &self,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> E {
        let mut found = self.0.borrow_mut();
        found.what.get_or_insert_with(|| (expected.into(), got.into()));
        E::custom("fault")
    }

    /// Adds a position to an error on its way out.
    pub(super) fn at<E>(&self, piece: impl FnOnce() -> Piece) -> impl FnOnce(E) -> E {
        move |error| {
            self.0.borrow_mut().path.push(piece());
            error
        }
    }

    /// Returns the fault of a failed parse.
    pub(super) fn into_fault(self, error: &serde_json::Error) -> Fault {
        let Found { what, path } = self.0.into_inner();
        let mut field = String::new();
        for piece in path.iter().rev() {
            match piece {
                Piece::Key(key) if field.is_empty() => field.push_str(key),
                Piece::Key(key) => field.push_str(&format!(".{key}")),
                Piece::Index(index) => field.push_str(&format!("[{index}]")),
            }
        }
        if field.is_empty() {
            "body".clone_into(&mut field);
        }
        match what {
            Some((expected, got)) => Fault { field, expected, got, malformed: false },
            None => Fault {
                field,
                expected: "valid JSON".to_owned(),
                got: error.to_string(),
                malformed: true,
            },
        }
    }
}

/// Defines the visitor methods for JSON types that a visitor rejects.
///
/// Each notes a fault with the received value. The visitor's method `wrong` adds the expected one.
macro_rules! refuse {
    ($($kind:ident),+) => {
        $($crate::predict::fault::refuse!(@$kind);)+
    };
    (@bool) => {
        fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
            Err(self.wrong(value.to_string()))
        }
    };
    (@number) => {
        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
            Err(self.wrong(format!("the number {value}")))
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
            Err(self.wrong(format!("the number {value}")))
        }

        fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
            Err(self.wrong(format!("the number {value:?}")))
        }
    };
    (@string) => {
        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
            Err(self.wrong(format!("the string {:?}", $crate::predict::fault::shorten(value))))
        }
    };
    (@null) => {
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Err(self.wrong("null"))
        }
    };
    (@list) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.wrong("a list"))
        }
    };
    (@object) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.wrong("an object"))
        }
    };
}
pub(super) use refuse;

/// Returns at most 40 characters of a text, for error messages.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
