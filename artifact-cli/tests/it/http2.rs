//! Deposits and fetches over HTTP/2. HTTP/2 itself is tested in artifact-server.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{Server, noise};

/// The time limit of a wait. Only a failing test reaches it.
const LONG: Duration = Duration::from_mins(1);

pub(crate) type Client = (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>);

pub(crate) async fn connect(server: &Server) -> Client {
    let address = server.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection): (_, Connection<_, Bytes>) =
        h2::client::handshake(stream).await.unwrap();
    let task = tokio::spawn(connection);
    (client, task)
}

pub(crate) fn request(server: &Server, method: &str, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.url))
        .header("authorization", format!("Bearer admin:{}", server.token()))
        .header("x-eden-experiment-id", "default")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(())
        .unwrap()
}

async fn read(response: ResponseFuture) -> (StatusCode, Vec<u8>) {
    let response = timeout(LONG, response).await.unwrap().unwrap();
    let status = response.status();
    assert_eq!(response.headers().get("connection"), None);
    assert!(response.headers().contains_key("x-request-id"));
    let mut body = response.into_body();
    let mut all = vec![];
    while let Some(chunk) = timeout(LONG, body.data()).await.unwrap() {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        all.extend_from_slice(&chunk);
    }
    (status, all)
}

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

const ARTIFACTS: &str = "/v0/experiments/default/artifacts";
const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

async fn get(
    server: &Server,
    client: &mut SendRequest<Bytes>,
    path: &str,
) -> (StatusCode, Vec<u8>) {
    let mut client = client.clone().ready().await.unwrap();
    let (response, _) = client
        .send_request(request(server, "GET", path), true)
        .unwrap();
    read(response).await
}

#[test]
fn a_json_body_that_stops_is_answered_408() {
    let server = Server::start(&["--throughput-window", "1"]);
    block_on(async {
        let (client, _task) = connect(&server).await;
        for path in [
            "workers",
            "groups",
            "groups/grp_00000000000000000000000000/members",
        ] {
            let path = format!("/v0/experiments/default/{path}");
            let mut request = request(&server, "POST", &path);
            let json = http::HeaderValue::from_static("application/json");
            request.headers_mut().insert("content-type", json);
            let mut client = client.clone().ready().await.unwrap();
            let (response, mut body) = client.send_request(request, false).unwrap();
            body.send_data(Bytes::from_static(b"{\"name\""), false)
                .unwrap();
            let (status, problem) = read(response).await;
            let problem = String::from_utf8_lossy(&problem);
            assert_eq!(status, 408, "{path}: {problem}");
            assert!(problem.contains("about:blank"), "{path}: {problem}");
        }
    });
}

#[test]
fn a_fetch_returns_the_deposited_bytes() {
    let server = Server::start(&[]);
    block_on(async {
        let (mut client, _task) = connect(&server).await;
        let bytes = noise(3 << 20);
        let form = [HEAD.as_bytes(), &bytes, b"\r\n--b--\r\n"].concat();
        let (response, mut body) = client
            .send_request(request(&server, "POST", ARTIFACTS), false)
            .unwrap();
        body.send_data(form.into(), true).unwrap();
        let (status, answer) = read(response).await;
        assert_eq!(status, 201);
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let uri = answer["artifacts_uri"]
            .as_str()
            .unwrap()
            .replace('/', "%2F");
        let (status, back) = get(&server, &mut client, &format!("{ARTIFACTS}?uri={uri}")).await;
        assert_eq!((status, back == bytes), (StatusCode::OK, true));

        // A rejection by the server is a problem too.
        let (status, problem) = get(&server, &mut client, &format!("/{}", "x".repeat(9000))).await;
        assert_eq!(status, 414);
        let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(problem["status"], 414);
    });
}

#[test]
fn a_deposit_that_stops_is_answered_408_and_leaves_nothing() {
    let server = Server::start(&["--throughput-window", "1"]);
    let before = server.blobs();
    block_on(async {
        let (mut client, _task) = connect(&server).await;
        let (response, mut body) = client
            .send_request(request(&server, "POST", ARTIFACTS), false)
            .unwrap();
        body.send_data(HEAD.into(), false).unwrap();
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
        let (status, problem) = read(response).await;
        assert_eq!(status, 408, "{}", String::from_utf8_lossy(&problem));
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
    });
    assert_eq!(server.blobs(), before);
}
