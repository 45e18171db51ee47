//! Counts the pieces of a response that HTTP/2 has not written, for the end of the connection.
//!
//! A body ends when the HTTP/2 implementation has its last piece. The piece may wait there for the client's
//! window long after.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::state::{ConnectionState, UnsentPiece};

/// A body whose pieces count as unsent until they are written.
#[derive(Debug)]
pub(crate) struct UnsentBody<B> {
    body: B,
    /// `None` over HTTP/1.1, where the stream knows what is unsent.
    connection: Option<Arc<ConnectionState>>,
}

impl<B> UnsentBody<B> {
    pub(super) fn new(body: B, connection: Option<Arc<ConnectionState>>) -> Self {
        Self { body, connection }
    }
}

impl<B: Body + Unpin> Body for UnsentBody<B> {
    type Data = Piece<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        polled.map_ok(|frame| {
            frame.map_data(|data| Piece {
                data,
                _unsent: this.connection.as_ref().map(ConnectionState::begin_piece),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A piece of a response. Dropped once it is written.
#[derive(Debug)]
pub(crate) struct Piece<D> {
    data: D,
    _unsent: Option<UnsentPiece>,
}

impl<D: Buf> Buf for Piece<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}
