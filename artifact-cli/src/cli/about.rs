//! The commands about the program itself: completions for shells, man pages, its version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::setup_from;
use crate::{files, output};

/// What needs no settings, and reads no environment.
#[derive(Debug, Subcommand)]
pub(super) enum AboutCommand {
    /// Print the completions of this program for a shell
    Completions {
        /// Shell that reads them
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
    /// Print the man page artifact(1), or write the man pages of all commands into a folder
    Man {
        /// Folder to write artifact.1, artifact-put.1 and so on into; it is created if it does not exist, and pages that
        /// are in it are replaced
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Print the version
    Version,
}

/// The commands, by name.
pub(super) const NAMES: [&str; 3] = ["completions", "man", "version"];

/// Runs a command. `program` is the whole command line.
pub(super) fn run(command: AboutCommand, program: clap::Command) -> Result<()> {
    match command {
        AboutCommand::Completions { shell } => {
            let mut program = without_hidden(&program);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program, "artifact", &mut script);
            output::raw(&String::from_utf8_lossy(&script))
        }
        AboutCommand::Man { folder: None } => output::raw(&page(whole(program))?),
        AboutCommand::Man {
            folder: Some(folder),
        } => {
            let shown = folder.display();
            files::make_folder(&folder)
                .map_err(|error| setup_from(error, format!("cannot create the folder {shown}")))?;
            let number = write_pages(&whole(program), &folder)?;
            output::note(format_args!("wrote {number} man pages into {shown}"));
            Ok(())
        }
        AboutCommand::Version => output::raw(&program.render_version()),
    }
}

/// Returns a command without its hidden arguments, which the scripts would offer. It is only good for completions: nothing else of
/// a command is kept.
fn without_hidden(command: &clap::Command) -> clap::Command {
    let shown = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set());
    let below = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    let mut bare = clap::Command::new(command.get_name().to_owned())
        .args(shown.cloned())
        .subcommands(below.map(without_hidden))
        .disable_help_subcommand(command.is_disable_help_subcommand_set());
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        bare = bare.version(version.to_owned());
    }
    bare
}

/// Completes the names of all commands, such as `artifact-worker-add`.
fn whole(program: clap::Command) -> clap::Command {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

/// Writes the page of a command and of those below it, and returns their number.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<u64> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    let text = page(command.clone())?;
    files::replace(&path, text.as_bytes())
        .map_err(|error| setup_from(error, format!("cannot write {}", path.display())))?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_fold(1, |number, below| Ok(number + write_pages(below, folder)?))
}

/// Returns the page of a command, in the language of troff.
fn page(command: clap::Command) -> Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command).manual("artifact");
    man.render(&mut page).context("cannot make the man page")?;
    String::from_utf8(page).context("cannot make the man page")
}
