//! `artifact-crash` simulates power cuts for any program that reports what it has stored.

mod selftest;
mod simulate;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use crate::store::{Recipe, Workload};

/// Simulates power cuts for any program that reports what it has stored.
///
/// A subject is started as `CMD run ROOT`. It prints `TRY ID SHA256` before it stores a blob, `ACK ID
/// SHA256` once the blob is durable, `EXISTS ID`, `DELETE ID` and `DELETED ID`. It is also started as `CMD
/// check ROOT`, and then prints `HAVE ID SHA256`, `BAD ID WHY` and `STRAY WHAT`. Needs root. Exits with 1 if
/// there are findings.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulates every crash of a run on a file system that keeps only synced data.
    Fuse(simulate::Fuse),
    /// Simulates crashes of a run on a real file system on a recording block device.
    Block(simulate::Block),
    /// Injects one fault per run at each system call that a subject makes between its lines BEGIN and END.
    Syscalls(simulate::Syscalls),
    /// Tests every broken and every correct store with every model, and prints a table.
    Selftest(selftest::Selftest),
    /// Runs one of the stores that the simulator is tested on as a subject.
    Store {
        /// The name of the store.
        kind: String,
        /// The command of the subject.
        verb: Verb,
        /// The store's folder, which must exist.
        root: PathBuf,
        #[command(flatten)]
        workload: Workload,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verb {
    Run,
    Check,
}

fn main() -> anyhow::Result<ExitCode> {
    let clean = match Cli::parse().command {
        Command::Fuse(fuse) => fuse.run()?,
        Command::Block(block) => block.run()?,
        Command::Syscalls(syscalls) => syscalls.run()?,
        Command::Selftest(selftest) => selftest.run()?,
        Command::Store {
            kind,
            verb,
            root,
            workload,
        } => {
            let recipe = Recipe::named(&kind).with_context(|| {
                format!("unknown store {kind}; the output of `artifact-crash selftest` lists all")
            })?;
            match verb {
                Verb::Run => store::run(recipe, &root, workload)?,
                Verb::Check => store::check(&root)?,
            }
            true
        }
    };
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
