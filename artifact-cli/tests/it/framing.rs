//! Malformed requests get a problem, and no header, name or range of a client breaks a response. Framing
//! itself is tested in artifact-server.

use crate::harness::{Answer, Server, noise, run_with};

fn count(answers: &[u8]) -> usize {
    answers
        .windows(9)
        .filter(|here| here == b"HTTP/1.1 ")
        .count()
}

#[test]
fn rejections_by_the_server_are_problems() {
    let server = Server::start(&[]);
    let bad = "eden://error/bad-request";
    let long = "x".repeat(64 << 10);
    let table = [
        (400, bad, "nonsense\r\n\r\n".to_owned()),
        (
            414,
            "about:blank",
            format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
        ),
        (
            414,
            "about:blank",
            format!(
                "GET /{} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                &long[..9000]
            ),
        ),
        (
            431,
            "about:blank",
            format!("GET / HTTP/1.1\r\nHost: h\r\nx: {long}\r\n\r\n"),
        ),
        (400, bad, "GET / HTTP/1.1\r\n\r\n".into()),
        (
            400,
            bad,
            "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n".into(),
        ),
        (400, bad, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into()),
        (
            400,
            bad,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .into(),
        ),
        (
            413,
            "eden://error/payload-too-large",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n".into(),
        ),
    ];
    for (status, kind, request) in table {
        let beginning: String = request.chars().take(60).collect();
        let answers = server.say(&request);
        assert_eq!(count(&answers), 1, "{beginning:?}");
        let answer = Answer::of(&answers);
        assert_eq!(answer.status, status, "{beginning:?}: {}", answer.head);
        answer.assert_problem(status, kind);
        assert!(answer.field("date").is_some(), "{}", answer.head);
    }
    // A complete request before a malformed one is answered.
    let answers = server.say("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\n");
    assert_eq!(count(&answers), 2);
    let first = Answer::of(&answers);
    assert_eq!(first.status, 200);
    let second = Answer::of(first.body.strip_prefix(b"ok").unwrap());
    assert_eq!(second.status, 400);
}

#[test]
fn a_deposit_with_two_framings_hides_no_request() {
    let server = Server::start(&[]);
    let before = server.blobs();
    let (_, headers) = server.connect();
    let hidden = format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
    let form =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b--";
    let chunk = format!("{:x}\r\n{form}\r\n0\r\n\r\n{hidden}", form.len());
    for framing in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked",
            chunk.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}",
            chunk.len()
        ),
        "Content-Length: 4\r\nTransfer-Encoding: chunked".to_owned(),
    ] {
        let answers = server.say(format!(
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}{framing}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n{chunk}"
        ));
        assert_eq!(
            count(&answers),
            1,
            "{framing}: {}",
            String::from_utf8_lossy(&answers)
        );
        let answer = Answer::of(&answers);
        answer.assert_problem(400, "eden://error/bad-request");
    }
    assert_eq!(server.blobs(), before);
}

#[test]
fn forwarded_headers_and_credentials_in_the_query_are_ignored() {
    let mut server = Server::start(&[]);
    let (_, headers) = server.connect();
    let token = server.token();
    let host = server.url.strip_prefix("http://").unwrap();
    let problem = |more: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{more}Connection: close\r\n\r\n");
        Answer::of(&server.say(request))
    };
    let forwarded = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: \
                     https\r\nForwarded: for=6.6.6.6;host=evil\r\n";
    let answer = problem(&format!("{headers}{forwarded}"), "/v0/x");
    let found = answer.assert_problem(404, "eden://error/not-found");
    assert_eq!(found["instance"], format!("http://{host}/v0/x"));

    let twice = format!("{headers}Authorization: Bearer admin:{token}\r\n");
    problem(&twice, "/v0/x").assert_problem(400, "eden://error/bad-request");
    for name in ["token", "access_token", "authorization"] {
        let path = format!("/v0/experiments/default?{name}=admin:{token}");
        let without = format!("Host: {host}\r\nX-Eden-Experiment-Id: default\r\n");
        let answer = problem(&without, &path);
        answer.assert_problem(401, "eden://error/unauthorized");
        assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    }
    server.signal("TERM");
    server.wait();
    let log = server.stderr();
    assert!(log.contains("artifact::request"), "{log}");
    assert!(!log.contains("6.6.6.6") && !log.contains(&token), "{log}");
}

