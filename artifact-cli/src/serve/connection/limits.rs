//! How much of the server's time and room a client may take.

use std::time::Duration;

use artifact_http::Refusal;
use http::Request;

use super::pace::Pace;

/// The longest path and query, in bytes.
const MAX_URI: usize = 8 << 10;

/// What the kernel holds for a slow reader beyond what it has said it takes: the setting of
/// `TCP_NOTSENT_LOWAT`.
pub(crate) const BACKLOG: u32 = 128 << 10;

/// The limits on one connection, and on all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the header of a request, from its first byte; for TLS to be agreed on.
    pub(crate) header: Duration,
    /// For the first byte of the next request.
    pub(crate) idle: Duration,
    /// How long a client may be slower than `rate`, in all, before it is given up.
    pub(crate) window: Duration,
    /// Bytes a second, both ways; 0 for none.
    pub(crate) rate: u64,
    /// For what is in flight at the end of the server.
    pub(crate) drain: Duration,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Bytes of a request's header, its first line included.
    pub(crate) header_bytes: usize,
}

impl Limits {
    /// What came whole and is too long all the same: the header arrived in one piece with its end,
    /// or over HTTP/2.
    pub(super) fn refuses<B>(&self, request: &Request<B>) -> Option<Refusal> {
        let uri = request.uri().path_and_query();
        let uri = uri.map_or(0, |uri| uri.as_str().len());
        // A name, a colon, a space, a value, CR and LF.
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + 4
        };
        let header: usize = request.headers().iter().map(field).sum();
        if uri > MAX_URI {
            Some(Refusal::UriTooLong)
        } else if uri + header > self.header_bytes {
            Some(Refusal::HeaderTooLarge)
        } else {
            None
        }
    }

    /// The patience with a body on its way in.
    pub(crate) fn inbound(&self) -> Pace {
        Pace::new(self.rate, self.window, 0)
    }

    /// The patience with a client that is to take what is written.
    pub(crate) fn outbound(&self) -> Pace {
        Pace::new(self.rate, self.window, u64::from(BACKLOG))
    }
}
