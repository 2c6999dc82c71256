//! Users file of `--web-login`.

use std::{io::IsTerminal, path::Path};

use accounts::Users;

use crate::{Error, ExitStatus};

/// Adds a user, whose password is read from the terminal or from standard input.
pub(super) fn add_user(name: &str, file: &Path) -> Result<ExitStatus, Error> {
    let wrong = |error: std::io::Error| Error::Usage(format!("no password was read: {error}"));
    let password = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Password of {name}: ")).map_err(wrong)?
    } else {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(wrong)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Users::add(file, name, &password).map_err(|error| Error::Usage(error.to_string()))?;
    println!("{name} may log in: loadgen ui --web-login {}", file.display());
    Ok(ExitStatus::Met)
}

/// Reads a users file in which there is somebody.
pub(super) fn read_users(file: &Path) -> Result<Users, Error> {
    let help = format!("loadgen ui user add NAME --file {}", file.display());
    let users = Users::read(file)
        .map_err(|error| Error::Usage(format!("--web-login: {error}\n  help: {help}")))?;
    if users.is_empty() {
        let path = file.display();
        return Err(Error::Usage(format!("--web-login {path}: nobody is in it\n  help: {help}")));
    }
    Ok(users)
}
