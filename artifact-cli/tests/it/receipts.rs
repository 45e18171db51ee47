//! Receipts of a real server, verified without it.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::harness::{Answer, Done, Server, artifact, run, run_refused};

const NAME: &str = "example.com/test";

/// Makes a key in a folder, and returns the public key.
pub(crate) fn keygen(folder: &TempDir, file: &str) -> String {
    let mut command = artifact(folder.path());
    let done = run(command.args(["receipt", "keygen", NAME, "-o", file])).succeeded();
    done.stdout().trim_end().to_owned()
}

/// Starts a server that signs receipts. Returns the public key, too.
pub(crate) fn start(arguments: &[&str]) -> (Server, String) {
    let folder = tempfile::tempdir().unwrap();
    let key = keygen(&folder, "receipt.key");
    let arguments = [arguments, &["--receipt-key", "receipt.key"]].concat();
    (Server::start_in(folder, &arguments), key)
}

fn client(server: &Server, arguments: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    command.args(arguments).args(["--server", &server.url]);
    run(command.args(["--admin-token-file", "artifact-data/admin-token"]))
}

fn verify(server: &Server, arguments: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    run(command.args(["receipt", "verify"]).args(arguments))
}

/// Deposits bytes, and returns the id and the receipt in the header.
fn deposit(server: &Server, bytes: &str) -> (String, String) {
    let (_, headers) = server.connect();
    let answer = Answer::of(&server.say(format!(
        "POST /v1/experiments/default/artifacts HTTP/1.1\r\n{headers}Connection: close\r\nArtifact-Receipt: ?1\r\n\
         Content-Length: {}\r\n\r\n{bytes}",
        bytes.len()
    )));
    assert_eq!(answer.status, 201, "{answer:?}");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let value = answer
        .field("artifact-receipt")
        .unwrap()
        .trim_matches(':')
        .to_owned();
    let receipt = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, value).unwrap();
    let id = body["id"].as_str().unwrap().to_owned();
    (id, String::from_utf8(receipt).unwrap())
}

#[test]
fn a_receipt_is_verified_without_the_server() {
    let (server, key) = start(&[]);
    assert!(key.starts_with(&format!("{NAME}+")), "{key}");
    let mode = server
        .path("receipt.key")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut shown = artifact(server.folder.path());
    let shown = run(shown.args(["receipt", "public-key", "receipt.key"])).succeeded();
    assert_eq!(shown.stdout().trim_end(), key);

    server.write("file", b"the content");
    let put = client(&server, &["put", "file", "--receipt", "file.receipt"]).succeeded();
    let uri = put.stdout().trim_end().to_owned();
    let good = verify(&server, &["--key", &key, "file.receipt", "file"]).succeeded();
    for expected in [
        &format!("verified {uri}\n"),
        "\nsize 11 bytes\n",
        "\nexperiment default\n",
        " by admin\n",
        "\nlog example.com/test, entry 0 of 1\n",
        "\nfile file is the artifact",
    ] {
        assert!(good.stdout().contains(expected), "{expected:?} in {good:?}");
    }
    let json = verify(&server, &["--json", "--key", &key, "file.receipt"]).succeeded();
    let json: serde_json::Value = serde_json::from_str(json.stdout()).unwrap();
    assert_eq!(json["artifacts_uri"], uri.as_str());
    assert_eq!((&json["index"], &json["tree_size"]), (&0.into(), &1.into()));
    assert_eq!(json["file_compared"], false);

    // The same again, to standard output, and with a key in a file.
    let got = client(&server, &["receipt", "get", &uri]).succeeded();
    assert_eq!(got.stdout.as_slice(), server.read("file.receipt"));
    server.write("keys", format!("{key}\n").as_bytes());
    verify(&server, &["--key", "keys", "file.receipt"]).succeeded();

    // What is not good.
    let other = keygen(&server.folder, "other.key");
    server.write("changed", b"the Content");
    server.write("longer", b"the content ");
    let text = String::from_utf8(server.read("file.receipt")).unwrap();
    server.write("forged", text.replace("size 11", "size 12").as_bytes());
    server.write(
        "unproven",
        text.split("\nc2sp.org").next().unwrap().as_bytes(),
    );
    let index = text.replace("\nindex 0\n", "\nindex 1\n");
    server.write("moved", index.as_bytes());
    server.write("nothing", b"");
    for (arguments, code, sentence) in [
        (
            ["--key", &*other, "file.receipt"].as_slice(),
            1,
            "none of the given keys",
        ),
        (
            &["--key", &key, "file.receipt", "changed"],
            1,
            "is not the artifact",
        ),
        (
            &["--key", &key, "file.receipt", "longer"],
            1,
            "is not the artifact",
        ),
        (&["--key", &key, "forged"], 1, "signature"),
        (&["--key", &key, "unproven"], 1, "--without-proof"),
        (&["--key", &key, "moved"], 1, "does not lead"),
        (&["--key", &key, "nothing"], 1, "not a receipt"),
        (&["--key", &key, "absent"], 2, "cannot read"),
        (&["--key", &key, "file.receipt", "absent"], 2, "cannot read"),
        (
            &["--key", "absent", "file.receipt"],
            2,
            "neither a public key nor a file",
        ),
        (
            &["--key", "file", "file.receipt"],
            2,
            "cannot read the public keys",
        ),
    ] {
        let done = verify(&server, arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(sentence), "{arguments:?}: {done:?}");
        assert_eq!(done.stdout(), "", "{arguments:?}");
    }
    let alone = verify(&server, &["--key", &key, "--without-proof", "unproven"]).succeeded();
    assert!(
        alone
            .stdout()
            .ends_with("log example.com/test, without a proof\n")
    );
}

