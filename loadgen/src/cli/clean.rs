//! `loadgen clean`.

use orchestrator::{Choice, Owner, select};

use crate::{Error, ExitStatus};

pub(super) async fn run() -> Result<ExitStatus, Error> {
    let owner = Owner::current("clean")?;
    let mut removed = Vec::new();
    let mut missing = Vec::new();
    for choice in [Choice::Process, Choice::Docker] {
        match select(choice, false, owner.clone()).await {
            Ok(orchestrator) => {
                removed.extend(orchestrator.clean().await?);
                orchestrator.close().await?;
            }
            // A backend that does not work here has left nothing here.
            Err(error) => missing.push(format!("{choice}: {}", error.to_string().lines().next().unwrap_or_default())),
        }
    }
    for line in &removed {
        println!("removed {line}");
    }
    if removed.is_empty() {
        println!("nothing to remove");
    }
    for line in missing {
        eprintln!("not looked at: {line}");
    }
    Ok(ExitStatus::Met)
}
