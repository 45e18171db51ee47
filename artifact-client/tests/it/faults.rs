//! Property tests: whatever breaks, a fetch delivers the exact bytes or an error.

use artifact_client::{ByteRange, Client, FetchOptions, Result, Sha256Digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Request, immediate_retries, listen, read_request};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";

/// The fault of one connection.
#[derive(Debug, Clone)]
enum Fault {
    /// Closes the connection after this share of the body, in 255ths.
    Cut(u8),
    /// Resets the connection there.
    Reset(u8),
    /// Ignores the range and closes the connection there.
    IgnoreRange(u8),
    /// Sends only this share of the range.
    Shorten(u8),
    /// Closes the connection before the response.
    NoAnswer,
    Status(u16),
    /// A wrong response.
    Lie(Lie),
}

#[derive(Debug, Clone)]
enum Lie {
    /// Sends another artifact with its own tag.
    OtherArtifact,
    /// Changes one byte.
    OtherByte(u8),
    /// Rotates the body by one byte.
    Shift,
    /// Sends a `Content-Range` that is one byte further on.
    OtherPart,
    /// Sends a `Content-Range` with another total size.
    OtherTotal,
    /// Sends one byte more than requested.
    Surplus,
    /// Sends one byte less than the `Content-Range` says.
    WrongLength,
    Garbage,
}

fn honest() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => any::<u8>().prop_map(Fault::Cut),
        2 => any::<u8>().prop_map(Fault::Reset),
        2 => any::<u8>().prop_map(Fault::IgnoreRange),
        1 => any::<u8>().prop_map(Fault::Shorten),
        1 => Just(Fault::NoAnswer),
        1 => prop::sample::select(vec![408, 429, 502, 503, 504]).prop_map(Fault::Status),
    ]
}

fn lie() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Lie::OtherArtifact),
        any::<u8>().prop_map(Lie::OtherByte),
        Just(Lie::Shift),
        Just(Lie::OtherPart),
        Just(Lie::OtherTotal),
        Just(Lie::Surplus),
        Just(Lie::WrongLength),
        Just(Lie::Garbage),
    ]
    .prop_map(Fault::Lie)
}

/// Generates small artifacts and artifacts that arrive in several chunks.
fn artifact() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        (60_000_usize..200_000, any::<u64>()).prop_map(|(length, seed)| {
            let byte = |at: usize| (at as u64).wrapping_mul(seed | 1).to_le_bytes()[4];
            (0..length).map(byte).collect()
        }),
    ]
}

fn range() -> impl Strategy<Value = ByteRange> {
    prop_oneof![
        Just(ByteRange::Full),
        (0..50_u64, 0..100_000_u64).prop_map(|(first, length)| ByteRange::FromTo {
            first,
            last: first + length
        }),
        (0..50_u64).prop_map(ByteRange::From),
        (1..100_000_u64).prop_map(ByteRange::Suffix),
    ]
}

/// Returns the requested range of an artifact of `total` bytes.
fn requested_range(request: &Request, total: usize) -> Option<std::ops::Range<usize>> {
    let (first, last) = request
        .header("range")?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let number = |text: &str| text.parse::<u64>().unwrap();
    let range = match (first, last) {
        ("", length) => ByteRange::Suffix(number(length)),
        (first, "") => ByteRange::From(number(first)),
        (first, last) => ByteRange::FromTo {
            first: number(first),
            last: number(last),
        },
    };
    let found = range.resolve(total as u64).ok()?;
    Some(usize::try_from(found.start).unwrap()..usize::try_from(found.end).unwrap())
}

