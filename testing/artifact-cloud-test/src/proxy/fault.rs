//! What can happen to a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::answer::Answer;

/// What happens to one request.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The store does what was asked, and the client does not learn what it answered.
    AnswerLost(Loss),
    /// The store does what was asked, and the client is answered this instead.
    AnswerReplaced(Answer),
    /// The store is never asked, and the client gets no answer.
    RequestLost(Loss),
    /// The store is never asked, and the client is answered this.
    Refused(Answer),
    /// Something else happens first, such as another client's write; then the request goes on.
    Overtaken(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
    /// The answer's body comes in pieces of so many bytes with a pause before each.
    SlowBody {
        /// The size of a piece, in bytes.
        piece: usize,
        /// The pause before each piece.
        pause: Duration,
    },
    /// The connection ends after so many bytes of the answer's body.
    CutBody {
        /// How many bytes come.
        after: usize,
    },
    /// The answer says another e-tag than the store's.
    WrongETag,
}

/// How an answer gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection is closed in order (FIN), with no answer.
    Closed,
    /// The connection is reset (RST).
    Reset,
    /// Nothing comes any more, until the client gives up.
    Silent,
    /// The connection is closed in the middle of the head of the answer, which begins with 200.
    CutHead,
}

impl Loss {
    /// All ways.
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
            Self::AnswerLost(loss) => write!(f, "done, then {loss}"),
            Self::AnswerReplaced(answer) => write!(f, "done, then {answer}"),
            Self::RequestLost(loss) => write!(f, "not done, {loss}"),
            Self::Refused(answer) => write!(f, "not done, {answer}"),
            Self::Overtaken(_) => f.write_str("overtaken by another"),
            Self::SlowBody { piece, pause } => write!(f, "{piece} bytes each {pause:?}"),
            Self::CutBody { after } => write!(f, "body cut after {after} bytes"),
            Self::WrongETag => f.write_str("another e-tag"),
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
