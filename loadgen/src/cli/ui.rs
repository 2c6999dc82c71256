//! `loadgen ui`.

use std::{
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use accounts::Users;
use async_trait::async_trait;
use clap::{Args, Parser, Subcommand};
use load_engine::Control;
use loadtest::{
    slo::Slo,
    workload::{Host, Request, Scenario, Segment, Targets, Trust, parse_run_time},
};
use orchestrator::docker::list;

use super::{
    interrupt::stop_on_signal, payload::PayloadOptions, run::LoadOptions, sources::SourceOptions,
    sweep::SweepOptions,
};
use crate::{
    Error, ExitStatus,
    load_test::{Keeps, LoadTest},
    runner::{Reached, Source, stopped},
    ui::{Form, Hosts, Prepare, SweepForm, UiSettings, Workload, serve},
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

/// Flags of `loadgen run` that the form fills in.
#[derive(Debug, Parser)]
struct FormOptions {
    #[command(flatten)]
    load: LoadOptions,

    #[arg(long)]
    slo: Option<Slo>,
}

/// Flags of `loadgen sweep` that the sweep form fills in.
#[derive(Debug, Parser)]
struct SweepWords {
    #[command(flatten)]
    _options: SweepOptions,
}

/// Options that every test of the page shares.
struct Shared {
    hosts: Hosts,
    scenarios: Vec<PathBuf>,
    models: Vec<PathBuf>,
    trust: Trust,
    payload: PayloadOptions,
    pin: Vec<usize>,
}

/// Run time of a test that lasts until it is stopped.
const UNTIL_STOPPED: &str = "24h";

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

fn add_user(name: &str, file: &Path) -> Result<ExitStatus, Error> {
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

fn read_users(file: &Path) -> Result<Users, Error> {
    let help = format!("loadgen ui user add NAME --file {}", file.display());
    let users = Users::read(file)
        .map_err(|error| Error::Usage(format!("--web-login: {error}\n  help: {help}")))?;
    if users.is_empty() {
        let path = file.display();
        return Err(Error::Usage(format!("--web-login {path}: nobody is in it\n  help: {help}")));
    }
    Ok(users)
}

#[async_trait]
impl Prepare for Shared {
    async fn load_test(&self, form: &Form) -> Result<LoadTest, Error> {
        let sources = self.hosts.named(&form.host).map_err(Error::Usage)?;
        let scenario = self.scenario(&form.scenario)?;
        let FormOptions { load, slo } = parsed(form)?;
        let plan = load.plan(scenario.as_ref().and_then(|scenario| scenario.wait_time))?;
        let payload = self.payload.with_form(form)?;
        let reached = self.reach(sources).await?;
        let first = reached.first().ok_or_else(no_host)?;
        let mut targets = match scenario {
            Some(mut scenario) => {
                scenario.with_headers(&payload.request(None)?);
                Targets::new(scenario)
            }
            None => {
                let request = first.complete(payload.request(None)?).await?;
                for host in &reached {
                    host.check(&request, payload.timeout()).await?;
                }
                Targets::new(Scenario::single(&request))
            }
        };
        targets.timeout = payload.timeout();
        reached.iter().for_each(|host| host.add_to(&mut targets));
        let test = LoadTest {
            reached,
            targets,
            segment: Segment::whole(plan, self.pin.clone()),
            objective: slo,
            aborts_on_failure: false,
            extension: Duration::ZERO,
            keeps: Keeps::Totals,
            calibrated: None,
        };
        payload.check(&test.judged_objective())?;
        Ok(test)
    }

    async fn example(&self, form: &Form) -> Result<String, Error> {
        let reached = self.reach(self.hosts.named(&form.host).map_err(Error::Usage)?).await?;
        let request = self.payload.with_form(form)?.request(None)?;
        let bare = Request { payloads: Vec::new(), method: "POST".to_owned(), ..request };
        let request = reached.first().ok_or_else(no_host)?.complete(bare).await?;
        let payload = request.payloads.into_iter().next();
        Ok(payload
            .map(|payload| String::from_utf8_lossy(&payload.bytes).into_owned())
            .unwrap_or_default())
    }

    async fn workloads(&self) -> (Vec<Workload>, Option<String>) {
        let models = self.models.iter().map(|path| Workload::Model(path.display().to_string()));
        let mut workloads: Vec<Workload> = models.collect();
        match list().await {
            Ok(found) => {
                workloads.extend(found.services.into_iter().map(Workload::Service));
                workloads.extend(found.images.into_iter().map(Workload::Image));
                (workloads, None)
            }
            Err(error) => (workloads, Some(error.to_string())),
        }
    }

    fn check_sweep(&self, flags: &[String]) -> Result<(), Error> {
        let words = std::iter::once("sweep".to_owned()).chain(flags.iter().cloned());
        let parsed = SweepWords::try_parse_from(words);
        parsed.map(drop).map_err(|error| Error::Usage(message(&error)))
    }
}

impl Shared {
    async fn reach(&self, sources: Vec<Source>) -> Result<Vec<Reached>, Error> {
        let mut reached = Vec::new();
        for source in sources {
            reached.push(Reached::source(source, &self.trust).await?);
        }
        Ok(reached)
    }

    /// Reads one of the offered scenario files.
    fn scenario(&self, name: &str) -> Result<Option<Scenario>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let is_named = |path: &&PathBuf| path.file_name().is_some_and(|file| file == name);
        let path = self.scenarios.iter().find(is_named).ok_or_else(|| {
            Error::Usage(format!("{name:?} is not offered; start loadgen ui with -f {name}"))
        })?;
        Ok(Some(Scenario::read(path)?))
    }
}

fn no_host() -> Error {
    Error::Usage("there is no host".to_owned())
}

/// Parses the form's fields like the flags of `loadgen run`.
fn parsed(form: &Form) -> Result<FormOptions, Error> {
    form.check().map_err(Error::Usage)?;
    let is_open = !form.arrivals.trim().is_empty();
    let has_shape = !form.shape.trim().is_empty();
    let run_time = match form.run_time.trim() {
        "" => UNTIL_STOPPED,
        text => {
            parse_run_time(text).map_err(|why| Error::Usage(format!("run time: {why}")))?;
            text
        }
    };
    let fields = [
        ("users", form.user_count.as_str(), is_open || !has_shape),
        ("spawn-rate", &form.spawn_rate, !is_open),
        ("run-time", run_time, true),
        ("wait-time", &form.wait_time, !is_open && form.scenario.is_empty()),
        ("shape", &form.shape, true),
        ("arrivals", &form.arrivals, true),
        ("step-duration", &form.step_duration, true),
        ("slo", &form.slo, true),
    ];
    let words = fields
        .into_iter()
        .filter(|(_, value, is_used)| *is_used && !value.trim().is_empty())
        .map(|(name, value, _)| format!("--{name}={}", value.trim()));
    FormOptions::try_parse_from(std::iter::once("run".to_owned()).chain(words))
        .map_err(|error| Error::Usage(message(&error)))
}

/// Returns the message of a parse error without clap's advice on the command line.
fn message(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.trim_start_matches("error: ").trim();
    // "invalid value 'x' for '--users <USERS>': why"
    match first.strip_prefix("invalid value ").and_then(|rest| rest.split_once(" for '--")) {
        Some((value, rest)) => {
            let (flag, why) = rest.split_once("': ").unwrap_or((rest, ""));
            let name = flag.split(' ').next().unwrap_or_default().replace('-', " ");
            format!("{name} {value}: {why}")
        }
        None => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            user_count: "500".to_owned(),
            spawn_rate: "50".to_owned(),
            wait_time: "constant(1)".to_owned(),
            ..Form::default()
        }
    }

    #[test]
    fn a_form_is_a_plan() {
        let plan = parsed(&form()).unwrap().load.plan(None).unwrap();
        assert_eq!((plan.max_users(), plan.duration().as_secs()), (500, 24 * 3600));
        let steps = Form { user_count: "100:300:100".to_owned(), ..form() };
        assert_eq!(parsed(&steps).unwrap().load.plan(None).unwrap().steps.len(), 3);
        let open = Form { arrivals: "poisson(20)".to_owned(), run_time: "9s".to_owned(), ..form() };
        let plan = parsed(&open).unwrap().load.plan(None).unwrap();
        assert_eq!((plan.planned_per_second(0), plan.max_users()), (Some(20.0), 500));
        let wrong = Form { wait_time: "sometimes".to_owned(), ..form() };
        let error = parsed(&wrong).unwrap_err().to_string();
        assert!(error.starts_with("wait time 'sometimes': "), "{error}");
        let spike = Form { shape: "spike(10, 100, 5s)".to_owned(), ..form() };
        assert_eq!(parsed(&spike).unwrap().load.plan(None).unwrap().max_users(), 100);
    }

    #[test]
    fn a_field_is_never_another_flag() {
        for value in ["5 --json /tmp/x", "--json=/tmp/x", "-1"] {
            let text = value.to_owned();
            let error = parsed(&Form { user_count: text, ..form() }).unwrap_err().to_string();
            assert!(error.contains("user_count") && !error.contains("--help"), "{error}");
        }
    }

    #[test]
    fn a_body_is_never_a_file() {
        let options = PayloadWords::parse_from(["ui"]).payload;
        let with = |body: &str| options.with_form(&Form { body: body.to_owned(), ..form() });
        assert!(with("{\"a\": 1}").is_ok());
        assert!(with("@/etc/passwd").unwrap_err().to_string().contains("is text"));
        let headers = Form { headers: "X-A: 1\nbroken".to_owned(), ..form() };
        assert!(options.with_form(&headers).unwrap_err().to_string().contains("broken"));
    }

    #[derive(Debug, Parser)]
    struct PayloadWords {
        #[command(flatten)]
        payload: PayloadOptions,
    }
}
