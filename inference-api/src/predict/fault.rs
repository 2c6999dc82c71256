//! What is wrong with a request: which field, what was expected, what came.

use std::{cell::RefCell, fmt};

use serde::Serialize;

/// A request that the model cannot take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path of the field from the body's root: `instances[1][2]`; `body` for the whole.
    pub field: String,
    /// What would have been right.
    pub expected: String,
    /// What was there.
    pub got: String,
    /// Whether the body was no JSON at all.
    #[serde(skip)]
    pub malformed: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
    }
}

/// Collects the fault while serde unwinds: the innermost visitor says what is wrong, every level
/// above adds where. Nothing is paid for it while there is none.
#[derive(Debug, Default)]
pub(super) struct Trail(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    what: Option<(String, String)>,
    /// Innermost first.
    path: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Key(String),
    Index(usize),
}

impl Trail {
    /// Notes what is wrong and returns the error that ends the parse.
    pub(super) fn fault<E: serde::de::Error>(
        &self,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> E {
        let mut found = self.0.borrow_mut();
        found.what.get_or_insert_with(|| (expected.into(), got.into()));
        E::custom("fault")
    }

    /// Adds where, on the way out.
    pub(super) fn at<E>(&self, piece: impl FnOnce() -> Piece) -> impl FnOnce(E) -> E {
        move |error| {
            self.0.borrow_mut().path.push(piece());
            error
        }
    }

    /// The fault that a failed parse is about.
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

/// The visitor methods for the kinds of JSON value that a visitor does not take: each notes a fault
/// that says what came. The visitor has a method `wrong`, which adds what it expected.
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

/// Enough of a string to recognise it in an error.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
