//! People who may log in: a users file with argon2 hashes, limited attempts, and sessions.
//!
//! ```
//! use accounts::Users;
//!
//! let dir = std::env::temp_dir().join(format!("accounts-{}", std::process::id()));
//! std::fs::create_dir_all(&dir)?;
//! let path = dir.join("users");
//! Users::add(&path, "ada", "correct horse")?;
//! let users = Users::read(&path)?;
//! assert!(users.verify("ada", "correct horse") && !users.verify("ada", "wrong"));
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod attempts;
mod sessions;
mod users;

pub use attempts::Attempts;
pub use sessions::Sessions;
pub use users::{AccountError, Users};
