//! The verbs of the commands: the same for every subject, and those of earlier versions.

use crate::harness::{Done, Server, artifact, run};

/// The subjects whose records are created and deleted.
const SUBJECTS: [&str; 4] = ["worker", "group", "administrator", "collection"];

/// The words of earlier versions, and what they are now.
const RENAMED: [(&str, &str, &str); 6] = [
    ("worker", "add", "create"),
    ("group", "add", "create"),
    ("administrator", "register", "create"),
    ("administrator", "info", "show"),
    ("administrator", "token", "reissue"),
    ("quota", "remove", "delete"),
];

/// Runs a command with the admin token of a server.
fn admin(server: &Server, arguments: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    command.args(arguments).args(["--server", &server.url]);
    command.args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut command)
}

/// Returns the commands that the help of a subject lists.
fn listed(subject: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let help = run(artifact(folder.path()).args([subject, "-h"])).succeeded();
    let lines = help.stdout().lines();
    let commands = lines.skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    // Descriptions go on in lines that are indented further.
    let words = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn all_subjects_have_the_same_verbs() {
    for subject in SUBJECTS {
        let commands = listed(subject);
        for verb in ["create", "list", "show", "delete"] {
            assert!(commands.iter().any(|word| word == verb), "{commands:?}");
        }
    }
    for subject in ["worker", "administrator"] {
        let commands = listed(subject);
        for verb in ["reissue", "revoke"] {
            assert!(commands.iter().any(|word| word == verb), "{commands:?}");
        }
    }
    assert_eq!(listed("quota"), ["set", "show", "list", "delete"]);
}

#[test]
fn verbs_of_earlier_versions_work() {
    let server = Server::start(&[]);
    let worker = admin(&server, &["worker", "add", "--name", "w"]).succeeded();
    assert!(worker.stdout().starts_with("wkr_"), "{worker:?}");
    let group = admin(&server, &["group", "add", "--name", "g"]).succeeded();
    assert!(group.stdout().starts_with("grp_"), "{group:?}");
    let created = admin(&server, &["administrator", "register", "Alice"]).succeeded();
    let (id, secret) = created.stdout().trim_end().split_once(':').unwrap();
    let shown = admin(&server, &["administrator", "info", id]).succeeded();
    let expected = format!("administrator {id}\nname Alice\n");
    assert!(shown.stdout().starts_with(&expected), "{shown:?}");
    let reissued = admin(&server, &["administrator", "token", id]).succeeded();
    let (same, other) = reissued.stdout().trim_end().split_once(':').unwrap();
    assert_eq!(same, id);
    assert_ne!(other, secret);
    admin(&server, &["quota", "set", "--artifacts", "1"]).succeeded();
    admin(&server, &["quota", "remove"]).succeeded();
    let quota = admin(&server, &["quota", "show"]).succeeded();
    assert_eq!(quota.stdout(), "no quota\n");
}

#[test]
fn verbs_of_earlier_versions_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (subject, old, new) in RENAMED {
        let commands = listed(subject);
        assert!(!commands.iter().any(|word| word == old), "{commands:?}");
        let command = |verb| run(artifact(folder.path()).args([subject, verb, "--help"]));
        let help = command(new).succeeded();
        assert_eq!(command(old).succeeded().stdout(), help.stdout());
    }
    run(artifact(folder.path()).args(["man", "pages"])).succeeded();
    let pages = crate::harness::files_below(&folder.path().join("pages"));
    let script = run(artifact(folder.path()).args(["completions", "bash"])).succeeded();
    for (subject, old, new) in RENAMED {
        for (verb, is_there) in [(new, true), (old, false)] {
            let page = format!("artifact-{subject}-{verb}.1");
            assert_eq!(pages.contains(&page), is_there, "{page}");
            let case = format!("artifact__subcmd__{subject},{verb})");
            assert_eq!(script.stdout().contains(&case), is_there, "{case}");
        }
    }
}
