//! `loadgen clean`.

use orchestrator::{Choice, Owner, select};

use crate::{Error, ExitStatus};

pub(super) async fn run() -> Result<ExitStatus, Error> {
    let owner = Owner::current("clean")?;
    let mut removed = Vec::new();
    let mut missing = Vec::new();
    let mut failed = Vec::new();
    for choice in [Choice::Process, Choice::Docker] {
        match select(choice, false, owner.clone()).await {
            Ok(orchestrator) => {
                match orchestrator.clean().await {
                    Ok(lines) => removed.extend(lines),
                    // The remains of the other backend can still be removed.
                    Err(error) => failed.push(error),
                }
                orchestrator.close().await?;
            }
            Err(error) => missing.push(format!(
                "{choice}: {}",
                error.to_string().lines().next().unwrap_or_default()
            )),
        }
    }
    for line in &removed {
        println!("removed {line}");
    }
    if removed.is_empty() && failed.is_empty() {
        println!(
            "nothing to remove{}",
            if missing.is_empty() { "" } else { " where it could be looked" }
        );
    }
    for line in missing {
        eprintln!("not looked at: {line}");
    }
    match failed.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(ExitStatus::Met),
    }
}
