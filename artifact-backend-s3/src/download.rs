//! The bytes of a blob, taken up again where a connection broke.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::{GetRange, GetResult};
use tokio::time::{Instant, timeout};

use crate::core::{Core, Retry};
use crate::opening::Opened;
use crate::trouble::{Class, Trouble};

/// How often in a row a body may break without one byte arriving in between.
const BREAKS: u32 = 5;

struct Reading {
    core: Arc<Core>,
    operation: Operation,
    id: ArtifactId,
    opened: Opened,
    breaks: u32,
    /// What has come and is not delivered yet.
    surplus: Bytes,
}

/// The most bytes of one piece. A store in memory gives a blob as one.
const PIECE: usize = 1 << 20;

/// The bytes of an open blob. It ends after the last byte of the range or with an error: a body that
/// breaks, stalls or ends early is taken up again at the next byte, as long as the object is the
/// same one by its e-tag and size.
pub(crate) fn stream(
    core: Arc<Core>,
    operation: Operation,
    id: ArtifactId,
    opened: Opened,
) -> BoxStream<'static, Result<Bytes>> {
    let reading = Reading {
        core,
        operation,
        id,
        opened,
        breaks: 0,
        surplus: Bytes::new(),
    };
    stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let left = self.opened.range.end - self.opened.range.start;
            if left == 0 {
                return Ok(None);
            }
            if !self.surplus.is_empty() {
                let piece = self.surplus.split_to(self.surplus.len().min(PIECE));
                self.opened.range.start += piece.len() as u64;
                return Ok(Some(piece));
            }
            let next = timeout(self.core.config.read_timeout, self.opened.stream.next());
            let trouble = match next.await {
                Ok(Some(Ok(piece))) => {
                    if piece.len() as u64 > left {
                        return Err(self.error(ErrorKind::Corrupt, "more came than was asked for"));
                    }
                    if !piece.is_empty() {
                        self.breaks = 0;
                        self.surplus = piece;
                    }
                    continue;
                }
                Ok(Some(Err(error))) => Trouble::from(error),
                Ok(None) => broken("the body ended early"),
                Err(_) => broken("the body stalled"),
            };
            self.breaks += 1;
            if self.breaks > BREAKS || !self.core.traits.is_cloud {
                return Err(trouble.into_error_of(
                    ErrorKind::Unavailable,
                    self.operation,
                    Some(self.id),
                ));
            }
            self.resume().await?;
        }
    }

    /// Asks for what is still to come, of the same object.
    async fn resume(&mut self) -> Result<()> {
        let mut retry = Retry::until(Instant::now() + self.core.config.deadline);
        if self.breaks > 1 {
            retry.pause().await;
        }
        let range = self.opened.range.clone();
        let e_tag = self.opened.meta.e_tag.clone();
        let asked = Some(GetRange::Bounded(range.clone()));
        let found: GetResult = match self.core.get(self.id, asked, e_tag.as_deref(), true).await {
            Ok(found) => found,
            Err(trouble) if matches!(trouble.class, Class::Taken | Class::NoRange) => {
                return Err(self.error(ErrorKind::Corrupt, CHANGED));
            }
            Err(trouble) => return Err(trouble.into_error(self.operation, Some(self.id))),
        };
        // Not every server heeds the condition.
        let same = found.meta.e_tag == e_tag && found.meta.size == self.opened.meta.size;
        if !same || found.range != range {
            return Err(self.error(ErrorKind::Corrupt, CHANGED));
        }
        self.opened.stream = found.into_stream();
        Ok(())
    }

    fn error(&self, kind: ErrorKind, detail: &'static str) -> Error {
        Error::new(kind, self.operation)
            .with_id(self.id)
            .with_detail(detail)
    }
}

const CHANGED: &str = "the object changed while it was read";

fn broken(detail: &'static str) -> Trouble {
    Trouble::new(Class::Doubt, ErrorKind::Unavailable, detail)
}
