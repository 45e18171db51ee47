//! Traces: a collector of the test receives the spans of real requests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::harness::{Answer, Server};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A span, as the collector gets it.
#[derive(Debug, Clone, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    is_error: bool,
    attributes: HashMap<String, String>,
}

/// Receives OTLP by HTTP with protobuf, until it is dropped.
struct Collector {
    url: String,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let received = Arc::clone(&received);
                std::thread::spawn(move || while receive(stream.as_ref().unwrap(), &received) {});
            }
        });
        Self { url, requests }
    }

    fn bytes(&self) -> Vec<u8> {
        self.requests.lock().unwrap().concat()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let requests = requests.iter().flat_map(|request| fields(request));
        // resource_spans, scope_spans and spans of `opentelemetry/proto/trace/v1/trace.proto`.
        let resources = requests.filter(|(number, _)| *number == 1);
        let scopes = resources.flat_map(|(_, resource)| of(resource.bytes(), 2));
        let spans = scopes.flat_map(|scope| of(scope, 2));
        spans.map(span).collect()
    }
}

/// Receives one request. Returns whether the connection goes on.
fn receive(stream: &TcpStream, received: &Mutex<Vec<Vec<u8>>>) -> bool {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut is_first = true;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if std::mem::take(&mut is_first) {
            assert_eq!(line.trim_end(), "POST /v1/traces HTTP/1.1");
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    received.lock().unwrap().push(body);
    let mut stream = stream;
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).is_ok()
}

/// The value of a field of protobuf.
#[derive(Debug, Clone, Copy)]
enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    fn bytes(self) -> &'b [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    fn text(self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Returns the fields of a message with their numbers (protobuf.dev, "Encoding").
fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    fn number(message: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = message[0];
            *message = &message[1..];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message);
        let (value, rest) = match key & 7 {
            0 => (Value::Number(number(&mut message)), message),
            1 => (Value::Bytes(&message[..8]), &message[8..]),
            2 => {
                let length = usize::try_from(number(&mut message)).unwrap();
                (Value::Bytes(&message[..length]), &message[length..])
            }
            5 => (Value::Bytes(&message[..4]), &message[4..]),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value));
        message = rest;
    }
    found
}

/// Returns the fields of a message that have this number.
fn of(message: &[u8], number: u64) -> Vec<&[u8]> {
    let fields = fields(message).into_iter();
    let fields = fields.filter(|(found, _)| *found == number);
    fields.map(|(_, value)| value.bytes()).collect()
}

fn span(message: &[u8]) -> Span {
    use std::fmt::Write as _;
    let hex = |value: Value<'_>| {
        value.bytes().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let mut span = Span::default();
    for (number, value) in fields(message) {
        match (number, value) {
            (1, id) => span.trace = hex(id),
            (2, id) => span.id = hex(id),
            (4, id) => span.parent = hex(id),
            (5, name) => span.name = name.text(),
            (6, Value::Number(kind)) => span.kind = kind,
            (9, attribute) => {
                let key = of(attribute.bytes(), 1)[0];
                let any = fields(of(attribute.bytes(), 2)[0]);
                let key = String::from_utf8_lossy(key).into_owned();
                span.attributes.insert(key, any[0].1.text());
            }
            // Status: STATUS_CODE_ERROR is 2.
            (15, status) => {
                let code = fields(status.bytes());
                span.is_error = code
                    .iter()
                    .any(|(number, value)| *number == 3 && matches!(value, Value::Number(2)));
            }
            _ => {}
        }
    }
    span
}

/// Starts a server that sends its spans within a moment.
fn start(collector: &str) -> Server {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    Server::start_with(TempDir::new().unwrap(), &[], &environment)
}

fn send(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Authorization: Bearer admin:{}\r\nContent-Type: text/plain\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        server.token(),
        body.len()
    );
    Answer::of(&server.say(request))
}

const ARTIFACTS: &str = "/v1/experiments/default/artifacts";

#[test]
fn the_spans_of_a_deposit_are_one_trace_with_its_client() {
    let collector = Collector::start();
    let server = start(&collector.url);
    let parent = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    let deposited = send(&server, "POST", ARTIFACTS, &parent, "canary-in-the-file");
    assert_eq!(deposited.status, 201);
    let of_trace = || -> Vec<Span> {
        let spans = collector.spans().into_iter();
        spans.filter(|span| span.trace == TRACE).collect()
    };
    server.wait_until("the span of the request", || {
        of_trace().iter().any(|span| span.parent == PARENT)
    });
    let spans = of_trace();
    let root = spans.iter().find(|span| span.parent == PARENT).unwrap();
    assert_eq!(root.name, "POST /v1/experiments/{E}/artifacts");
    // SPAN_KIND_SERVER
    assert_eq!((root.kind, root.is_error), (2, false));
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/experiments/{E}/artifacts"),
        ("http.response.status_code", "201"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(root.attributes.get(key).map(String::as_str), Some(value));
    }
    let child = |name: &str| -> &Span {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name}: {spans:?}"))
    };
    let row = child("insert row");
    assert_eq!((&row.parent, row.kind), (&root.id, 3), "a client's span");
    assert_eq!(row.attributes["db.system.name"], "sqlite");
    assert_eq!(row.attributes["db.operation.name"], "insert row");
    let blob = child("backend");
    assert_eq!(blob.parent, root.id);
    assert_eq!(blob.attributes["outcome"], "ok");

    // Without the field of a client, each request begins a trace.
    assert_eq!(send(&server, "GET", ARTIFACTS, "", "").status, 200);
    let listed = || {
        let spans = collector.spans();
        let is_listed = |span: &&Span| span.name == "GET /v1/experiments/{E}/artifacts";
        spans.iter().find(is_listed).cloned()
    };
    server.wait_until("the span of the list", || listed().is_some());
    let listed = listed().unwrap();
    assert_eq!(listed.parent, "");
    assert_ne!(listed.trace, TRACE);

    // The last spans are sent at the end.
    let secret = "Jp9vQ0m3Xr7Yc2Lk8Wd4Ns6Hb1Tf5Gz0Ae3Ui7OoPqR";
    let link = format!("/v1/links/{secret}");
    assert_eq!(send(&server, "GET", &link, "", "").status, 404);
    let token = server.token();
    drop(server.stop("TERM"));
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name == "GET /v1/links/{L}"),
        "{spans:?}"
    );
    let sent = collector.bytes();
    let has = |text: &str| {
        sent.windows(text.len())
            .any(|found| found == text.as_bytes())
    };
    for secret in [&token, secret, "canary", "127.0.0.1"] {
        assert!(!has(secret), "{secret} was sent to the collector");
    }
    // The name of an operation may have the word.
    let mut values = spans.iter().flat_map(|span| span.attributes.values());
    assert!(values.all(|value| value != "admin"), "{spans:?}");
    assert!(has("service.name") && has("artifact"));
}

#[test]
fn a_collector_that_is_gone_costs_one_line_and_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = start(&url);
    let line = "cannot send spans to the collector";
    server.wait_until("the line in the log", || {
        assert_eq!(send(&server, "GET", ARTIFACTS, "", "").status, 200);
        server.stderr().contains(line)
    });
    let folder = server.stop("TERM");
    let path = folder.path().join("stderr");
    #[expect(clippy::disallowed_methods, reason = "a test reads its own files")]
    let said = std::fs::read_to_string(path).unwrap();
    assert_eq!(said.matches(line).count(), 1, "{said}");
}