#[test]
fn head_options_and_multi_range_requests_get_correct_responses() {
    let server = Server::start(&[]);
    let bytes = noise(5000);
    let put = run_with(&mut server.client(&["put", "-"]), &bytes).succeeded();
    let uri = put.stdout().trim_end().replace('/', "%2F");
    let fetch = format!("/v0/experiments/default/artifacts?uri={uri}");
    let (_, headers) = server.connect();
    let send = |method: &str, path: &str, more: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\r\n{headers}{more}Connection: close\r\n\r\n");
        Answer::of(&server.say(request))
    };
    for (path, get, allow) in [
        ("/healthz", 200, Some("GET, HEAD")),
        ("/readyz", 200, Some("GET, HEAD")),
        ("/v0/experiments/default", 200, Some("GET, HEAD")),
        (&*fetch, 200, Some("POST, GET, HEAD")),
        (
            "/v0/experiments/default/artifacts",
            400,
            Some("POST, GET, HEAD"),
        ),
        ("/v0/experiments/default/x", 404, None),
        ("/", 404, None),
        ("*", 404, None),
    ] {
        let (got, head) = (send("GET", path, ""), send("HEAD", path, ""));
        assert_eq!((got.status, head.status), (get, get), "{path}");
        assert_eq!(head.body, b"", "{path}");
        let length = got.field("content-length");
        assert_eq!(head.field("content-length"), length, "{path}");
        let options = send("OPTIONS", path, "");
        let status = if allow.is_some() { 405 } else { 404 };
        assert_eq!(
            (options.status, options.field("allow")),
            (status, allow),
            "{path}"
        );
    }
    let ranges = (0..1000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>();
    let range = format!("Range: bytes={}\r\n", ranges.join(","));
    let answer = send("GET", &fetch, &range);
    assert_eq!((answer.status, answer.body == bytes), (200, true));
    let one = send("GET", &fetch, "Range: bytes=1-2\r\n");
    assert_eq!((one.status, &one.body[..]), (206, &bytes[1..=2]));
}

#[test]
fn file_names_and_types_cannot_inject_header_fields() {
    let server = Server::start(&[]);
    let (_, headers) = server.connect();
    let long = "t".repeat(8 << 10);
    // Escapes are kept as they are; raw control characters reject the deposit.
    for (name, kind, status) in [
        ("a%0d%0aX-Injected: 1", "text/plain", 201),
        ("a\\r\\nX-Injected: 1", "text/html; charset=utf-7", 201),
        ("<svg onload=x>.svg", "image/svg+xml", 201),
        ("n\u{e4}me\u{202e}gpj.exe", "text/\u{e4}", 201),
        ("f", &long, 201),
        // A folded header line is one value, and its line break does not reach the response.
        ("f", "a/b\r\n X-Injected: 1", 201),
        ("f", "a/b\u{1}c", 400),
        ("a\r\nX-Injected: 1", "a/b", 400),
    ] {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\nbytes\r\n--b--\r\n"
        );
        let deposit = Answer::of(&server.say(format!(
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Connection: close\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )));
        assert_eq!(deposit.status, status, "{name} {kind}: {}", deposit.head);
        if status != 201 {
            deposit.assert_problem(400, "eden://error/bad-request");
            continue;
        }
        let answer: serde_json::Value = serde_json::from_slice(&deposit.body).unwrap();
        let uri = answer["artifacts_uri"].as_str().unwrap();
        let path = format!(
            "/v0/experiments/default/artifacts?uri={}",
            uri.replace('/', "%2F")
        );
        let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let fetch = Answer::of(&server.say(request));
        assert_eq!((fetch.status, &fetch.body[..]), (200, &b"bytes"[..]));
        // Each line is an expected field, occurs once, and is ASCII.
        let mut names: Vec<_> = fetch
            .head
            .lines()
            .skip(1)
            .map(|line| line.split_once(": ").unwrap().0)
            .collect();
        names.sort_unstable();
        let expected = [
            "accept-ranges",
            "cache-control",
            "connection",
            "content-disposition",
            "content-length",
            "content-security-policy",
            "content-type",
            "cross-origin-resource-policy",
            "date",
            "etag",
            "repr-digest",
            "vary",
            "x-content-type-options",
            "x-request-id",
        ];
        assert_eq!(names, expected, "{}", fetch.head);
        assert!(fetch.head.is_ascii(), "{}", fetch.head);
        assert!(!fetch.head.replace("\r\n", "").contains(['\r', '\n']));
        let disposition = fetch.field("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment"), "{disposition}");
        // A second HTTP parser agrees.
        let get = crate::harness::run(&mut server.client(&["get", uri])).succeeded();
        assert_eq!(get.stdout, b"bytes");
    }
}

#[test]
fn the_instance_of_a_strange_target_is_a_valid_uri() {
    let server = Server::start(&[]);
    for (request_line, status, instance) in [
        ("OPTIONS *", 404, "http://h:1"),
        ("CONNECT a.example:443", 404, "http://a.example:443"),
        (
            "GET /na\u{ef}ve?\u{1f980}",
            404,
            "http://h:1/na%C3%AFve?%F0%9F%A6%80",
        ),
        ("GET /%zz%", 404, "http://h:1/%25zz%25"),
        ("GET /{a}\"b\"", 404, "http://h:1/%7Ba%7D%22b%22"),
        ("GET http://a.example/x", 404, "http://a.example/x"),
        ("GET /v0/\u{ef}", 401, "http://h:1/v0/%C3%AF"),
    ] {
        let request = format!("{request_line} HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n");
        let answers = server.say(request);
        assert_eq!(count(&answers), 1, "{request_line}");
        let answer = Answer::of(&answers);
        assert_eq!(answer.status, status, "{request_line}");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["instance"], instance, "{request_line}");
    }
}
