//! Forwards one request to the store and reads the complete response.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends the request on a new connection, so that earlier faults have no effect, and reads the response
/// completely.
pub(super) async fn forward(
    store: SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, BoxError> {
    let stream = TcpStream::connect(store).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = request.map(Full::new);
    remove_hop_by_hop(request.headers_mut());
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    remove_hop_by_hop(&mut head.headers);
    Ok(Response::from_parts(head, body))
}

/// Removes the headers that concern one connection only (RFC 9110 section 7.6.1). `Host` stays
/// unchanged, because it is signed.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
    ] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}
