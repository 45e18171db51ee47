//! The log: one line per request, readable by a program, and no secret in any line.

use std::io::Write;

use serde_json::Value;

use crate::harness::{Answer, Server, run, run_with};

const CANARY: &str = "canary-5f2b77c1d9e04a63";

/// Returns the lines about requests.
fn requests(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["target"] == "artifact::request")
        .collect()
}

#[test]
fn each_request_is_logged_as_one_line_of_json() {
    let mut server = Server::start(&["--log-format", "json"]);
    let put = run_with(&mut server.client(&["put", "-"]), b"twelve bytes").succeeded();
    let uri = put.stdout().trim_end().replace('/', "%2F");
    let (_, headers) = server.connect();
    let path = format!("/v0/experiments/default/artifacts?uri={uri}");
    for (id, path) in [("mine-1", &*path), ("mine-2", "/v0/experiments/default/x")] {
        let answer = Answer::of(&server.say(format!(
            "GET {path} HTTP/1.1\r\n{headers}X-Request-Id: {id}\r\nConnection: close\r\n\r\n"
        )));
        assert_eq!(answer.field("x-request-id"), Some(id));
    }
    let unauthenticated = "PROPFIND /secret HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\nConnection: \
                    close\r\n\r\n";
    let answer = Answer::of(&server.say(unauthenticated));
    let generated = answer.field("x-request-id").unwrap().to_owned();
    assert_eq!(generated.len(), 32);
    server.signal("TERM");
    server.wait();

    let log = server.stderr();
    // Each line is JSON, so that a program can read the whole log.
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    let [deposit, fetch, absent, other] = &requests(&log)[..] else {
        panic!("{log}");
    };
    let (deposited, fetched) = (
        "/v1/experiments/{E}/artifacts",
        "/v0/experiments/{E}/artifacts",
    );
    for (line, expected) in [
        (deposit, ("POST", deposited, 201, Some("admin"))),
        (fetch, ("GET", fetched, 200, Some("admin"))),
        (absent, ("GET", "-", 404, Some("admin"))),
        (other, ("other", "-", 404, None)),
    ] {
        let (method, route, status, principal) = expected;
        assert_eq!(line["method"], method, "{line}");
        assert_eq!(line["route"], route, "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(line["principal"].as_str(), principal, "{line}");
        assert_eq!(line["outcome"], "answered", "{line}");
        assert!(line["duration_us"].as_u64().unwrap() > 0, "{line}");
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
    assert_eq!(deposit["bytes_in"], 12);
    assert_eq!(
        (&fetch["bytes_in"], &fetch["bytes_out"]),
        (&0.into(), &12.into())
    );
    assert_eq!(fetch["request_id"], "mine-1");
    assert_eq!(other["request_id"], *generated);
    assert!(
        !log.contains("/secret") && !log.contains("PROPFIND"),
        "{log}"
    );
}

#[test]
fn no_secret_reaches_the_log() {
    for (format, from_file) in [("text", true), ("json", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = vec![("RUST_BACKTRACE", "full")];
        if from_file {
            let path = folder.path().join("token");
            let mut file = std::fs::File::create_new(&path).unwrap();
            writeln!(file, "{CANARY}").unwrap();
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            environment.push(("ARTIFACT_ADMIN_TOKEN_FILE", "token"));
        } else {
            environment.push(("ARTIFACT_ADMIN_TOKEN", CANARY));
        }
        let arguments = ["--log-level", "trace", "--log-format", format];
        let mut server = Server::start_with(folder, &arguments, &environment);
        let address = server.url.strip_prefix("http://").unwrap().to_owned();

        let good = format!(
            "Host: {address}\r\nAuthorization: Bearer admin:{CANARY}\r\nX-Eden-Experiment-Id: \
             default\r\nConnection: close\r\n"
        );
        for request in &with_the_canary(&good) {
            let answer = server.say(request);
            assert!(answer.starts_with(b"HTTP/1.1 "), "{request}");
        }
        http2(&address);

        let client = |arguments: &[&str]| {
            let mut command = crate::harness::artifact(server.folder.path());
            command.args(arguments).args(["--server", &server.url]);
            command.env("ARTIFACT_ADMIN_TOKEN", CANARY);
            command
        };
        let put = run_with(&mut client(&["put", "-"]), CANARY.as_bytes()).succeeded();
        let get = run(&mut client(&["get", put.stdout().trim_end()])).succeeded();
        assert_eq!(get.stdout(), CANARY);
        assert!(!format!("{}{}{}", put.stdout(), put.stderr, get.stderr).contains(CANARY));

        server.signal("TERM");
        let (code, said) = server.wait();
        assert_eq!((code, said.contains(CANARY)), (Some(0), false));
        let log = server.stderr();
        assert!(log.contains("TRACE"), "nothing was logged");
        let line = log.lines().find(|line| line.contains(CANARY));
        assert_eq!(line, None, "{format}");
    }
}

/// Returns requests that contain the secret, one for each place in a request.
fn with_the_canary(good: &str) -> Vec<String> {
    let post = |headers: &str, more: &str, body: &str| {
        format!(
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}{more}Content-Type: \
             multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let part = |head: &str, bytes: &str| format!("--b\r\n{head}\r\n\r\n{bytes}\r\n--b--\r\n");
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"f\"";
    let wrong = good.replace("admin:", "admin:x");
    let mut requests = vec![
        post(good, "", &part(file, CANARY)),
        post(&wrong, "", &part(file, CANARY)),
        post(&good.replace("Bearer", "Basic"), "", ""),
        post(&good.replace("admin:", ""), "", ""),
        post(&good.replace("admin:", "wkr_"), "", ""),
        post(
            &format!("{good}Authorization: Bearer admin:{CANARY}\r\n"),
            "",
            "",
        ),
        // In each part of a body that is rejected.
        post(good, "", &format!("{CANARY}{}", part(file, "x"))),
        post(
            good,
            "",
            &part(&file.replace("\"file\"", &format!("\"{CANARY}\"")), "x"),
        ),
        post(good, "", &part(&format!("{CANARY}: x"), "x")),
        post(good, "", &part(CANARY, "x")),
        post(
            good,
            "",
            &part(
                &format!("{file}\r\nContent-Transfer-Encoding: {CANARY}"),
                "x",
            ),
        ),
        post(
            good,
            "",
            &part(&format!("{file}\r\nContent-Digest: {CANARY}"), "x"),
        ),
        post(good, "", &format!("{}{CANARY}", part(file, "x"))),
        post(good, &format!("Content-Digest: {CANARY}\r\n"), ""),
        post(good, &format!("Content-Encoding: {CANARY}\r\n"), ""),
        post(good, "", "").replace("boundary=b", &format!("boundary={CANARY}; boundary=x")),
        post(good, "", "").replace("Content-Length: 0", &format!("Content-Length: {CANARY}")),
    ];
    // In the request line, the query and other fields.
    for line in [
        format!("GET /v0/experiments/default?token={CANARY} HTTP/1.1"),
        format!("GET /v0/experiments/default/artifacts?uri={CANARY} HTTP/1.1"),
        format!("GET /v0/{CANARY} HTTP/1.1"),
        format!("GET /v0/experiments/{CANARY} HTTP/1.1"),
        format!("GET http://admin:{CANARY}@h/ HTTP/1.1"),
        format!("{CANARY} / HTTP/1.1"),
        format!("GET / {CANARY}"),
        format!("GET /healthz HTTP/1.1\r\nCookie: {CANARY}\r\nX-Api-Key: {CANARY}"),
        format!("GET /healthz HTTP/1.1\r\n{CANARY}"),
        format!("GET /healthz HTTP/1.1\r\n{CANARY}: x\0"),
    ] {
        requests.push(format!("{line}\r\n{good}\r\n"));
    }
    requests
}

/// Sends the credential over HTTP/2, whose implementation has log events of its own.
fn http2(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::builder()
            .uri(format!(
                "http://{address}/v0/experiments/default?x={CANARY}"
            ))
            .header("authorization", format!("Bearer admin:{CANARY}"))
            .header("cookie", CANARY)
            .header("x-eden-experiment-id", "default")
            .body(())
            .unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
}
