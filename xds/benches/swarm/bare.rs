//! The bare wire: the same bytes to and fro over TCP, with no protocol and nothing decided.
//!
//! What this takes on a machine, every server takes there, with its clients; what is above it is the server's own.

use std::io::stdin;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::server::listen;

/// About what a response with the layer of the fan-out has, and its answer, as HTTP/2 sends them.
pub(crate) const RESPONSE: usize = 1_400;
pub(crate) const ANSWER: usize = 120;

/// Obeys the lines that the other servers obey for a fan-out.
pub(crate) async fn run() {
    let listener = listen();
    println!("{}", listener.local_addr().unwrap());
    let (publish, published) = watch::channel(());
    let serving = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(serve(socket, published.clone()));
        }
    });
    let obeying = tokio::task::spawn_blocking(move || {
        for _ in stdin().lines().map_while(Result::ok) {
            let begin = Instant::now();
            publish.send_replace(());
            println!("{}", begin.elapsed().as_nanos());
        }
    });
    obeying.await.unwrap();
    serving.abort();
}

async fn serve(mut socket: TcpStream, mut published: watch::Receiver<()>) -> Option<()> {
    let mut answer = [0; ANSWER];
    published.mark_unchanged();
    socket.read_exact(&mut answer).await.ok()?;
    loop {
        socket.write_all(&[0; RESPONSE]).await.ok()?;
        socket.read_exact(&mut answer).await.ok()?;
        published.changed().await.ok()?;
    }
}
