//! A swarm of real streams, a TCP connection each, against a server: ours, or another that obeys the same lines.
//!
//! `cargo bench -p fusegate-xds --bench swarm -- [--size whole|small] [--only fan-out|storm|beside|stalled] [--peer 'PROGRAM ARGUMENT']…`
//!
//! Server and clients are processes of their own, so that the server's CPU time and memory are the server's.
//! What each figure means is said where it is printed.

// A benchmark fails by panicking, and there is no clock but the system's to measure with.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used
)]

mod bare;
mod clients;
mod figures;
mod process;
mod server;
mod usage;

use std::env;

use figures::Size;
use process::Program;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.first().map(String::as_str) {
        Some("clients") => runtime.block_on(clients::run(&arguments)),
        Some("server") => runtime.block_on(server::run()),
        Some("bare") => runtime.block_on(bare::run()),
        _ => runtime.block_on(measure(&arguments)),
    }
}

/// Measures our server, and each peer in the same run.
async fn measure(arguments: &[String]) {
    let (mut size, mut programs) = (Size::whole(), vec![Program::own()]);
    let mut only = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next();
        let value = value.unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--size" => size = Size::named(value),
            "--peer" => programs.push(Program::peer(value)),
            "--only" => only = Some(value.as_str()),
            _ => panic!("unknown argument {argument}; known are --size, --only and --peer"),
        }
    }
    usage::check_open_files(size.storm);
    let wanted = |figure: &str| only.is_none_or(|only| only == figure);
    if wanted("fan-out") {
        let bare = Program::bare();
        println!("== {}", bare.name);
        for streams in size.fan_out {
            figures::fan_out(&bare, "bare", streams, size.rounds).await;
        }
    }
    for program in &programs {
        println!("== {}", program.name);
        if wanted("fan-out") {
            for (variant, streams) in size.swarms() {
                figures::fan_out(program, variant, streams, size.rounds).await;
            }
        }
        if wanted("storm") {
            figures::storm(program, size.storm).await;
        }
        if wanted("beside") {
            figures::beside(program, &size).await;
        }
        if wanted("stalled") {
            figures::stalled(program, &size).await;
        }
    }
}
