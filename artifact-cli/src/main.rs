#![doc = include_str!("../README.md")]

mod allocator;
mod cli;
mod failure;
mod files;
mod output;
mod settings;
mod signals;
mod threads;

mod serve;

mod connect;
mod get;
mod identity;
mod progress;
mod put;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
