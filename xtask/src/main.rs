//! `cargo xtask`: commands for developers of the project. Without dependencies, so that it builds in a
//! second.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the environment variables that Cargo sets"
)]

use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

const USAGE: &str = "\
usage: cargo xtask <command>

commands:
  fuzz ...      run cargo-fuzz on a nightly toolchain, for example: cargo fuzz run opaque_id
  ci [STEP]...  run all checks, or only the named steps, for example: cargo xtask ci lint tests
  crash         simulate power cuts under artifact-backend-fs; takes two minutes, needs root
  crash --long  simulate more than 100,000 crash states; takes ten minutes, needs root";

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
            "install bash",
        ),
        Some("crash") => crash(arguments.next().is_some_and(|option| option == "--long")),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            print(&message);
            ExitCode::from(2)
        }
    }
}

/// Starts `cargo-fuzz` directly, because the alias `cargo fuzz` leads back to this program.
fn fuzz(arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<ExitStatus, String> {
    let mut command = Command::new("cargo-fuzz");
    // Cargo passes on its own path and toolchain, which would keep cargo-fuzz on stable.
    command
        .env_remove("CARGO")
        .env("RUSTUP_TOOLCHAIN", "nightly");
    command.arg("fuzz").args(arguments);
    run(&mut command, "install it with: cargo install cargo-fuzz")
}

/// Runs the subject of artifact-backend-fs on the strict file system with injected errors, and on a
/// recording block device under each real file system.
fn crash(long: bool) -> Result<ExitStatus, String> {
    let cargo = |arguments: &[&str]| {
        run(
            Command::new("cargo").args(arguments),
            "add cargo to the PATH",
        )
    };
    // With the features of the whole workspace, so that the dependencies of the tests are reused.
    let build = ["build", "--quiet", "--locked", "--workspace"];
    let targets = [
        "--bin",
        "artifact-crash",
        "--example",
        "crash_subject",
        "--example",
        "pack_subject",
    ];
    let mut status = cargo(&[build.as_slice(), &targets].concat())?;
    let (max_faults, max_states) = if long {
        ("1000", "25000")
    } else {
        ("40", "40")
    };
    let mut runs = vec![vec!["fuse", "--faults", "--fault-runs", max_faults]];
    for file_system in ["ext4", "ext4-nojournal", "xfs", "btrfs"] {
        runs.push(vec!["block", "--fs", file_system, "--states", max_states]);
    }
    // Many files are synced while writes to the inode table fail.
    let fault_runs = if long { "60" } else { "6" };
    let mut fault = vec!["block", "--fs", "ext4-nojournal", "--states", "20"];
    fault.extend(["--runs", fault_runs, "--inode-table-fault", "100"]);
    runs.push(fault);
    let mut runs: Vec<_> = runs.into_iter().map(|options| (options, false)).collect();
    // The portable profile has one temporary file and no knowledge of the file system.
    let file_systems: &[&str] = if long {
        &["ext4", "ext4-nojournal", "xfs", "btrfs"]
    } else {
        &["ext4-nojournal"]
    };
    runs.push((vec!["fuse", "--faults", "--fault-runs", max_faults], true));
    for file_system in file_systems {
        runs.push((
            vec!["block", "--fs", file_system, "--states", max_states],
            true,
        ));
    }
    for (options, portable) in runs {
        if !status.success() {
            break;
        }
        let label = if portable { " (portable profile)" } else { "" };
        print(&format!("artifact-crash {}{label}", options.join(" ")));
        // A migration has blobs in both places.
        let layout = [
            "--blob",
            "blobs/{hex1}/{hex32}",
            "--blob",
            "blobs/{hex32}",
            "--scratch",
            "staging/*",
            "--scratch",
            "blobs/{hex1}/{mended32}",
            "--scratch",
            "blobs/{mended32}",
            "--scratch",
            "artifact-format",
            "--scratch",
            "failed-sync",
        ];
        let arguments: &[&str] = if options.contains(&"--inode-table-fault") {
            &["--writers", "80"]
        } else if portable {
            &["--portable"]
        } else {
            &[]
        };
        let target = target();
        let mut command = Command::new(target.join("debug/artifact-crash"));
        command
            .args(options)
            .args(layout)
            .arg("--")
            .arg(target.join("debug/examples/crash_subject"))
            .args(arguments);
        status = run(
            &mut command,
            "build it with: cargo build -p artifact-crash-test",
        )?;
    }
    let packed: &[_] = if long {
        &["mixed", "recycle"]
    } else {
        &["mixed"]
    };
    for operation in packed {
        if status.success() {
            status = crash_packed(operation, long)?;
        }
    }
    Ok(status)
}

/// Runs the subject of artifact-backend-pack on the strict file system. A program reads each state, because blobs are not files
/// there, so a run with an injected error takes seconds: the short slice leaves them to the tests of the crate.
fn crash_packed(operation: &str, long: bool) -> Result<ExitStatus, String> {
    let options: &[_] = if long {
        &["fuse", "--states", "2000", "--faults", "--fault-runs", "50"]
    } else {
        &["fuse", "--states", "100"]
    };
    print(&format!(
        "artifact-crash {} (segments, {operation})",
        options.join(" ")
    ));
    let target = target();
    let mut command = Command::new(target.join("debug/artifact-crash"));
    command
        .args(options)
        .arg("--")
        .arg(target.join("debug/examples/pack_subject"))
        .arg(operation);
    run(
        &mut command,
        "build it with: cargo build -p artifact-crash-test",
    )
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
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
    reason = "all messages of this program are printed here"
)]
fn print(message: &str) {
    eprintln!("{message}");
}