#[test]
fn a_receipt_that_was_signed_before_a_kill_is_in_the_log_afterwards() {
    let arguments = ["--receipt-key", "receipt.key", "--receipt-interval", "3600"];
    let folder = tempfile::tempdir().unwrap();
    let key = keygen(&folder, "receipt.key");
    let server = Server::start_in(folder, &arguments);
    let signed: Vec<_> = (0..40)
        .map(|n| deposit(&server, &format!("content {n}")))
        .collect();
    // Dropping the server would remove its folder.
    let server = Server::start_in(server.stop("KILL"), &arguments);
    for (id, receipt) in &signed {
        let uri = format!("eden://artifacts/{id}");
        let got = client(&server, &["receipt", "get", &uri]).succeeded();
        assert!(got.stdout().starts_with(receipt.as_str()), "{got:?}");
        server.write("got", &got.stdout);
        let good = verify(&server, &["--key", &key, "got"]).succeeded();
        assert!(good.stdout().contains(" of 40\n"), "{good:?}");
    }
}

#[test]
fn keys_that_cannot_be_used_stop_the_start() {
    let (server, _) = start(&[]);
    deposit(&server, "x");
    let folder = server.stop("KILL");
    let refused = |key: &str| {
        let mut command = artifact(folder.path());
        command.env("ARTIFACT_LISTEN", "127.0.0.1:0");
        run_refused(command.args(["serve", "--receipt-key", key]))
    };
    let mut command = artifact(folder.path());
    let arguments = ["receipt", "keygen", "example.com/other", "-o", "other.key"];
    run(command.args(arguments)).succeeded();
    let copy = |name: &str, mode| {
        let text = text_of(&folder, "receipt.key");
        write(&folder, name, &text);
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join(name), permissions).unwrap();
    };
    copy("open.key", 0o644);
    copy("artifact-data/blobs/receipt.key", 0o600);
    write(&folder, "no.key", "nonsense\n");
    let permissions = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("no.key"), permissions).unwrap();
    for (key, sentence) in [
        (
            "other.key",
            "the log of receipts of this database is example.com/test",
        ),
        ("open.key", "open.key"),
        ("no.key", "it is not a signing key"),
        ("absent.key", "receipt keygen"),
        (
            "artifact-data/blobs/receipt.key",
            "inside the folder of the blobs",
        ),
    ] {
        let done = refused(key);
        assert_eq!(done.code, Some(2), "{key}: {done:?}");
        assert!(done.stderr.contains(sentence), "{key}: {done:?}");
        assert!(!done.stderr.contains("PRIVATE+KEY+example"), "{key}");
    }
    let mut again = artifact(folder.path());
    let again = run(again.args(["receipt", "keygen", NAME, "-o", "receipt.key"]));
    assert_eq!(
        again.code,
        Some(2),
        "an existing key is not replaced: {again:?}"
    );
}

#[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
fn text_of(folder: &TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}
