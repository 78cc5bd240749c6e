//! The demo: one incident, from a bad release to recovery, on real servers and told as it happens.
//!
//! `make demo` runs it. It starts fusegate on a directory of YAML, a real Envoy, a real
//! Alertmanager and two upstreams, and ends all of them again, however it ends itself.
//! With `--hold` it stays after the story, for trying things out, until it is interrupted.

// Indexing a JSON value never panics: what is absent reads as null.
#![allow(clippy::indexing_slicing)]

// The parts of the tests' harness that the demo needs, and none of the others: each would bring its crates.
#[path = ".."]
#[allow(dead_code, reason = "the tests use the rest of these parts")]
mod harness {
    pub(crate) mod support {
        pub(crate) mod fusegate;
        pub(crate) mod http;
        pub(crate) mod recordings;
        pub(crate) mod scratch;
        pub(crate) mod servers {
            pub(crate) mod alertmanager;
            pub(crate) mod assets;
            pub(crate) mod envoy;
            pub(crate) mod ports;
            pub(crate) mod process;
            pub(crate) mod upstream;
        }
        pub(crate) mod wait;
    }
}

mod difference;
mod files;
mod operator;
mod pager;
mod scene;
mod story;
mod summary;
mod timeline;
mod traffic;
mod watcher;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::scene::Scene;
use crate::timeline::Timeline;

/// The code by which shells know a program that was interrupted.
const INTERRUPTED: u8 = 130;

enum Ending {
    Told,
    Interrupted,
}

fn main() -> ExitCode {
    match start() {
        Ok(Ending::Told) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => {
            println!("\nInterrupted: everything that was started has been ended.");
            ExitCode::from(INTERRUPTED)
        }
        Err(failure) => {
            eprintln!("\ndemo failed: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<Ending> {
    let hold = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--hold") => true,
        Some(other) => bail!("unknown argument {other}; the only one is --hold"),
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        // Whichever ends first drops the other, and with it every server.
        tokio::select! {
            ended = run(hold) => ended,
            interrupted = interrupted() => interrupted.map(|()| Ending::Interrupted),
        }
    })
}

async fn run(hold: bool) -> Result<Ending> {
    let timeline = Timeline::start();
    let mut scene = Scene::set(&timeline).await?;
    let told = story::tell(&mut scene, &timeline).await;
    let summary = match told {
        Ok(summary) => summary,
        Err(failure) => {
            let logs = scene.keep_logs()?;
            bail!("{failure:#}\nThe logs are in {}", logs.display());
        }
    };
    summary.print();
    if hold {
        scene.invite();
        std::future::pending::<()>().await;
    }
    Ok(Ending::Told)
}

async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        caught = tokio::signal::ctrl_c() => caught?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
