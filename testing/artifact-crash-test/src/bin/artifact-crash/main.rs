//! `artifact-crash`: simulated power cuts for any program that says what it has stored.

mod selftest;
mod simulate;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use crate::store::{Recipe, Workload};

/// Simulated power cuts for any program that says what it has stored.
///
/// A subject is called as `CMD run ROOT` and prints `TRY ID SHA256` before it stores, `ACK ID SHA256`
/// once that is durable, `EXISTS ID`, `DELETE ID` and `DELETED ID`; and as `CMD check ROOT` upon which it prints
/// `HAVE ID SHA256`, `BAD ID WHY` and `STRAY WHAT`. Needs root. Exit code 1: something was found.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every crash of a run on a file system that keeps only what was synced.
    Fuse(simulate::Fuse),
    /// Crashes of a run on a real file system on a recording block device.
    Block(simulate::Block),
    /// One fault a run at each system call that a subject makes between its lines BEGIN and END.
    Syscalls(simulate::Syscalls),
    /// Every wrong store and every right one on every model; prints the table.
    Selftest(selftest::Selftest),
    /// One of the stores that the simulator is tested on, as a subject.
    Store {
        /// Which.
        kind: String,
        /// What to do.
        verb: Verb,
        /// The store's folder, which is there.
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
            let recipe =
                Recipe::named(&kind).with_context(|| format!("no store is called {kind}"))?;
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
