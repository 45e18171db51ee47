use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use artifact_backend::Sha256Digest;
use sha2::{Digest, Sha256};

use crate::harness::{Server, artifact, files_below, noise, run, run_refused, run_with};

/// Returns the file of an artifact's blob.
fn blob(server: &Server, uri: &str) -> PathBuf {
    let id = uri.rsplit('/').next().unwrap();
    let blobs = server.path("artifact-data/blobs");
    let found = files_below(&blobs)
        .into_iter()
        .find(|name| name.replace('/', "").ends_with(id));
    blobs.join(found.unwrap())
}

#[test]
fn artifacts_of_any_size_come_back_unchanged() {
    let server = Server::start(&[]);
    for size in [0, 1, 65_537, 5 * 1024 * 1024 + 3] {
        let bytes = noise(size);
        let (input, output) = (format!("in-{size}"), format!("out-{size}"));
        server.write(&input, &bytes);
        let mut command = server.client(&["put", &input, "--content-type", "text/x-noise"]);
        let put = run(&mut command).succeeded();
        let uri = put.stdout().strip_suffix('\n').unwrap();
        let sha256 = Sha256::digest(&bytes);
        let sha256 = Sha256Digest::from_bytes(sha256.into());
        assert_eq!(put.stderr, format!("size {size} bytes\nsha256 {sha256}\n"));

        let get = run(&mut server.client(&["get", uri, "-o", &output])).succeeded();
        assert_eq!(get.stdout(), "");
        assert_eq!(
            get.stderr,
            format!("size {size} bytes\nsha256 {sha256}, verified\n")
        );
        assert!(server.read(&output) == bytes, "{size} bytes differ");
        for arguments in [&["get", uri][..], &["get", uri, "--output", "-"]] {
            assert!(run(&mut server.client(arguments)).succeeded().stdout == bytes);
        }
        let piped = run_with(&mut server.client(&["put", "-"]), &bytes).succeeded();
        assert!(run(&mut server.client(&["get", piped.stdout().trim_end()])).stdout == bytes);
    }
}

#[test]
fn an_artifact_above_the_size_limit_leaves_nothing() {
    let cap = 3 * 1024 * 1024;
    let server = Server::start(&["--max-artifact-bytes", "3MiB"]);
    let before = files_below(&server.path("artifact-data/blobs"));
    // Twice: with the size known beforehand, and without.
    server.write("over", &noise(cap + 1));
    let over = [
        run(&mut server.client(&["put", "over"])),
        run_with(&mut server.client(&["put", "-"]), &noise(cap + 1)),
    ];
    for done in over {
        assert_eq!(done.code, Some(1), "{done:?}");
        assert_eq!(done.stdout(), "");
        assert!(
            done.stderr
                .contains("larger than the server accepts (status 413)"),
            "{done:?}"
        );
    }
    assert_eq!(files_below(&server.path("artifact-data/blobs")), before);

    let put = run_with(&mut server.client(&["put", "-"]), &noise(cap)).succeeded();
    assert_eq!(
        blob(&server, put.stdout().trim_end())
            .metadata()
            .unwrap()
            .len(),
        cap as u64
    );
}

#[test]
fn an_early_error_response_is_read_during_a_large_upload() {
    let server = Server::start(&["--max-artifact-bytes", "1MiB"]);
    let bytes = noise(32 << 20);
    server.write("big", &bytes);
    // Again and again: a reset that overtakes the answer does so by chance.
    for _ in 0..5 {
        let known = run(&mut server.client(&["put", "big"]));
        let unknown = run_with(&mut server.client(&["put", "-"]), &bytes);
        let mut command = artifact(server.folder.path());
        command.args(["put", "--server", &server.url, "big"]);
        let stranger = run(command.env("ARTIFACT_CREDENTIAL", "admin:another-secret"));
        for (done, status) in [(known, "413"), (unknown, "413"), (stranger, "401")] {
            assert_eq!(done.code, Some(1));
            let said = format!("(status {status})");
            assert!(done.stderr.contains(&said), "{}", done.stderr);
        }
    }
}

