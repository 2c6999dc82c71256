//! Fields of the page's forms, parsed like the flags of `loadgen run` and `loadgen sweep`.

use clap::{CommandFactory, FromArgMatches, Parser};
use loadtest::{slo::Slo, workload::parse_run_time};

use crate::{
    Error,
    cli::{run::LoadOptions, sweep::SweepOptions},
    ui::Form,
};

/// Flags of `loadgen run` that the form fills in.
#[derive(Debug, Parser)]
pub(super) struct FormOptions {
    #[command(flatten)]
    pub(super) load: LoadOptions,

    #[arg(long)]
    pub(super) slo: Option<Slo>,
}

/// Flags of `loadgen sweep` that the sweep form fills in.
#[derive(Debug, Parser)]
struct SweepWords {
    #[command(flatten)]
    _options: SweepOptions,
}

/// Run time of a test that lasts until it is stopped.
const UNTIL_STOPPED: &str = "24h";

/// Parses the form's fields like the flags of `loadgen run`.
pub(super) fn parsed(form: &Form) -> Result<FormOptions, Error> {
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
    // The variables of `loadgen run` are for commands, not for forms.
    let command = FormOptions::command().mut_args(|arg| arg.env(None::<&'static str>));
    command
        .try_get_matches_from(std::iter::once("run".to_owned()).chain(words))
        .and_then(|matches| FormOptions::from_arg_matches(&matches))
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

/// Checks flags of `loadgen sweep`.
pub(super) fn check_sweep(flags: &[String]) -> Result<(), Error> {
    let words = std::iter::once("sweep".to_owned()).chain(flags.iter().cloned());
    let parsed = SweepWords::try_parse_from(words);
    parsed.map(drop).map_err(|error| Error::Usage(message(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::payload::PayloadOptions;

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
