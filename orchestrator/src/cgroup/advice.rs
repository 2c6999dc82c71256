//! Advice for users whose cgroups are not writable.

use std::{env, fs, path::Path};

use nix::unistd::{geteuid, getuid};

use super::{Group, Hierarchies, v2::has_controllers};

/// Returns the advice or command that helps this process on this host.
pub(super) fn advice(hierarchies: &Hierarchies) -> String {
    let mut command = env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let program = command.next().unwrap_or_else(|| "loadgen".to_owned());
    let args: Vec<String> = command.collect();
    if geteuid().is_root() {
        // The mount is read-only, or the kernel lacks a controller: no command fixes that.
        return "run on the host itself or in a privileged container, or use --orchestrator docker"
            .to_owned();
    }
    if has_user_manager(hierarchies) {
        return format!("systemd-run --user --scope -p Delegate=yes -- {}", shell(&program, &args));
    }
    // sudo has its own PATH, which may not contain a program found here.
    let program = if program.contains('/') { None } else { env::current_exe().ok() }
        .map_or(program, |path| path.display().to_string());
    format!("run as root: sudo {}", shell(&program, &args))
}

/// Returns true if this user's systemd is reachable and has the needed controllers to delegate.
///
/// It is unreachable after a `su` without a session, and older versions delegate no CPU.
fn has_user_manager(hierarchies: &Hierarchies) -> bool {
    let Group::V2(root) = hierarchies.root() else { return false };
    let uid = getuid();
    let controllers =
        root.join(format!("user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers"));
    let runtime_dir = env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
    Path::new(&runtime_dir).join("systemd/private").exists()
        && fs::read_to_string(controllers).is_ok_and(|list| has_controllers(&list))
}

/// Quotes a command for a shell.
fn shell(program: &str, args: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let quoted = |word: &str| match word {
        word if !word.is_empty() && word.chars().all(is_plain) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    let words: Vec<String> =
        std::iter::once(program).chain(args.iter().map(String::as_str)).map(quoted).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let words =
            ["./loadgen", "run", "--body", r#"{"x": [1]}"#, "", "it's", "--slo=p99<5ms", "a,b:1"];
        let command =
            shell(words[0], &words[1..].iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(command.starts_with("./loadgen run --body '"), "{command}");
        let script = format!("printf '%s\\n' {command}");
        let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
        assert_eq!(String::from_utf8(out).unwrap().lines().collect::<Vec<_>>(), words);
    }
}
