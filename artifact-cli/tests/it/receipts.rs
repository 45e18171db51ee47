//! Receipts of a real server, verified without it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use artifact_client::{Body, Credential, DepositOptions, Deposited};
use artifact_receipt::{ReceiptFile, VerifierKey};
use bytes::Bytes;
use futures_util::stream;
use tempfile::TempDir;

use crate::clients::connect;
use crate::harness::{Answer, Done, Server, artifact, noise, run, run_refused};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_returns_the_receipt_of_each_way_to_deposit() {
    let (server, key) = start(&[]);
    let key: VerifierKey = key.parse().unwrap();
    let admin = || Credential::new("admin", &server.token()).unwrap();
    let client = connect(&server.url, admin());
    let wanted = || DepositOptions::default().with_receipt();
    let check = |deposited: &Deposited| {
        let text = deposited.receipt.as_ref().unwrap();
        let verified = ReceiptFile::parse(text)
            .and_then(|file| file.verify(std::slice::from_ref(&key)))
            .unwrap();
        assert_eq!(verified.index, None);
        let said = verified.statement;
        assert!(deposited.uri.ends_with(&said.id.to_string()), "{said:?}");
        let stored = (deposited.size_bytes, deposited.sha256.to_string());
        assert_eq!((said.size, said.sha256.to_string()), stored);
    };
    let deposited = client.deposit("in memory", wanted()).await.unwrap();
    check(&deposited);
    let proven = client.receipt(&deposited.uri).await.unwrap();
    assert!(proven.starts_with(&deposited.receipt.unwrap()), "{proven}");
    let once = Body::from_reader(&b"only once"[..]);
    check(&client.deposit(once, wanted()).await.unwrap());
    let form = wanted().with_content_type("multipart/form-data");
    check(&client.deposit("a form", form).await.unwrap());
    let collection = client.create_collection(None).await.unwrap();
    let file = client.put_file(&collection.id, "a/b.txt", "a file", wanted());
    check(&file.await.unwrap());
    // Large enough for a resumable upload.
    let bytes = Bytes::from(noise(17 << 20));
    let again = bytes.clone();
    let large = move || stream::iter([Ok::<_, std::io::Error>(again.clone())]);
    let large = Body::repeatable(large);
    let (begun, is_upload) = std::sync::mpsc::channel();
    let options = wanted()
        .with_size(bytes.len() as u64)
        .with_on_upload(move |id| begun.send(id.to_owned()).unwrap());
    check(&client.deposit(large, options).await.unwrap());
    is_upload.try_recv().unwrap();

    let unasked = client.deposit("x", DepositOptions::default()).await;
    assert_eq!(unasked.unwrap().receipt, None);
    let server = Server::start_in(server.stop("TERM"), &[]);
    let client = connect(
        &server.url,
        Credential::new("admin", &server.token()).unwrap(),
    );
    let without = client.deposit("no key", wanted()).await.unwrap();
    assert_eq!(without.receipt, None);
}

/// Forwards connections to a server until a request for a receipt arrives, which it answers itself.
fn without_proofs(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = server.url.replace("http://", "");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(&upstream).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let mut piece = vec![0; 64 << 10];
            while let Ok(length @ 1..) = client.read(&mut piece) {
                // The client sends a request after the response to the one before.
                if piece.starts_with(b"GET ") {
                    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    client.write_all(refusal).unwrap();
                    break;
                }
                server.write_all(&piece[..length]).unwrap();
            }
        }
    });
    url
}

#[test]
fn put_keeps_the_receipt_of_the_deposit_if_its_proof_cannot_be_read() {
    let (server, key) = start(&[]);
    server.write("file", b"the content");
    server.write("file.receipt", b"an older one");
    let url = without_proofs(&server);
    let put = |to: &str| {
        let mut command = artifact(server.folder.path());
        command.args(["put", "file", "--receipt", to, "--retries", "0"]);
        command.args([
            "--server",
            &url,
            "--admin-token-file",
            "artifact-data/admin-token",
        ]);
        run(&mut command).succeeded()
    };
    let done = put("file.receipt");
    let uri = done.stdout().trim_end();
    let note = "the receipt has no proof yet: ";
    assert!(done.stderr.contains(note), "{done:?}");
    let advice = format!("artifact receipt get {uri}");
    assert!(done.stderr.contains(&advice), "{done:?}");
    let unproven = verify(&server, &["--key", &key, "file.receipt", "file"]);
    assert_eq!(unproven.code, Some(1), "{unproven:?}");
    let arguments = ["--key", &key, "--without-proof", "file.receipt", "file"];
    verify(&server, &arguments).succeeded();
    // To standard output once, after the URI.
    let done = put("-");
    let (uri, receipt) = done.stdout().split_once('\n').unwrap();
    server.write("printed", receipt.as_bytes());
    let arguments = ["--key", &key, "--without-proof", "printed", "file"];
    let good = verify(&server, &arguments).succeeded();
    assert!(
        good.stdout().contains(&format!("verified {uri}\n")),
        "{good:?}"
    );
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
