//! `loadgen ui`.

use clap::Args;

use crate::{Error, ExitStatus};

/// `loadgen ui …`.
#[derive(Debug, Args)]
pub(super) struct UiOptions {}

pub(super) async fn run(_: UiOptions) -> Result<ExitStatus, Error> {
    Err(Error::Usage("not yet".into()))
}
