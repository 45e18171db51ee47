//! The commands about the program itself: help, version, completions and man pages.

use std::io::{Read as _, Write as _};
use std::process::Command;

use crate::harness::{artifact, files_below, run};

/// The commands of which a page is looked for, and a text that it has.
const PAGES: [(&str, &str); 4] = [
    ("artifact.1", "artifact\\-put(1)"),
    ("artifact-put.1", "\\-\\-idempotency\\-key"),
    ("artifact-worker-create.1", "Create a worker"),
    ("artifact-serve.1", "\\-\\-max\\-artifact\\-bytes"),
];

#[test]
fn completions_are_scripts_of_their_shell() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, text) in [
        ("bash", "complete -F _artifact"),
        ("zsh", "#compdef artifact"),
        ("fish", "complete -c artifact"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let done = run(artifact(folder.path()).args(["completions", shell])).succeeded();
        assert!(done.stdout().contains(text), "{shell}");
        assert!(done.stdout().contains("idempotency-key"), "{shell}");
        assert_eq!(done.stderr, "");
    }
    let unknown = run(artifact(folder.path()).args(["completions", "csh"]));
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.stderr.contains("bash, elvish, fish"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = run(artifact(folder.path()).args(["completions", "bash"])).succeeded();
    let path = folder.path().join("script");
    let mut file = std::fs::File::create_new(&path).unwrap();
    file.write_all(&script.stdout).unwrap();
    let complete = ". ./script
        COMP_WORDS=(artifact collection ge); COMP_CWORD=2; _artifact artifact ge collection
        printf '%s\\n' \"${COMPREPLY[@]}\"
        COMP_WORDS=(artifact put --idem); COMP_CWORD=2; _artifact artifact --idem put
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let done = Command::new("bash")
        .args(["--norc", "-c", complete])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let replies = String::from_utf8(done.stdout).unwrap();
    assert_eq!(replies, "get\n--idempotency-key\n");
}

#[test]
fn man_pages_are_printed_or_written_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(artifact(folder.path()).arg("man")).succeeded();
    assert!(
        first.stdout().contains(".TH artifact 1"),
        "{}",
        first.stdout()
    );
    run(artifact(folder.path()).args(["man", "pages"])).succeeded();
    // Pages that are there are replaced.
    let again = run(artifact(folder.path()).args(["man", "pages"])).succeeded();
    let written = files_below(&folder.path().join("pages"));
    let note = format!("wrote {} man pages into pages\n", written.len());
    assert_eq!(again.stderr, note);
    for (name, text) in PAGES {
        assert!(written.contains(&name.to_owned()), "{written:?}");
        let mut page = String::new();
        let path = folder.path().join("pages").join(name);
        let file = std::fs::OpenOptions::new().read(true).open(path);
        file.unwrap().read_to_string(&mut page).unwrap();
        assert!(page.contains(text), "{name}: {page}");
        assert!(page.contains(".SH OPTIONS"), "{name}");
    }
    assert_eq!(files_below(folder.path()).len(), written.len());
    let refused = run(artifact(folder.path()).args(["man", "pages/artifact.1"]));
    assert_eq!(refused.code, Some(2));
    let told = "cannot create the folder pages/artifact.1";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
}

#[test]
fn they_need_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let version = run(artifact(folder.path())
        .arg("version")
        .env("ARTIFACT_CONFIG", "missing.toml"));
    let version = version.succeeded();
    assert_eq!(
        version.stdout(),
        format!("artifact {}\n", env!("CARGO_PKG_VERSION"))
    );
    let flag = run(artifact(folder.path()).arg("--version")).succeeded();
    assert_eq!(flag.stdout(), version.stdout());
}

#[test]
fn the_command_help_prints_what_the_flag_prints() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&[][..], &["put"], &["worker", "create"]] {
        let help = run(artifact(folder.path()).arg("help").args(command)).succeeded();
        let flag = run(artifact(folder.path()).args(command).arg("--help")).succeeded();
        assert_eq!(help.stdout(), flag.stdout());
    }
}
