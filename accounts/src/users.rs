//! Users file: a line `NAME:HASH` for each user, the hash in the PHC format of argon2.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use rand::RngExt;

/// Fault of a users file or of a new entry; a retry helps once it was mended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line is not `NAME:HASH`.
    #[error("{}: line {line} is not NAME:HASH with an argon2 hash", path.display())]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A name or password is not usable.
    #[error("{0}")]
    Entry(&'static str),
}

/// People who may log in, and the hashes of their passwords.
#[derive(Debug, Clone, Default)]
pub struct Users {
    hashes: BTreeMap<String, String>,
    /// Hash of nobody's password: an unknown name takes as long as a wrong password.
    decoy: String,
}

/// Shortest password.
const SHORTEST: usize = 8;
/// Longest name and longest password, in bytes.
const LONGEST: usize = 128;

impl Users {
    /// Reads a users file. Empty lines and lines that begin with `#` are left out.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if a line is not an entry.
    pub fn read(path: &Path) -> Result<Self, AccountError> {
        let text = fs::read_to_string(path).map_err(|source| file(path, source))?;
        let mut hashes = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = line.trim().split_once(':').filter(|(name, hash)| {
                !name.is_empty()
                    && PasswordHash::new(hash)
                        .is_ok_and(|hash| hash.algorithm.as_str() == "argon2id")
            });
            let (name, hash) =
                entry.ok_or(AccountError::Line { path: path.to_owned(), line: index + 1 })?;
            hashes.insert(name.to_owned(), hash.to_owned());
        }
        Ok(Self { hashes, decoy: hash(&token())? })
    }

    /// Adds a user to a file, or changes the password of one; the file is made if it is missing,
    /// readable by its owner alone.
    ///
    /// # Errors
    /// Returns an error if the name or the password is not usable, or if the file cannot be read or
    /// written.
    pub fn add(path: &Path, name: &str, password: &str) -> Result<(), AccountError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(is_name) {
            return Err(AccountError::Entry("a name has letters, digits and ._-@ only"));
        }
        if password.chars().count() < SHORTEST || password.len() > LONGEST {
            return Err(AccountError::Entry("a password has 8 to 128 characters"));
        }
        let mut users = if path.exists() { Self::read(path)? } else { Self::default() };
        users.hashes.insert(name.to_owned(), hash(password)?);
        let lines = users.hashes.iter().map(|(name, hash)| format!("{name}:{hash}\n"));
        write(path, &lines.collect::<String>()).map_err(|source| file(path, source))
    }

    /// Returns true if this is the password of this user. An unknown user takes as long.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let hash = self.hashes.get(name);
        let is_right = PasswordHash::new(hash.unwrap_or(&self.decoy)).is_ok_and(|hash| {
            password.len() <= LONGEST
                && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
        is_right && hash.is_some()
    }

    /// Returns true if nobody may log in.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Returns a random token of 128 bits, in hexadecimal digits.
pub(crate) fn token() -> String {
    let bytes: [u8; 16] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(password: &str) -> Result<String, AccountError> {
    let salt: [u8; 16] = rand::rng().random();
    let salt = SaltString::encode_b64(&salt);
    let refused = AccountError::Entry("the password cannot be hashed");
    match salt.and_then(|salt| {
        Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
    }) {
        Ok(hash) => Ok(hash),
        Err(_) => Err(refused),
    }
}

/// Writes a file that only its owner may read; a reader sees the old or the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let staged = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&staged)?.write_all(text.as_bytes())?;
    fs::rename(&staged, path)
}

fn file(path: &Path, source: io::Error) -> AccountError {
    AccountError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn passwords_are_hashed_and_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        Users::add(&path, "ada", "correct horse").unwrap();
        Users::add(&path, "bob", "battery staple").unwrap();
        Users::add(&path, "ada", "another horse").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() == 2 && !text.contains("horse"), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let users = Users::read(&path).unwrap();
        assert!(users.verify("ada", "another horse") && users.verify("bob", "battery staple"));
        for (name, password) in
            [("ada", "correct horse"), ("ada", ""), ("eve", "another horse"), ("", "")]
        {
            assert!(!users.verify(name, password), "{name}");
        }
    }

    #[test]
    fn faults_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        assert!(Users::read(&path).unwrap_err().to_string().contains("users: "));
        for (name, password) in [("", "long enough"), ("a:b", "long enough"), ("ada", "short")] {
            assert!(Users::add(&path, name, password).is_err(), "{name}");
        }
        fs::write(&path, "# people\n\nada:plain text\n").unwrap();
        let error = Users::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }
}
