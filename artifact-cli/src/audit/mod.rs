//! `artifact audit`: checks audit logs, and finds lines in them.

mod show;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use self::show::ShowAuditArguments;
use self::verify::VerifyAuditArguments;
use crate::failure::setup;
use crate::output;

/// The commands on audit logs.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find lines of audit logs that were changed, removed, moved or inserted
    #[command(after_long_help = "\
The chain does not show that lines at the end were cut off: give --head with a hash that was noted before.
Exit codes: 0 nothing is wrong, 1 something is wrong that the output names, 2 a file cannot be read.")]
    Verify(VerifyAuditArguments),
    /// Print the lines of audit logs about an artifact, a principal or a time, as they are in the log
    #[command(after_long_help = "\
The lines of each log are in its order. Whether they were changed, artifact audit verify says.
Exit codes: 0 all lines were read, 1 some could not be read, which standard error names, 2 a file cannot be read.")]
    Show(ShowAuditArguments),
}

/// Runs a command.
pub(crate) fn run(command: &AuditCommand) -> Result<()> {
    match command {
        AuditCommand::Verify(arguments) => verify::verify(arguments),
        AuditCommand::Show(arguments) => show::show(arguments),
    }
}

/// Says which files were skipped. Fails if there was no other one.
fn check_skipped(given: &[PathBuf], skipped: &[PathBuf]) -> Result<()> {
    for path in skipped {
        let path = path.display();
        output::note(format_args!(
            "skipped {path}: it is not a file of a log, but one beside it, without lines"
        ));
    }
    if skipped.len() == given.len() {
        return Err(setup(
            "no file of an audit log was given; name the files of the log, such as audit.log*",
        ));
    }
    Ok(())
}
