//! Polling on wake: a future that is polled when it wakes its task, and not whenever the task is polled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// A future that is rarely ready, beside one that makes progress all the time.
pub(super) struct PollOnWake<F> {
    future: Pin<Box<F>>,
    flag: Arc<WakeFlag>,
    waker: Waker,
}

/// Whether the future has woken the task.
struct WakeFlag {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl<F> PollOnWake<F> {
    pub(super) fn new(future: F) -> Self {
        let flag = Arc::new(WakeFlag {
            woken: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&flag)),
            flag,
        }
    }
}

impl<F: Future> Future for PollOnWake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // The waker first: a wake after that wakes the task again.
        this.flag.task.register(context.waker());
        let woken = &this.flag.woken;
        if !woken.load(Ordering::Acquire) || !woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future
            .as_mut()
            .poll(&mut Context::from_waker(&this.waker))
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
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

    use super::PollOnWake;

    #[tokio::test]
    async fn it_is_asked_only_when_it_has_woken_its_task() {
        let (asked, mut polls) = (Cell::new(0), 0);
        let (sender, mut told) = oneshot::channel();
        let mut sender = Some(sender);
        let rare = PollOnWake::new(poll_fn(|context| {
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
