#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(all(feature = "serve", unix, not(artifact_not_unix))),
    allow(dead_code, reason = "only the server needs all of it")
)]

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod allocator;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod audit;
mod cli;
mod failure;
mod files;
mod output;
mod settings;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_signals.rs")]
mod signals;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_system.rs")]
mod system;
mod threads;

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod maintain;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod serve;

mod collection;
mod connect;
mod get;
mod identity;
mod leftovers;
mod manage;
mod progress;
mod put;
mod receipt;
mod share;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
