//! Tests clients that take a response slowly or not at all, over HTTP/1.1 and HTTP/2, with the clock
//! paused. The HTTP/2 client sends raw frames, so that it decides about each byte of its window.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower::service_fn;

use super::tests::{CONFIG, connect_to};

const WINDOW: Duration = CONFIG.throughput_window;
/// Longer than each limit, far shorter than a time that grows with the size of a piece.
const LONG: Duration = Duration::from_secs(1000);

/// A server whose responses consist of 64 pieces of this size, and the number of pieces that it was
/// asked for.
struct Server {
    piece: usize,
    requested: Arc<AtomicUsize>,
}

impl Server {
    fn new(piece: usize) -> Self {
        Self {
            piece,
            requested: Arc::default(),
        }
    }

    fn connect(&self) -> (DuplexStream, JoinHandle<()>) {
        let (piece, requested) = (self.piece, Arc::clone(&self.requested));
        let service = service_fn(move |_| {
            let body = StreamBody::new(pieces(piece, &requested));
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        connect_to(CONFIG, service)
    }
}

fn pieces(
    size: usize,
    requested: &Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Unpin + use<> {
    let (bytes, requested) = (Bytes::from(vec![0; size]), Arc::clone(requested));
    stream::iter(0..64).map(move |_| {
        requested.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(bytes.clone()))
    })
}

/// Encodes one frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A connection with a request, whose client has read nothing yet.
struct Client {
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    task: JoinHandle<()>,
}

impl Client {
    /// Sends a request over HTTP/1.1.
    async fn http1(server: &Server) -> Self {
        let (client, task) = server.connect();
        let (reader, mut writer) = tokio::io::split(client);
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        writer.write_all(request).await.unwrap();
        Self {
            reader,
            writer,
            task,
        }
    }

    /// Sends a request over HTTP/2 with `window` as the initial window of each stream.
    async fn http2(server: &Server, window: u32) -> Self {
        let (client, task) = server.connect();
        let (reader, mut writer) = tokio::io::split(client);
        let setting = [&[0, 4], &window.to_be_bytes()[..]].concat();
        // `:method: GET`, `:scheme: http`, `:path: /` of the static table (RFC 7541, appendix A).
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &frame(4, 0, 0, &setting)[..],
            &frame(1, 5, 1, &[0x82, 0x86, 0x84]),
        ];
        writer.write_all(&bytes.concat()).await.unwrap();
        Self {
            reader,
            writer,
            task,
        }
    }

    /// Makes room for `bytes` further bytes of the first stream.
    async fn open_window(&mut self, bytes: u32) -> std::io::Result<()> {
        let more = bytes.to_be_bytes();
        let frames = [frame(8, 0, 0, &more), frame(8, 0, 1, &more)].concat();
        self.writer.write_all(&frames).await
    }

    /// Reads everything that arrives within a second.
    async fn read_for_one_second(&mut self) {
        let mut sink = tokio::io::sink();
        let reading = tokio::io::copy(&mut self.reader, &mut sink);
        if timeout(Duration::from_secs(1), reading).await.is_ok() {
            // The server has closed.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Reads everything that arrives until the connection ends. Returns when that was.
    async fn end(mut self) -> Instant {
        let reading = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut self.reader, &mut tokio::io::sink()).await;
        });
        timeout(LONG, self.task).await.unwrap().unwrap();
        let end = Instant::now();
        // The client's end stays open until here.
        drop(self.writer);
        reading.await.unwrap();
        end
    }
}

#[tokio::test(start_paused = true)]
async fn an_http2_reader_that_takes_nothing_is_closed_after_the_window() {
    for piece in [1, 1000, 100_000, 1 << 20] {
        for window in [0, 1, 65_535, 1 << 20] {
            if piece * 64 <= window as usize {
                continue;
            }
            let began = Instant::now();
            let client = Client::http2(&Server::new(piece), window).await;
            let waited = client.end().await - began;
            assert_eq!(waited, WINDOW, "pieces of {piece}, window {window}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_http1_reader_that_takes_nothing_is_closed_after_the_window() {
    for piece in [1000, 100_000, 1 << 20] {
        let began = Instant::now();
        let client = Client::http1(&Server::new(piece)).await;
        timeout(LONG, client.task).await.unwrap().unwrap();
        assert_eq!(began.elapsed(), WINDOW, "pieces of {piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_http2_reader_below_the_minimum_rate_is_closed_and_others_are_not() {
    for (rate, lasts) in [(1, false), (500, false), (1000, true), (5000, true)] {
        for first_window in [0, 30_000] {
            let mut client = Client::http2(&Server::new(100_000), first_window).await;
            let mut seconds = 0;
            // The client does not answer the ping that comes after 30 seconds.
            while seconds < 45 && !client.task.is_finished() {
                client.read_for_one_second().await;
                // Fails if the server has closed.
                let _ = client.open_window(rate).await;
                seconds += 1;
            }
            assert_eq!(seconds == 45, lasts, "{rate} bytes a second: {seconds} s");
            if rate == 1 {
                assert!(WINDOW.as_secs().abs_diff(seconds) <= 1, "{seconds} s");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_http1_reader_of_one_byte_a_second_is_closed_after_the_window() {
    let began = Instant::now();
    let mut client = Client::http1(&Server::new(1 << 20)).await;
    while !client.task.is_finished() {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(client.reader.read(&mut [0]).await.unwrap(), 1);
    }
    let waited = began.elapsed();
    assert!(waited <= WINDOW + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_costs_one_piece() {
    const PIECE: usize = 32 << 10;
    let server = Server::new(PIECE);
    let client = Client::http2(&server, 0).await;
    sleep(WINDOW / 2).await;
    assert_eq!(server.requested.load(Ordering::Relaxed), 1);
    drop(client);

    let server = Server::new(PIECE);
    let client = Client::http1(&server).await;
    sleep(WINDOW / 2).await;
    assert_eq!(server.requested.load(Ordering::Relaxed), 1);
    drop(client);
}
