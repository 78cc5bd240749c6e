//! A load: a client that asks again and again, on one connection for as long as it may, and minds every answer.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::Client;
use crate::wait::until;

/// The pause between two requests: some hundred requests a second, from all the tests that run at once on few cores.
const PAUSE: Duration = Duration::from_millis(4);

/// What has come back so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    answers: u64,
    /// Since the last answer that was different.
    alike: u64,
    last: String,
    failures: Vec<String>,
}

/// A running client.
pub(crate) struct Load {
    what: String,
    seen: watch::Receiver<Seen>,
    done: CancellationToken,
    task: JoinHandle<()>,
}

impl Load {
    /// Starts asking; from now on every answer must be a 200.
    pub(crate) fn start(what: &str, mut client: Client) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let done = CancellationToken::new();
        let asking = done.clone();
        let task = tokio::spawn(async move {
            let mut pause = tokio::time::interval(PAUSE);
            while !asking.is_cancelled() {
                pause.tick().await;
                let answer = client.get("/").await;
                sender.send_modify(|seen| seen.note(answer));
            }
        });
        let what = what.to_owned();
        Self {
            what,
            seen,
            done,
            task,
        }
    }

    /// Waits until answers have come for a while of which each was good, and the newest are `body`.
    pub(crate) async fn settles_on(&self, body: &str) {
        let expected = (body.to_owned(), true);
        until(&self.what, expected, async || {
            self.assert_good();
            let seen = self.seen.borrow();
            (seen.last.clone(), seen.alike >= 5)
        })
        .await;
    }

    /// Waits until so many more answers have come, and each was good.
    pub(crate) async fn goes_on(&self, answers: u64) {
        let enough = self.seen.borrow().answers + answers;
        until(&self.what, true, async || {
            self.assert_good();
            self.seen.borrow().answers >= enough
        })
        .await;
    }

    /// Stops, and says how many answers there were, each of them good.
    pub(crate) async fn stop(self) -> u64 {
        self.done.cancel();
        self.task.await.unwrap();
        let seen = self.seen.borrow();
        assert!(
            seen.failures.is_empty(),
            "{}: {:?}",
            self.what,
            seen.failures
        );
        seen.answers
    }

    fn assert_good(&self) {
        let seen = self.seen.borrow();
        let answers = seen.answers;
        assert!(
            seen.failures.is_empty(),
            "{} failed, {answers} answers after its start: {:?}",
            self.what,
            seen.failures
        );
    }
}

impl Seen {
    fn note(&mut self, answer: Result<(u16, String), String>) {
        self.answers += 1;
        match answer {
            Ok((200, body)) if body == self.last => self.alike += 1,
            Ok((200, body)) => {
                self.last = body;
                self.alike = 0;
            }
            bad if self.failures.len() < 8 => {
                self.failures.push(format!("{bad:?} after {:?}", self.last));
            }
            _ => {}
        }
    }
}
