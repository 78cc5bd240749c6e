//! What happens rarely: a future that is polled when it wakes its task, and not whenever the task is.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::FuturesUnordered;

/// A future that is to happen rarely, if ever, beside one that makes progress all the time.
#[derive(Debug)]
pub(super) struct Rarely<F>(FuturesUnordered<F>);

impl<F> Rarely<F> {
    pub(super) fn new(future: F) -> Self {
        Self([future].into_iter().collect())
    }
}

impl<F: Future> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match Pin::new(&mut self.0).poll_next(context) {
            Poll::Ready(Some(output)) => Poll::Ready(output),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
