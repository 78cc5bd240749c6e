//! Shutdown: the signals that end the process, as one token that everything watches.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `token` on the first SIGTERM or SIGINT, and returns then; returns too when it is
/// cancelled otherwise. Later signals do nothing: whoever shuts down has a deadline of their own.
///
/// # Errors
///
/// When the handlers can't be installed.
pub async fn on_signal(token: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
        () = token.cancelled() => {}
    }
    token.cancel();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_is_cancelled_otherwise_ends_the_waiting() {
        let token = CancellationToken::new();
        let waiting = tokio::spawn(on_signal(token.clone()));
        token.cancel();
        assert!(waiting.await.unwrap().is_ok());
    }
}
