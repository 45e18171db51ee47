//! One request to the store and its answer, whole.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks the store on a connection of its own, so that no earlier fault is felt, and reads its answer
/// to the end.
pub(super) async fn forward(
    store: SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, BoxError> {
    let stream = TcpStream::connect(store).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let carried = tokio::spawn(connection);
    let mut request = request.map(Full::new);
    hop_by_hop(request.headers_mut());
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    carried.abort();
    hop_by_hop(&mut head.headers);
    Ok(Response::from_parts(head, body))
}

/// Takes out what speaks of one connection only (RFC 9110 section 7.6.1). The host stays as the client
/// wrote it: it is signed.
fn hop_by_hop(headers: &mut HeaderMap) {
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
