//! The commands as clap knows them.

use clap::{Arg, ArgAction, Command};

use crate::cli::{EXIT_CODES, json, path, text, with_settings};
use crate::settings;

fn leaf(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).after_help(EXIT_CODES)
}

fn finish(command: Command) -> Command {
    with_settings(command.arg(json()), settings::Command::Identity)
}

fn parent(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

fn id(name: &'static str, help: &'static str) -> Arg {
    text(name).required(true).help(help)
}

fn name(help: &'static str) -> Arg {
    text("name").long("name").value_name("NAME").help(help)
}

fn token_file() -> Arg {
    path("token-file")
        .long("token-file")
        .value_name("FILE")
        .help(
            "File to make with mode 0600 for the credential, as --credential-file takes it; standard \
             output then gets the worker's id only",
        )
}

pub(crate) fn worker_command() -> Command {
    let add = leaf(
        "add",
        "Register a worker; its credential goes to standard output, this once",
    )
    .arg(name("Name for people; two workers may have the same"))
    .arg(
        text("label")
            .long("label")
            .value_name("KEY=VALUE")
            .action(ArgAction::Append)
            .help("Whatever else is to be said of it; may repeat"),
    )
    .arg(token_file());
    let list = leaf(
        "list",
        "List the workers: a line each, id and name, with a tab between",
    )
    .arg(name("Only those of exactly this name"));
    let show = leaf("show", "Show a worker").arg(id("WORKER", "Id of the worker"));
    let reissue = leaf(
        "reissue",
        "Give a worker a new credential, to standard output; the former one is dead at once",
    )
    .arg(id("WORKER", "Id of the worker"))
    .arg(token_file());
    parent(
        "worker",
        "Register workers, list them, give them new credentials",
    )
    .subcommand(finish(add))
    .subcommand(finish(list))
    .subcommand(finish(show))
    .subcommand(finish(reissue))
}

pub(crate) fn group_command() -> Command {
    let add = leaf("add", "Make a group; its id goes to standard output")
        .arg(name("Name for people; two groups may have the same"))
        .arg(
            text("member")
                .long("member")
                .value_name("ID")
                .action(ArgAction::Append)
                .help("Worker or group that is in it from the beginning; may repeat"),
        );
    let list = leaf(
        "list",
        "List the groups: a line each, id and name, with a tab between",
    )
    .arg(name("Only those of exactly this name"));
    let group = || id("GROUP", "Id of the group");
    let member = || id("MEMBER", "Id of a worker or of a group");
    let show = leaf("show", "Show a group and its members").arg(group());
    let delete = leaf("delete", "Delete a group, not its members").arg(group());
    let add_member = leaf("add-member", "Put a worker or a group into a group")
        .arg(group())
        .arg(member());
    let remove_member = leaf("remove-member", "Take a worker or a group out of a group")
        .arg(group())
        .arg(member());
    parent(
        "group",
        "Make groups and change them; members of the group named admins may read every artifact",
    )
    .subcommand(finish(add))
    .subcommand(finish(list))
    .subcommand(finish(show))
    .subcommand(with_settings(delete, settings::Command::Identity))
    .subcommand(finish(add_member))
    .subcommand(finish(remove_member))
}

pub(crate) fn whoami_command() -> Command {
    finish(leaf(
        "whoami",
        "Ask which worker the credential is of; its id goes to standard output",
    ))
}
