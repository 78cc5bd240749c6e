//! What happens rarely: a future that is polled when it wakes its task, and not whenever the task is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// A future that is to happen rarely, if ever, beside one that makes progress all the time.
pub(super) struct Rarely<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Whether the future has woken the task.
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<F> Rarely<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }
}

impl<F: Future> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // First the waker: what rings after that wakes the task again.
        this.bell.task.register(context.waker());
        if !this.bell.rung.load(Ordering::Acquire) || !this.bell.rung.swap(false, Ordering::AcqRel)
        {
            return Poll::Pending;
        }
        this.future
            .as_mut()
            .poll(&mut Context::from_waker(&this.waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use futures::future::join;
    use tokio::sync::oneshot;

    use super::Rarely;

    #[tokio::test]
    async fn it_is_asked_when_it_has_woken_its_task_and_not_whenever_that_is_polled() {
        let (asked, mut polls) = (Cell::new(0), 0);
        let (sender, mut told) = oneshot::channel();
        let mut sender = Some(sender);
        let rare = Rarely::new(poll_fn(|context| {
            asked.set(asked.get() + 1);
            Pin::new(&mut told).poll(context)
        }));
        let busy = poll_fn(|context| {
            polls += 1;
            if polls < 100 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            sender.take().unwrap().send("now").unwrap();
            Poll::Ready(())
        });
        assert_eq!(join(rare, busy).await.0, Ok("now"));
        assert_eq!(asked.get(), 2);
    }
}
