//! Environment variables and TOML files for the flags of a clap command.
//!
//! A flag wins over its variable, the variable over the file, the file over the default. Every
//! value is parsed and checked by clap, wherever it comes from.
//!
//! ```
//! use std::ffi::OsString;
//!
//! let command = || {
//!     clap::Command::new("app").subcommand(
//!         clap::Command::new("run").arg(clap::Arg::new("users").long("users").required(true)),
//!     )
//! };
//! let command = cli_config::configurable(command(), "APP");
//! let table = "users = 5".parse()?;
//! let args =
//!     cli_config::with_table(&command, ["app", "run"].map(OsString::from).to_vec(), &table)?;
//! let matches = command.get_matches_from(args);
//! let (_, run) = matches.subcommand().expect("run");
//! assert_eq!(run.get_one::<String>("users").map(String::as_str), Some("5"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod file;
mod table;
mod variables;

pub use error::ConfigError;
pub use file::with_file;
pub use table::with_table;
pub use variables::configurable;
