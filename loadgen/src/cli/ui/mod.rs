//! `loadgen ui`.

mod prepare;
mod users;
mod words;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use load_engine::Control;
use loadtest::workload::{Host, Scenario, Trust};

use self::{
    prepare::Shared,
    users::{add_user, read_users},
    words::parsed,
};
use super::{interrupt::stop_on_signal, payload::PayloadOptions, sources::SourceOptions};
use crate::{
    Error, ExitStatus,
    runner::stopped,
    ui::{Form, Hosts, SweepForm, UiSettings, serve},
};

/// `loadgen ui …`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct UiOptions {
    #[command(subcommand)]
    command: Option<UiCommand>,

    /// Address of the page; in a container 0.0.0.0:8089, published on 127.0.0.1 only.
    #[arg(long, default_value = "127.0.0.1:8089")]
    bind: SocketAddr,

    #[command(flatten)]
    sources: SourceOptions,

    /// Further host that may be loaded; repeatable.
    #[arg(long)]
    allow_host: Vec<Host>,

    /// Further name, besides loopback's, under which the page may be reached; repeatable.
    #[arg(long)]
    allow_name: Vec<String>,

    /// Users file: whoever uses the page logs in first. loadgen ui user add writes it.
    #[arg(long, value_name = "FILE")]
    web_login: Option<PathBuf>,

    #[command(flatten)]
    start: StartOptions,

    /// Scenario file (TOML) that the form offers; repeatable.
    #[arg(short = 'f', long, value_name = "FILE")]
    scenario: Vec<PathBuf>,

    /// Folder of the sweeps that the page shows and starts.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,

    /// ONNX file that sweeps may size without an Engine; repeatable.
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,

    #[command(flatten)]
    trust: Trust,

    #[command(flatten)]
    payload: PayloadOptions,

    /// Processors for the load threads; one thread on each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,
}

#[derive(Debug, Subcommand)]
enum UiCommand {
    /// Manage the users file of --web-login.
    User {
        #[command(subcommand)]
        action: UserAction,
    },
}

#[derive(Debug, Subcommand)]
enum UserAction {
    /// Add a user, or change a password; the password is read from the terminal or from standard
    /// input.
    Add {
        /// Name of the user.
        name: String,
        /// Users file; it is made if it is missing.
        #[arg(long, default_value = "loadgen-users")]
        file: PathBuf,
    },
}

/// Initial content of the form, and the test that starts with the page.
#[derive(Debug, Args)]
struct StartOptions {
    /// Number of users in the form.
    #[arg(short = 'u', long, env = "LOCUST_USERS", default_value = "100")]
    users: String,

    /// Users started per second in the form.
    #[arg(short = 'r', long, env = "LOCUST_SPAWN_RATE", default_value = "50")]
    spawn_rate: String,

    /// Run time in the form: 60s, 5m, 1h30m [default: until stopped].
    #[arg(short = 't', long, env = "LOCUST_RUN_TIME")]
    run_time: Option<String>,

    /// Think time between a user's requests in the form.
    #[arg(long, default_value = "between(1, 2.5)")]
    wait_time: String,

    /// Objective in the form, for instance 'p95<100ms,failures<0.1%,rate>=95%'.
    #[arg(long)]
    slo: Option<String>,

    /// Start a test with the page, as the form says.
    #[arg(long, env = "LOCUST_AUTOSTART")]
    autostart: bool,

    /// End this many seconds after the test that --autostart started.
    #[arg(long, value_name = "SECONDS", requires = "autostart", env = "LOCUST_AUTOQUIT")]
    autoquit: Option<u64>,
}

pub(super) async fn run(options: UiOptions) -> Result<ExitStatus, Error> {
    if let Some(UiCommand::User { action: UserAction::Add { name, file } }) = &options.command {
        return add_user(name, file);
    }
    let users = options.web_login.as_deref().map(read_users).transpose()?;
    let hosts = Hosts { sources: options.sources.sources()?, allowed: options.allow_host };
    let start = options.start;
    let form = Form {
        user_count: start.users,
        spawn_rate: start.spawn_rate,
        host: hosts.initial(),
        run_time: start.run_time.unwrap_or_default(),
        wait_time: start.wait_time,
        slo: start.slo.unwrap_or_default(),
        ..options.payload.form()
    };
    // The page would refuse every test later.
    parsed(&form)?;
    for path in &options.scenario {
        Scenario::read(path)?;
    }
    options.payload.request(None)?;
    let (trust, payload, pin) = (options.trust, options.payload, options.pin);
    let (scenarios, models) = (options.scenario.clone(), options.model);
    let sweep_form = SweepForm {
        max_users: "10000".to_owned(),
        step: "500".to_owned(),
        slo: "p95<100ms,failures<0.1%,rate>=95%".to_owned(),
        confidence: "0.95".to_owned(),
        replicas: "1".to_owned(),
        ..SweepForm::default()
    };
    let shared = Shared { hosts, scenarios, models, trust, payload, pin };
    let settings = UiSettings {
        bind: options.bind,
        form,
        scenarios: options.scenario,
        allow_names: options.allow_name,
        prepare: Arc::new(shared),
        dir: options.dir,
        sweep_form,
        users,
        starts: start.autostart,
        quits_after: start.autoquit.map(Duration::from_secs),
    };
    let control = Control::default();
    stop_on_signal(control.clone())?;
    serve(settings, async move { stopped(&control).await }).await?;
    Ok(ExitStatus::Met)
}
