//! Faults that the proxy can inject.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::canned::CannedResponse;

/// A fault of one request.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The store carries out the request, but its response is lost.
    ResponseLost(Loss),
    /// The store carries out the request, but the client receives this response.
    ResponseReplaced(CannedResponse),
    /// The request never reaches the store, and the client receives no response.
    RequestLost(Loss),
    /// The request never reaches the store, and the client receives this response.
    Rejected(CannedResponse),
    /// This action, such as another client's write, runs before the request is forwarded.
    Overtaken(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
    /// The response body is sent in chunks of `chunk` bytes, with a pause before each.
    SlowBody {
        /// The size of a chunk in bytes.
        chunk: usize,
        /// The pause before each chunk.
        pause: Duration,
    },
    /// The connection closes after `after` bytes of the response body.
    CutBody {
        /// The number of bytes sent.
        after: usize,
    },
    /// The response has a wrong e-tag.
    WrongETag,
}

/// How a response gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection is closed normally (FIN) without a response.
    Closed,
    /// The connection is reset (RST).
    Reset,
    /// The connection stays open and silent until the client gives up.
    Silent,
    /// The connection is closed in the middle of the response head, after the status 200.
    CutHead,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Reset, Self::Silent, Self::CutHead];
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResponseLost(loss) => write!(f, "carried out, then {loss}"),
            Self::ResponseReplaced(response) => write!(f, "carried out, then {response}"),
            Self::RequestLost(loss) => write!(f, "not carried out, {loss}"),
            Self::Rejected(response) => write!(f, "not carried out, {response}"),
            Self::Overtaken(_) => f.write_str("overtaken by another client"),
            Self::SlowBody { chunk, pause } => write!(f, "{chunk} bytes each {pause:?}"),
            Self::CutBody { after } => write!(f, "body cut after {after} bytes"),
            Self::WrongETag => f.write_str("wrong e-tag"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Silent => "silence",
            Self::CutHead => "head cut",
        })
    }
}
