//! Commands of the README (`cargo xtask sweep`, `cargo xtask test`) and the checks before a commit.

mod check;
mod docs;
mod fuzz;
mod python;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Set-up, the main job, and the tests")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Set up (ONNX Runtime, release build), then find the smallest limits that hold 10,000 users.
    ///
    /// Arguments are passed to `loadgen sweep`.
    Sweep {
        /// Arguments of `loadgen sweep`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up only.
    Setup,
    /// Install what tests drive from Python: the protocol clients of inference-api (NVIDIA's,
    /// MLflow's, schemathesis) into target/clients; Locust, selenium and axe into target/browser.
    Clients,
    /// Run all tests; those that need a Docker Engine only if one answers.
    Test,
    /// Fuzz the code that reads foreign bytes; needs cargo-fuzz.
    Fuzz {
        /// Seconds for each target.
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Run the checks that a commit must pass: formatting, lints, documentation.
    Check,
    /// Generate flag references, check links and build the book into target/book; needs mdbook.
    Docs,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Sweep { args } => sweep(&args),
        Task::Setup => setup(),
        Task::Clients => clients(),
        Task::Test => test(),
        Task::Fuzz { seconds } => fuzz::run(seconds),
        Task::Check => check::run_all(),
        Task::Docs => docs::build(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Status(code)) => ExitCode::from(code),
        Err(Failed::Say(text)) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

enum Failed {
    /// Exit code of a command that has already reported its error.
    Status(u8),
    Say(String),
}

type Done = Result<(), Failed>;

fn setup() -> Done {
    say("building loadgen and inference-api (release)");
    run(cargo(["build", "--release", "-p", "loadgen", "-p", "inference-api"]))?;
    say("looking for ONNX Runtime");
    let found = release("inference-api")
        .args(["runtime", "path"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        run(release("inference-api").args(["runtime", "install"]))?;
    }
    Ok(())
}

fn sweep(args: &[String]) -> Done {
    setup()?;
    let asked = |flag: &str| args.iter().any(|a| a == flag || a.starts_with(&format!("{flag}=")));
    let mut sweep = release("loadgen");
    sweep.arg("sweep");
    if !asked("--max-users") {
        sweep.args(["--max-users", "10000"]);
    }
    if !asked("--image")
        && !asked("--model")
        && !args.iter().any(|a| a == "docker" || a == "--orchestrator=docker")
    {
        sweep.arg("--model").arg(root().join("models/iris.onnx"));
    }
    if !asked("--step") {
        sweep.args(["--step", "500"]);
    }
    run(sweep.args(args))
}

/// Installs the Python programs of the tests into `target/clients` and `target/browser`.
fn clients() -> Done {
    for (name, folder) in [("clients", "inference-api"), ("browser", "loadgen")] {
        let file = format!("{folder}/tests/{name}/requirements.txt");
        python::environment(name, &read(&root().join(file))?)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|e| Failed::Say(format!("{}: {e}", path.display())))
}

fn test() -> Done {
    let runner = cargo(["nextest", "--version"]).output();
    if !runner.is_ok_and(|output| output.status.success()) {
        let help = "cargo install --locked cargo-nextest";
        return Err(Failed::Say(format!("the test runner is missing\n  help: {help}")));
    }
    clients()?;
    say("building the workspace and its tests");
    let nextest = || cargo(["nextest", "run", "--workspace"]);
    run(nextest().arg("--no-run"))?;
    // The tests start both servers and this program.
    run(cargo(["build", "--workspace"]))?;
    say("looking for ONNX Runtime");
    run(Command::new(target().join("debug/inference-api")).args(["runtime", "install"]))?;
    let engine = engine();
    let mut tests = nextest();
    if let Err(why) = &engine {
        tests.args(["--filterset", "not test(/^docker::/)"]);
        say(&format!("no Docker Engine answers ({why}): the tests that need one are left out"));
    } else {
        say("a Docker Engine answers: all tests run; building the images that they need");
        // Both come from one build: the second image is ready once the first is.
        for name in ["inference-api", "loadgen"] {
            let build = ["build", "--quiet", "-t", name, "--target", name, "."];
            run(Command::new("docker").args(build).current_dir(root()))?;
        }
    }
    run(&mut tests)?;
    // nextest runs no examples of the documentation.
    run(cargo(["test", "--workspace", "--doc", "--quiet"]))?;
    say(match engine {
        Ok(()) => "passed: all tests, those with a Docker Engine included",
        Err(_) => "passed: the tests that need no Docker Engine; the others were left out",
    });
    Ok(())
}

/// Checks with Docker's own client that an Engine answers.
fn engine() -> Result<(), String> {
    let output = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("docker does not start: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no server").to_owned())
}

fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

fn release(name: &str) -> Command {
    Command::new(target().join("release").join(name))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn run(mut command: impl std::borrow::BorrowMut<Command>) -> Done {
    let command = command.borrow_mut();
    let status = command.status().map_err(|e| {
        Failed::Say(format!("{} does not start: {e}", command.get_program().display()))
    })?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failed::Status(u8::try_from(code).unwrap_or(1))),
        None => Err(Failed::Status(1)),
    }
}

fn say(text: &str) {
    eprintln!("==> {text}");
}
