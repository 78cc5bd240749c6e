//! Shutdown: turns the signals that end the process into one cancellation token.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `token` on the first SIGTERM or SIGINT, and returns; also returns when the token is
/// cancelled elsewhere. Later signals are ignored: shutdown has its own deadline.
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
    async fn a_token_cancelled_elsewhere_ends_the_wait() {
        let token = CancellationToken::new();
        let waiting = tokio::spawn(on_signal(token.clone()));
        token.cancel();
        assert!(waiting.await.unwrap().is_ok());
    }
}
