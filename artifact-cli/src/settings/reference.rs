//! Generates docs/configuration.md from the definitions and compares it with the committed file.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Args};

use super::definition::{Definition, definitions};
use super::{ClientSettings, ServeSettings};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

const HEAD: &str = "\
<!-- Generated from artifact-cli/src/settings. To regenerate it:
     ARTIFACT_REGENERATE=1 cargo test -p artifact-cli -->

# Configuration

Every setting can be a flag, an environment variable or a key of the settings file (TOML, named by
`--config` or `ARTIFACT_CONFIG`). A flag takes precedence over the environment, the environment over the
file, and the file over the default. Secrets are never flags, because all users of a machine can see the
arguments of a process, and they are never in the settings file.

`artifact serve --print-config` checks the values, prints the settings with the source of each, and exits.
It hides secrets and opens no file, folder or socket. `artifact serve --check` also reads the files of secrets and of the
certificate, looks at the folders, and compares the limit on open files with `max_connections`. It opens no socket, database or backend,
creates nothing, and exits with 0 or 2. An unknown key in the settings file is an error. An
unknown environment variable with the prefix `ARTIFACT_` is a warning. An empty variable counts as not
set. Relative paths are relative to the current folder.

SIGHUP makes a running server read the settings file again, and the files that it names. It replaces the TLS
certificate with its key, the admin token, the token of the metrics and the log filter (`log`); other changed settings need a restart.
Flags and environment variables are those of the start. A value that is missing or invalid stays as it was,
and the log has a warning. No connection is closed. The former tokens are invalid from then on. It also begins a new file of
the audit log.

`artifact gc`, `migrate`, `scrub`, `verify`, `doctor`, `backup`, `restore`, `rebuild-catalog` and `copy-database` take the settings of `artifact serve`, from the
same file and the same variables. The settings that they do not use have no effect there.

`NO_COLOR` (any value but an empty one) turns off the colours of the log.
";

const TAIL: &str = "
## Exit codes

| code | meaning |
|---|---|
| 0 | success; for `serve`: stopped by a signal after all requests in flight were finished |
| 1 | failed while working: the server returned an error, the connection broke, a digest did not match, or requests in flight were aborted |
| 2 | refused before anything was done: a wrong flag or setting, an address or a folder in use, an output file that already exists |
| 1, for `gc` | a blob is missing or damaged, there are too many orphans, or something failed; the output says which |
| 1, for `migrate` | a blob is corrupt or missing and cannot be moved; the output names each |
| 2, for `migrate` | also: not finished; the same command goes on |
| 1, for `scrub` | a blob is corrupt, missing or without a row; the output names each |
| 1, for `serve` | also: the database cannot be reached, after the time of `--database-wait` |
| 1, for `doctor` | a problem; the output says what it means and what to do |
| 1, for `verify` | the halves do not belong together, or a file has another mode, owner, name or type than it should; the output names each |
| 1, for `audit verify` | a line of an audit log was changed, removed, moved or inserted; the output names each |
| 2, for `scrub` | also: not everything could be read, and nothing wrong was found before |
| 130, 143 | a client command was stopped by Ctrl-C or SIGTERM; `get` left no file |
| 141 | the reader of standard output closed it |
";

fn section<S: Args>(title: &str) -> String {
    let head = "| key | flag | environment | default | meaning |\n|---|---|---|---|---|";
    let mut text = format!("\n## {title}\n\n{head}\n");
    for arg in definitions::<S>() {
        let _ = writeln!(text, "{}", row(&arg));
    }
    text
}

fn row(arg: &Arg) -> String {
    let code = |text: &str| format!("`{text}`");
    let key = Some(code(arg.name())).filter(|_| arg.is_in_file());
    let flag = arg.get_long().filter(|_| !arg.is_secret()).map(|flag| {
        let names = arg
            .get_value_names()
            .filter(|_| arg.get_action().takes_values());
        let value = names.unwrap_or_default().join(" ");
        code(format!("--{flag} {value}").trim_end())
    });
    let default = arg.defaults().next().map(code);
    let cells = [key, flag, arg.variable().map(code), default].map(Option::unwrap_or_default);
    let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let secret = if arg.is_secret() { " (secret)" } else { "" };
    format!("| {} | {meaning}{secret} |", cells.join(" | "))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads its golden file, and writes it on request"
)]
fn the_reference_matches_the_definitions() {
    let serve = section::<ServeSettings>("`artifact serve`, `gc`, `migrate` and `scrub`");
    let client = section::<ClientSettings>("The other commands");
    let generated = [HEAD, &serve, &client, TAIL].concat();
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(PATH, &generated).unwrap();
    }
    let committed = std::fs::read(Path::new(PATH)).unwrap();
    assert_eq!(
        String::from_utf8(committed).unwrap(),
        generated,
        "docs/configuration.md is outdated; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-cli"
    );
}