#[test]
fn a_corrupt_blob_fails_the_fetch_and_leaves_no_file() {
    let server = Server::start(&[]);
    // More than every buffer on the way holds, so that the answer has begun when the server finds
    // out; with less it may break off before its header is sent, which is another sentence.
    let put = run_with(&mut server.client(&["put", "-"]), &noise(16 << 20)).succeeded();
    let uri = put.stdout().trim_end();
    let path = blob(&server, uri);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(false)
        .write(true)
        .open(&path)
        .unwrap();
    file.write_all(&[noise(1)[0] ^ 1]).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();

    let before = files_below(server.folder.path());
    let get = run(&mut server.client(&["get", uri, "-o", "out"]));
    assert_eq!(get.code, Some(1));
    assert!(
        get.stderr.contains("error: out was not created: "),
        "{}",
        get.stderr
    );
    assert_eq!(files_below(server.folder.path()), before);
    // The server sees it too and breaks off; what a client sees by itself is tested in its crate.
    // From then on the artifact is refused before any byte is sent.
    let get = run(&mut server.client(&["get", uri]));
    assert_eq!((get.code, get.stdout()), (Some(1), ""));
    assert!(get.stderr.contains("status 500"), "{}", get.stderr);

    // What went to standard output cannot be taken back, but is disowned. The restarted server does
    // not know of the damage.
    let server = Server::start_in(server.stop("TERM"), &[]);
    let get = run(&mut server.client(&["get", uri]));
    assert_eq!(get.code, Some(1));
    assert!(get.stderr.contains("must not be used"), "{}", get.stderr);
}

#[test]
fn existing_files_are_replaced_only_with_force() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), b"new").succeeded();
    let uri = put.stdout().trim_end();
    server.write("out", b"old");
    let get = run(&mut server.client(&["get", uri, "-o", "out"]));
    assert_eq!(get.code, Some(2));
    assert_eq!(
        get.stderr,
        "error: out already exists; give --force to replace it\n"
    );
    assert_eq!(server.path("out").metadata().unwrap().len(), 3);
    run(&mut server.client(&["get", uri, "-o", "out", "--force"])).succeeded();
    assert_eq!(server.read("out"), b"new");
    // A device must not be replaced by a file.
    let get = run(&mut server.client(&["get", uri, "-o", "/dev/null", "--force"]));
    assert_eq!(get.code, Some(2));
    assert!(
        get.stderr.contains("is not a regular file"),
        "{}",
        get.stderr
    );
}

#[test]
fn server_errors_are_reported_in_one_line_with_exit_code_1() {
    let server = Server::start(&[]);
    let absent = "eden://artifacts/00112233445566778899aabbccddeeff";
    let get = run(&mut server.client(&["get", absent, "-o", "out"]));
    assert_eq!(get.code, Some(1));
    assert!(
        get.stderr
            .starts_with("error: fetch: there is no such artifact (status 404)"),
        "{get:?}"
    );
    assert!(!server.path("out").exists());

    let mut command = artifact(server.folder.path());
    command.args(["put", "--server", &server.url, "-"]);
    let put = run_with(
        command.env("ARTIFACT_CREDENTIAL", "admin:another-secret"),
        b"x",
    );
    assert_eq!(put.code, Some(1));
    assert!(
        put.stderr.contains("does not accept the credential"),
        "{put:?}"
    );
    assert!(!put.stderr.contains("another-secret"), "{put:?}");
    assert_eq!(put.stderr.lines().count(), 1, "{put:?}");
}

#[test]
fn an_unreachable_server_is_reported_in_one_line_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    // The UDP socket keeps the port number reserved, and no TCP server listens on it.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let mut command = artifact(folder.path());
    command.args(["put", "--server", &url, "-"]);
    let put = run_with(command.env("ARTIFACT_ADMIN_TOKEN", "x"), b"x");
    assert_eq!(put.code, Some(1));
    assert!(
        put.stderr
            .starts_with(&format!("error: cannot reach a server at {url}; ")),
        "{put:?}"
    );
    // A repeatable request is retried, and each retry prints a line.
    std::fs::File::create_new(folder.path().join("file")).unwrap();
    let mut command = artifact(folder.path());
    command.args(["put", "--server", &url, "file", "--retries", "1"]);
    let put = run(command.env("ARTIFACT_ADMIN_TOKEN", "x"));
    assert_eq!(put.code, Some(1));
    let lines: Vec<_> = put.stderr.lines().collect();
    let [again, error] = lines[..] else {
        panic!("{put:?}");
    };
    let beginning = "deposit: the server cannot be reached; again in 0.";
    assert!(again.starts_with(beginning), "{put:?}");
    assert!(
        error.starts_with("error: cannot reach a server at"),
        "{put:?}"
    );
}

