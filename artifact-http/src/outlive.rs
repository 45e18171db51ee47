//! Lets the last step of a request run to its end after its client is gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that is not cancelled once it has begun. If this is dropped, a task of the runtime continues it.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Outlive<F: Future<Output: Send> + Send + 'static> {
    /// `None` once it is complete.
    future: Option<Pin<Box<F>>>,
    begun: bool,
}

impl<F: Future<Output: Send> + Send + 'static> Outlive<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Some(Box::pin(future)),
            begun: false,
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Outlive<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.begun = true;
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Outlive<F> {
    fn drop(&mut self) {
        if self.begun
            && let Some(future) = self.future.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_dropped_future_completes_if_it_has_begun() {
        for begun in [true, false] {
            let (release, released) = oneshot::channel::<()>();
            let (report, reported) = oneshot::channel();
            let mut outlive = Box::pin(Outlive::new(async move {
                released.await.unwrap();
                report.send("complete").unwrap();
            }));
            if begun {
                assert!(outlive.as_mut().now_or_never().is_none());
            }
            drop(outlive);
            let _ = release.send(());
            assert_eq!(reported.await.ok(), begun.then_some("complete"));
        }
    }
}
