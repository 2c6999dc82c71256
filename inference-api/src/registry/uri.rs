//! MLflow's `models:/` addresses.

use std::{fmt, str::FromStr};

/// Target of a `models:/` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelUri {
    /// Version of a registered model.
    Registered {
        /// Name of the model.
        name: String,
        /// Selector of the version.
        selector: Selector,
    },
    /// Logged model, `m-…`, registered or not.
    Logged(String),
}

/// Selector of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Version number: `/3`.
    Version(u64),
    /// Alias: `@champion`.
    Alias(String),
    /// Newest version: `/latest`.
    Latest,
    /// Stage: `/Production`.
    Stage(String),
}

/// Text that is not a `models:/` address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no model\n  help: models:/NAME/3, models:/NAME@ALIAS, models:/NAME/latest or \
        models:/m-ID"
)]
pub struct UriError(String);

/// Prefix of registry addresses.
pub const SCHEME: &str = "models:/";

impl FromStr for ModelUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let wrong = || UriError(text.to_owned());
        let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?;
        let registered = |name: &str, selector| match name {
            "" | "." | ".." => Err(wrong()),
            _ => Ok(Self::Registered { name: name.to_owned(), selector }),
        };
        match (rest.split_once('/'), rest.rsplit_once('@')) {
            // A name has neither separator: MLflow refuses '/' and ':', and '@' starts an alias.
            (Some((_, version)), _) if version.is_empty() || version.contains('/') => Err(wrong()),
            (Some((name, "latest")), _) => registered(name, Selector::Latest),
            (Some((name, version)), _) => registered(
                name,
                version
                    .parse()
                    .map_or_else(|_| Selector::Stage(version.to_owned()), Selector::Version),
            ),
            (None, Some((_, ""))) => Err(wrong()),
            (None, Some((name, alias))) => registered(name, Selector::Alias(alias.to_owned())),
            (None, None) if rest.starts_with("m-") && rest.len() > 2 => {
                Ok(Self::Logged(rest.to_owned()))
            }
            (None, None) => Err(wrong()),
        }
    }
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { name, selector: Selector::Version(version) } => {
                write!(f, "{SCHEME}{name}/{version}")
            }
            Self::Registered { name, selector: Selector::Alias(alias) } => {
                write!(f, "{SCHEME}{name}@{alias}")
            }
            Self::Registered { name, selector: Selector::Latest } => {
                write!(f, "{SCHEME}{name}/latest")
            }
            Self::Registered { name, selector: Selector::Stage(stage) } => {
                write!(f, "{SCHEME}{name}/{stage}")
            }
            Self::Logged(id) => write!(f, "{SCHEME}{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "models:/iris/3",
            "models:/iris@champion",
            "models:/my iris/latest",
            "models:/iris/Production",
            "models:/m-0a1b",
        ] {
            assert_eq!(text.parse::<ModelUri>().unwrap().to_string(), text);
        }
        let selector = |text: &str| match text.parse().unwrap() {
            ModelUri::Registered { selector, .. } => selector,
            ModelUri::Logged(id) => panic!("{id}"),
        };
        assert_eq!(selector("models:/iris/3"), Selector::Version(3));
        assert_eq!(selector("models:/iris@3"), Selector::Alias("3".to_owned()));
        assert_eq!(selector("models:/iris/latest"), Selector::Latest);
        for wrong in [
            "iris",
            "models:/",
            "models:/iris",
            "models:/iris/",
            "models:/iris@",
            "models:/a/b/c",
            "models:/@x",
            "models:/../3",
        ] {
            assert!(wrong.parse::<ModelUri>().is_err(), "{wrong}");
        }
    }
}
