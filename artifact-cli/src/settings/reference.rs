//! docs/configuration.md, made of the registry and compared with what is committed.

use std::fmt::Write as _;
use std::path::Path;

use super::registry::{Command, SETTINGS};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

const HEAD: &str = "\
<!-- Made of artifact-cli/src/settings/registry.rs. To make it anew:
     ARTIFACT_REGENERATE=1 cargo test -p artifact-cli -->

# Configuration

Every setting can be a flag, an environment variable or a key of the settings file (TOML, named by
`--config` or `ARTIFACT_CONFIG`). A flag goes over the environment, which goes over the file, which
goes over the default. Secrets are never flags, since the arguments of a process are public, and
never in the settings file.

`artifact serve --print-config` prints the settings as they stand, each with where it came from and
secrets hidden, and does nothing else. A key of the file that is not here is an error; an
environment variable that begins with `ARTIFACT_` and is not here is warned of; an empty one counts
as not set. Relative paths are relative to the current folder.

`NO_COLOR` (any value) turns off the colours of the log.

";

const TAIL: &str = "
## Exit codes

| code | when |
|---|---|
| 0 | done; of `serve`: stopped by a signal, with everything that was in flight finished |
| 1 | failed while working: the server refused, the connection broke, a digest did not match, or requests in flight had to be cut |
| 2 | refused before anything was done: a wrong flag or setting, an address or a folder in use, a file that is there already |
| 130, 143 | a client command was stopped by Ctrl-C or SIGTERM; `get` left no file |
| 141 | whoever read standard output went away |
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (command, title) in [
        (Command::Serve, "`artifact serve`"),
        (
            Command::Put,
            "`artifact put`, `get`, `worker`, `group` and `whoami`",
        ),
    ] {
        let _ = writeln!(
            text,
            "## {title}\n\n| key | flag | environment | default | meaning |\n|---|---|---|---|---|"
        );
        for setting in SETTINGS.iter().filter(|setting| setting.is_of(command)) {
            let code = |text: &str| format!("`{text}`");
            let key = if setting.in_file {
                code(setting.name)
            } else {
                String::new()
            };
            let flag = setting
                .flag
                .map(|flag| format!("`--{flag} {}`", setting.placeholder));
            let env = setting.env.map(code);
            let default = setting
                .default
                .filter(|_| command == Command::Serve || setting.fixed_default().is_some())
                .map(code);
            let cells = [Some(key), flag, env, default].map(Option::unwrap_or_default);
            let secret = if setting.secret { " (secret)" } else { "" };
            let _ = writeln!(text, "| {} | {}{secret} |", cells.join(" | "), setting.doc);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text + TAIL
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads its golden file, and writes it when it is told to"
)]
fn the_reference_is_what_the_registry_says() {
    let made = reference();
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(PATH, &made).unwrap();
    }
    let committed = std::fs::read(Path::new(PATH)).unwrap();
    assert_eq!(
        String::from_utf8(committed).unwrap(),
        made,
        "docs/configuration.md is old; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-cli"
    );
}
