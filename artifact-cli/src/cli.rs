//! The command line: what is asked for, and the end of the process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use tokio::runtime::Runtime;

use crate::settings::{Command, Environment, Kind, SETTINGS, load};
use crate::{failure, get, identities, output, put, serve, settings};

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

/// The whole command line; the flags of settings come from their identities.
pub(crate) fn command() -> clap::Command {
    let serve = clap::Command::new("serve")
        .about("Serve artifacts over HTTP, until SIGTERM or Ctrl-C")
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the settings as they stand, with their sources, and do nothing else"),
        )
        .after_help(EXIT_CODES);
    let put = clap::Command::new("put")
        .about("Deposit a file; its URI goes to standard output")
        .arg(
            path("FILE")
                .required(true)
                .help("File to deposit, or - for standard input"),
        )
        .arg(
            text("content-type")
                .long("content-type")
                .value_name("TYPE")
                .help("Content type to record [default: application/octet-stream]"),
        )
        .arg(
            text("file-name")
                .long("file-name")
                .value_name("NAME")
                .help("File name to record [default: the name of FILE]"),
        )
        .arg(
            Arg::new("allow-orphans")
                .long("allow-orphans")
                .action(ArgAction::SetTrue)
                .help(
                    "Deposit FILE again too where the answer was lost; it may then be there twice, \
                     once under a URI that nobody learnt",
                ),
        )
        .arg(json())
        .after_help(EXIT_CODES);
    let get = clap::Command::new("get")
        .about("Fetch an artifact and verify its SHA-256")
        .arg(text("URI").required(true).help("URI that the deposit gave"))
        .arg(
            path("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .help("File to make, or - for standard output [default: -, unless a terminal]"),
        )
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Replace FILE where it is there already"),
        )
        .after_help(EXIT_CODES);
    clap::Command::new("artifact")
        .about("A store for files that must not change: a file in, an opaque URI out")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(with_settings(serve, Command::Serve))
        .subcommand(with_settings(put, Command::Put))
        .subcommand(with_settings(get, Command::Get))
        .subcommand(identities::worker_command())
        .subcommand(identities::group_command())
        .subcommand(identities::whoami_command())
}

/// The flag of every command that gives something which a program may want to read.
pub(crate) fn json() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Write one line of JSON to standard output")
}

pub(crate) fn path(name: &'static str) -> Arg {
    Arg::new(name).value_parser(value_parser!(PathBuf))
}

pub(crate) fn text(name: &'static str) -> Arg {
    Arg::new(name).value_parser(NonEmptyStringValueParser::new())
}

pub(crate) fn with_settings(mut command: clap::Command, of: Command) -> clap::Command {
    for setting in SETTINGS.iter().filter(|setting| setting.is_of(of)) {
        let Some(flag) = setting.flag else {
            continue;
        };
        let mut help = setting.doc.to_owned();
        if let Some(default) = setting.default
            && (of == Command::Serve || setting.fixed_default().is_some())
        {
            help = format!("{help} [default: {default}]");
        }
        let action = match setting.kind {
            Kind::List => ArgAction::Append,
            Kind::Text | Kind::Number | Kind::Bytes => ArgAction::Set,
        };
        command = command.arg(
            text(setting.name)
                .long(flag)
                .value_name(setting.placeholder)
                .action(action)
                .help(help),
        );
    }
    command
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are data, and go to standard output; the rest to standard error.
            let printed = error.print();
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return ExitCode::from(if printed.is_ok() { code } else { 1 });
        }
    };
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(sentence) = failure::sentence(&error) {
                output::note(format_args!("error: {sentence}"));
            }
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    let environment = Environment::of_process();
    for stranger in environment.strangers() {
        output::warn(stranger);
    }
    match matches.subcommand() {
        Some(("serve", matches)) => {
            let loaded = load(Command::Serve, matches, &environment)?;
            if matches.get_flag("print-config") {
                return output::data(settings::effective(Command::Serve, &loaded).trim_end());
            }
            block_on(serve::run(&loaded, environment.no_color()))
        }
        Some(("put", matches)) => {
            let loaded = load(Command::Put, matches, &environment)?;
            block_on(put::run(matches, &loaded))
        }
        Some(("get", matches)) => {
            let loaded = load(Command::Get, matches, &environment)?;
            block_on(get::run(matches, &loaded))
        }
        Some((name @ ("worker" | "group" | "whoami"), matches)) => {
            let (name, matches) = match matches.subcommand() {
                Some((of, matches)) => (format!("{name} {of}"), matches),
                None => (name.to_owned(), matches),
            };
            let loaded = load(Command::Identity, matches, &environment)?;
            block_on(identities::run(&name, matches, &loaded))
        }
        _ => unreachable!("clap asks for one of the commands above"),
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = Runtime::new().map_err(|error| {
        anyhow::Error::new(error).context("the operating system gives this process no threads")
    })?;
    let done = runtime.block_on(work);
    // A read of standard input that nobody will answer must not keep the process alive.
    runtime.shutdown_background();
    done
}
