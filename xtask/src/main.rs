//! Commands for those who work on the project: `cargo xtask`. No dependency, so that it builds in a
//! second.

#![expect(
    clippy::disallowed_methods,
    reason = "it follows Cargo's own environment"
)]

use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

const USAGE: &str = "\
usage: cargo xtask <command>

commands:
  fuzz ...   cargo-fuzz on a nightly toolchain, for example: cargo fuzz run opaque_id
  ci ...     the whole check, or the steps named: cargo xtask ci lint tests
  crash      power cuts under artifact-backend-fs, for a minute or two; as root
  crash --long   the same with more than 100,000 states, for some ten minutes";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let outcome = match arguments
        .next()
        .as_ref()
        .and_then(|command| command.to_str())
    {
        Some("fuzz") => fuzz(arguments),
        Some("ci") => run(
            Command::new("bash").arg(".ci/run").args(arguments),
            "is bash installed?",
        ),
        Some("crash") => crash(arguments.next().is_some_and(|word| word == "--long")),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            report(&message);
            ExitCode::from(2)
        }
    }
}

/// Starts `cargo-fuzz` itself, not `cargo fuzz`, which the alias would lead back here.
fn fuzz(arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<ExitStatus, String> {
    let mut command = Command::new("cargo-fuzz");
    // Cargo hands its own path and toolchain down; both would keep cargo-fuzz on stable.
    command
        .env_remove("CARGO")
        .env("RUSTUP_TOOLCHAIN", "nightly");
    command.arg("fuzz").args(arguments);
    run(&mut command, "install it with: cargo install cargo-fuzz")
}

/// Runs the subject of artifact-backend-fs on the strict file system, with errors injected, and on a
/// recording block device under each real file system.
fn crash(long: bool) -> Result<ExitStatus, String> {
    let cargo = |arguments: &[&str]| {
        run(
            Command::new("cargo").args(arguments),
            "is cargo on the PATH?",
        )
    };
    let mut status = cargo(&["build", "--quiet", "--locked", "-p", "artifact-crash-test"])?;
    let example = ["--example", "crash_subject"];
    if status.success() {
        let build = ["build", "--quiet", "--locked", "-p", "artifact-backend-fs"];
        status = cargo(&[&build[..], &example].concat())?;
    }
    let (most_faults, most_states) = if long {
        ("1000", "25000")
    } else {
        ("40", "40")
    };
    let mut runs = vec![vec!["fuse", "--faults", "--fault-runs", most_faults]];
    for file_system in ["ext4", "ext4-nojournal", "xfs", "btrfs"] {
        runs.push(vec!["block", "--fs", file_system, "--states", most_states]);
    }
    for options in runs {
        if !status.success() {
            break;
        }
        report(&format!("artifact-crash {}", options.join(" ")));
        let layout = [
            "--blob",
            "blobs/{hex32}",
            "--scratch",
            "staging/*",
            "--scratch",
            "blobs/{mended32}",
            "--scratch",
            "artifact-format",
        ];
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let mut command = Command::new(target.join("debug/artifact-crash"));
        command
            .args(options)
            .args(layout)
            .arg("--")
            .arg(target.join("debug/examples/crash_subject"));
        status = run(&mut command, "it needs Linux, root and /dev/fuse")?;
    }
    Ok(status)
}

fn run(command: &mut Command, hint: &str) -> Result<ExitStatus, String> {
    command.status().map_err(|error| {
        format!(
            "cannot start {}: {error}; {hint}",
            command.get_program().display()
        )
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the one place that this program speaks from"
)]
fn report(message: &str) {
    eprintln!("{message}");
}