/// Replies to one request, with the fault.
async fn reply(mut stream: TcpStream, artifact: &[u8], sized: bool, fault: Option<Fault>) {
    let Ok(request) = read_request(&mut stream).await else {
        return;
    };
    let digest = Sha256::digest(artifact);
    let mut tag = format!("\"{}\"", Sha256Digest::from_bytes(digest.into()));
    let mut range = requested_range(&request, artifact.len());
    if request.header("if-range").is_some_and(|found| found != tag)
        || matches!(fault, Some(Fault::IgnoreRange(_)))
        || artifact.is_empty()
    {
        range = None;
    }
    let mut part = range.clone().unwrap_or(0..artifact.len());
    if let Some(Fault::Shorten(of)) = fault
        && range.is_some()
    {
        part.end = part.start + ((part.len() * usize::from(of)) / 255).max(1);
    }
    let mut content = artifact[part.clone()].to_vec();
    let mut total = artifact.len();
    let mut length = content.len();
    let (mut first, mut end) = (part.start, part.end);
    match &fault {
        Some(Fault::NoAnswer) => return,
        Some(Fault::Status(status)) => {
            let text =
                format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
            return;
        }
        Some(Fault::Lie(lie)) => match lie {
            Lie::OtherArtifact => {
                "\"another\"".clone_into(&mut tag);
                content.fill(b'?');
            }
            Lie::OtherByte(at) => {
                let at = usize::from(*at) % content.len().max(1);
                if let Some(byte) = content.get_mut(at) {
                    *byte ^= 1;
                }
            }
            Lie::Shift => content.rotate_left(usize::from(length > 0)),
            Lie::OtherPart => (first, end) = (first + 1, end + 1),
            Lie::OtherTotal => total += 1,
            Lie::Surplus => {
                content.push(b'!');
                (length, end) = (length + 1, end + 1);
            }
            Lie::WrongLength => {
                content.pop();
                length = content.len();
            }
            Lie::Garbage => {
                let _ = stream.write_all(b"\0\0\r\n\r\n").await;
                return;
            }
        },
        _ => {}
    }
    let status = if range.is_some() {
        let last = end.saturating_sub(1);
        format!("206 Partial Content\r\ncontent-range: bytes {first}-{last}/{total}")
    } else {
        "200 OK".to_owned()
    };
    let chunked = !sized && range.is_none();
    // One chunk, and its end only without a fault.
    let framing = if chunked {
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n")
    } else {
        format!("content-length: {length}\r\n\r\n")
    };
    let base64 = STANDARD.encode(digest);
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\netag: {tag}\r\nrepr-digest: sha-256=:{base64}:\r\n\
         connection: close\r\n{framing}"
    )
    .into_bytes();
    let reset = matches!(fault, Some(Fault::Reset(_)));
    if let Some(Fault::Cut(of) | Fault::Reset(of) | Fault::IgnoreRange(of)) = fault {
        let until = (content.len() * usize::from(of)) / 255;
        bytes.extend_from_slice(&content[..until]);
    } else {
        bytes.extend_from_slice(&content);
        let last: &[u8] = if length > 0 {
            b"\r\n0\r\n\r\n"
        } else {
            b"\r\n"
        };
        bytes.extend_from_slice(if chunked { last } else { b"" });
    }
    let _ = stream.write_all(&bytes).await;
    if reset {
        let _ = stream.set_zero_linger();
    }
}

async fn serve(listener: TcpListener, artifact: Vec<u8>, sized: bool, plan: Vec<Fault>) {
    let mut plan = plan.into_iter();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        reply(stream, &artifact, sized, plan.next()).await;
    }
}

async fn fetch(client: &Client, range: ByteRange) -> Result<Vec<u8>> {
    let options = FetchOptions::default().with_range(range);
    let fetched = client.fetch_with(URI, options).await?;
    Ok(fetched.into_bytes(1 << 20).await?.to_vec())
}

/// Fetches from a server with this plan, with up to `retries` retries.
fn outcome(
    artifact: &[u8],
    sized: bool,
    plan: Vec<Fault>,
    retries: usize,
    range: ByteRange,
) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (builder, listener) = listen().await;
        let policy = immediate_retries(u32::try_from(retries).unwrap());
        let client = builder.with_retry_policy(policy).build().unwrap();
        let server = tokio::spawn(serve(listener, artifact.to_vec(), sized, plan));
        let outcome = fetch(&client, range).await;
        server.abort();
        outcome
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_exact_bytes_arrive_however_often_connections_break(
        artifact in artifact(),
        sized in any::<bool>(),
        plan in vec(honest(), 0..6),
        range in range(),
    ) {
        let wanted = range.resolve(artifact.len() as u64);
        // Without a length, the client cannot apply an ignored range.
        let sized = sized || range != ByteRange::Full;
        let retries = plan.len();
        let found = outcome(&artifact, sized, plan, retries, range);
        match wanted {
            Ok(wanted) => {
                let place = |at| usize::try_from(at).unwrap();
                let wanted = place(wanted.start)..place(wanted.end);
                prop_assert!(found.unwrap() == artifact[wanted], "wrong bytes");
            }
            Err(_) => prop_assert!(found.is_err()),
        }
    }

    #[test]
    fn wrong_responses_give_the_exact_bytes_or_an_error(
        artifact in artifact(),
        sized in any::<bool>(),
        plan in vec(prop_oneof![honest(), lie()], 1..6),
        retries in 0_usize..8,
    ) {
        if let Ok(found) = outcome(&artifact, sized, plan, retries, ByteRange::Full) {
            prop_assert!(found == artifact, "wrong bytes");
        }
    }
}
