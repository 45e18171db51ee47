//! The ends of the help texts, and what is only in the long ones.

use clap::{Arg, Command};

/// The end of the help of `serve`, and of client commands without examples.
pub(super) const AFTER: &str = "\
Exit codes: 0 success, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

const AFTER_PUT: &str = "\
Examples:
  artifact put results.tar.gz
  artifact put run --seal             all files of the folder, as the collection `run`
  tar c run | artifact put - --file-name run.tar

Exit codes: 0 success, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

const AFTER_GET: &str = "\
Examples:
  artifact get eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385 -o results.tar.gz
  artifact get run -o copy            all files of the collection `run`, into the folder `copy`
  artifact get run/logs/a.txt -o -    one file of it, to standard output

Exit codes: 0 success, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

const AFTER_LS: &str = "\
Examples:
  artifact ls --newer-than 1d --min-size 1MiB
  artifact ls run                     what is in the collection `run`
  artifact ls run/logs                what is in a folder of it

Exit codes: 0 success, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

/// Returns the end of the help of a client command.
pub(super) fn of_client(command: &str) -> &'static str {
    match command {
        "put" => AFTER_PUT,
        "get" => AFTER_GET,
        "ls" => AFTER_LS,
        _ => AFTER,
    }
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_GC: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all done, 1 an alarm or a failure, which the output names, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_ARCHIVE: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all done, 1 a damaged artifact or archive, or an id that the output names, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_SCRUB: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is good, 1 something is wrong with an id that the output names, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_VERIFY: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is good, also after a repair, 1 something is wrong that the output names, 2 refused.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_DOCTOR: &str = "\
Takes the settings of artifact serve. Run it as the user of the server: docs/operations/doctor.md explains each line.
Exit codes: 0 no problem, perhaps warnings, 1 a problem that the output names, 2 refused.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_BACKUP: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect. Buckets share the bucket settings.
Exit codes: 0 all is good, 1 something is wrong with an id that the output names, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_MIGRATE: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is moved, 1 a blob that the output names cannot be moved, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_ROTATION: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
The new token is in the file of the admin token. A server whose settings name that file takes it
at SIGHUP, one whose settings name another token keeps that. Never more than two are accepted: a
token that was the old one already is over.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Returns the end of the help of a command of maintenance.
pub(super) fn of_maintenance(command: &str) -> &'static str {
    match command {
        "gc" => AFTER_GC,
        "migrate" => AFTER_MIGRATE,
        "export" | "import" => AFTER_ARCHIVE,
        "verify" => AFTER_VERIFY,
        "doctor" => AFTER_DOCTOR,
        "scrub" => AFTER_SCRUB,
        "rotate-admin-token" => AFTER_ROTATION,
        _ => AFTER_BACKUP,
    }
}

/// Leaves the first sentence of each description in the short help, which `-h` prints. `--help` prints all.
pub(super) fn shorten(command: Command) -> Command {
    let command = command.mut_args(shorten_argument);
    let about = command.get_about().map(ToString::to_string);
    let command = match about.as_deref().and_then(split) {
        Some((first, whole)) => command.about(first).long_about(whole),
        None => command,
    };
    command.mut_subcommands(shorten)
}

fn shorten_argument(argument: Arg) -> Arg {
    let help = argument.get_help().map(ToString::to_string);
    match help.as_deref().and_then(split) {
        Some((first, whole)) => argument.help(first).long_help(whole),
        None => argument,
    }
}

/// Returns the first sentence of a text that has several, and the text.
fn split(text: &str) -> Option<(String, String)> {
    let (first, _) = text.split_once(". ")?;
    Some((first.to_owned(), text.to_owned()))
}
