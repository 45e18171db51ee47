//! `artifact administrator` and `artifact whoami` against a real server.

use crate::harness::{Done, Server, run};

/// Runs a command of a client with the admin token.
fn admin(server: &Server, arguments: &[&str]) -> Done {
    let mut command = crate::harness::artifact(server.folder.path());
    command.args(arguments).args(["--server", &server.url]);
    command.args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut command)
}

/// Runs a command of a client with a credential in a file.
fn with(server: &Server, file: &str, arguments: &[&str]) -> Done {
    let mut command = crate::harness::artifact(server.folder.path());
    command.args(arguments).args(["--server", &server.url]);
    run(command.args(["--credential-file", file]))
}

fn register(server: &Server, name: &str, file: &str) -> String {
    let arguments = ["administrator", "create", name, "--token-file", file];
    let done = admin(server, &arguments).succeeded();
    done.stdout().trim_end().to_owned()
}

#[test]
fn an_administrator_has_a_credential_of_its_own() {
    let server = Server::start(&["--experiment", "default", "--experiment", "other"]);
    let alice = register(&server, "Alice", "alice");
    assert!(alice.starts_with("adm_") && alice.len() == 30, "{alice}");
    let whoami = with(&server, "alice", &["whoami"]).succeeded();
    assert_eq!(whoami.stdout(), format!("{alice}\n"));
    // In every experiment, and also to register others.
    for experiment in ["default", "other"] {
        let arguments = ["worker", "create", "--experiment", experiment];
        let worker = with(&server, "alice", &arguments).succeeded();
        let worker = worker.stdout().split(':').next().unwrap().to_owned();
        let arguments = ["worker", "show", &worker, "--experiment", experiment];
        let shown = admin(&server, &arguments).succeeded();
        let by = format!("by {alice}");
        assert!(shown.stdout().contains(&by), "{}", shown.stdout());
    }
    let arguments = ["administrator", "create", "Bob", "--expires-in", "1d"];
    let bob = with(&server, "alice", &arguments).succeeded();
    let (bob, secret) = bob
        .stdout()
        .trim_end()
        .split_once(':')
        .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        .unwrap();
    let info = admin(&server, &["administrator", "show", &bob]).succeeded();
    let text = info.stdout();
    assert!(
        text.starts_with(&format!("administrator {bob}\nname Bob\ntoken expires ")),
        "{text}"
    );
    assert!(text.contains(&format!("by {alice}\n")), "{text}");
    assert!(!text.contains(&secret));
    let list = admin(&server, &["administrator", "list"]).succeeded();
    assert_eq!(list.stdout(), format!("{alice}\tAlice\n{bob}\tBob\n"));
    let list = admin(&server, &["administrator", "list", "--json"]).succeeded();
    let list: serde_json::Value = serde_json::from_str(list.stdout()).unwrap();
    assert_eq!(list["administrators"][0]["administrator_id"], alice);
}

#[test]
fn credentials_of_administrators_end_at_once_and_survive_a_restart() {
    let server = Server::start(&[]);
    let alice = register(&server, "Alice", "first");
    let arguments = ["administrator", "reissue", &alice, "--token-file", "second"];
    with(&server, "first", &arguments).succeeded();
    let server = Server::start_in(server.stop("TERM"), &[]);
    let refused = with(&server, "first", &["administrator", "list"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("does not accept the credential"),
        "{refused:?}"
    );
    with(&server, "second", &["administrator", "list"]).succeeded();
    admin(&server, &["administrator", "revoke", &alice]).succeeded();
    let refused = with(&server, "second", &["whoami"]);
    assert!(
        refused.stderr.contains("does not accept the credential"),
        "{refused:?}"
    );
    let info = admin(&server, &["administrator", "show", &alice]).succeeded();
    assert!(
        info.stdout().contains("\ntoken revoked\n"),
        "{}",
        info.stdout()
    );
    admin(&server, &["administrator", "delete", &alice]).succeeded();
    let gone = admin(&server, &["administrator", "show", &alice]);
    assert!(
        gone.stderr.contains("there is no such administrator"),
        "{gone:?}"
    );
    for name in ["admin", " x"] {
        let refused = admin(&server, &["administrator", "create", name]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
    }
}