#[test]
fn a_closed_pipe_prints_no_error() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), &noise(4 << 20)).succeeded();
    let mut command = server.client(&["get", put.stdout().trim_end()]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut begin = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut begin).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(141));
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
}

#[test]
fn a_kill_during_a_deposit_leaves_only_staging_files() {
    let mut server = Server::start(&[]);
    let before = files_below(&server.path("artifact-data/blobs"));
    let (mut stream, headers) = server.connect();
    let body = noise(8 << 20);
    write!(
        stream,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
         Content-Type: a/b\r\n\r\n",
        body.len() * 2
    )
    .unwrap();
    // More than every buffer on the way holds, so that once it is written the server has begun.
    stream.write_all(&body).unwrap();
    server.signal("KILL");
    assert_eq!(server.wait().0, None);
    // A leftover would be named as no blob is; here O_TMPFILE leaves none at all.
    let left = files_below(&server.path("artifact-data/blobs"));
    assert!(
        left.iter()
            .all(|name| before.contains(name) || name.starts_with("staging/")),
        "{left:?}"
    );
    let server = Server::start_in(server.take_folder(), &[]);
    run_with(&mut server.client(&["put", "-"]), b"x").succeeded();
}

#[test]
fn a_signal_during_a_fetch_leaves_no_file() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut command = artifact(folder.path());
        command.args(["get", "--server", &url, "eden://artifacts/x", "-o", "out"]);
        let mut child = command.env("ARTIFACT_ADMIN_TOKEN", "x").spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert_ne!(stream.read(&mut request).unwrap(), 0);
        // An artifact that never comes to its end.
        let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nRepr-Digest: sha-256=:{digest}:\r\n\r\n01234"
        )
        .unwrap();
        // Its temporary file shows that it is in the middle.
        while files_below(folder.path()).is_empty() {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        let pid = child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(files_below(folder.path()), [""; 0]);
    }
}

#[test]
fn several_files_are_deposited_in_their_order() {
    let server = Server::start(&[]);
    for name in ["b.txt", "a.json", "plain"] {
        server.write(name, name.as_bytes());
    }
    let files = ["b.txt", "a.json", "plain"];
    let put = run(&mut server.client(&[&["put"][..], &files].concat())).succeeded();
    let lines: Vec<_> = put.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{put:?}");
    for (line, name) in lines.iter().zip(files) {
        let (uri, file) = line.split_once('\t').unwrap();
        assert_eq!(file, name);
        let get = run(&mut server.client(&["get", uri])).succeeded();
        assert_eq!(get.stdout(), name);
    }
    let put = run(&mut server.client(&[&["put", "--json"][..], &files].concat())).succeeded();
    let kinds: Vec<_> = put
        .stdout()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["file"].clone(), line["content_type"].clone())
        })
        .collect();
    let expected = [
        ("b.txt", "text/plain"),
        ("a.json", "application/json"),
        ("plain", "application/octet-stream"),
    ];
    let expected = expected.map(|(file, kind)| (file.into(), kind.into()));
    assert_eq!(kinds, expected);
    // What cannot be read is found before anything is stored.
    let before = server.blobs().len();
    for wrong in [
        &["put", "b.txt", "absent"][..],
        &["put", "b.txt", "-"],
        &["put", "b.txt", "plain", "--file-name", "x"],
    ] {
        assert_eq!(run_refused(&mut server.client(wrong)).code, Some(2));
    }
    assert_eq!(server.blobs().len(), before);
}

#[test]
fn the_recorded_name_is_used_only_if_it_is_that_of_a_visible_file() {
    let server = Server::start(&[]);
    server.write("given", b"content");
    let put = |name: &str| {
        let put = run(&mut server.client(&["put", "given", "--file-name", name])).succeeded();
        put.stdout().trim_end().to_owned()
    };
    let uri = put("results \u{fc}.csv");
    run(&mut server.client(&["get", "-O", &uri])).succeeded();
    assert_eq!(server.read("results \u{fc}.csv"), b"content");
    let again = run_refused(&mut server.client(&["get", "-O", &uri]));
    assert!(again.stderr.contains("--force"), "{again:?}");
    run(&mut server.client(&["get", "-O", &uri, "--force"])).succeeded();
    for name in [".profile", "a\u{200b}b"] {
        let uri = put(name);
        let refused = run_refused(&mut server.client(&["get", "-O", &uri]));
        assert!(refused.stderr.contains("give -o FILE"), "{refused:?}");
    }
}
