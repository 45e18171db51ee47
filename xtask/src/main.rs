//! Commands for those who work on the project: `cargo xtask`. No dependency, so that it builds in a
//! second.

use std::process::{Command, ExitCode, ExitStatus};

const USAGE: &str = "\
usage: cargo xtask <command>

commands:
  fuzz ...   cargo-fuzz on a nightly toolchain, for example: cargo fuzz run opaque_id
  ci ...     the whole check, or the steps named: cargo xtask ci lint tests";

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
