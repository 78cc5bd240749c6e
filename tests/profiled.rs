//! Profiles of a real fusegate, read by the real pprof.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    http,
    scratch::Scratch,
    servers::{assets, ports},
};

/// So many objects in one file that fusegate is busy with them, and holds what it keeps of them.
const OBJECTS: usize = 1_500;

/// A directory with a contract, a policy, and many objects.
fn shop() -> Result<Scratch> {
    let folder = Scratch::new("profiled")?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    for name in ["crd.yaml", "contract.yaml", "policy.yaml"] {
        folder.write(name, fs::read(examples.join(name))?)?;
    }
    objects(&folder, 100)?;
    Ok(folder)
}

/// Writes all objects anew.
fn objects(folder: &Scratch, latency: usize) -> Result<()> {
    let lines = (0..OBJECTS).map(|index| {
        let object = json!({
            "apiVersion": "shop.example.com/v1", "kind": "Storefront",
            "metadata": {"name": format!("eu-{index}"), "namespace": "shop", "labels": {"tier": "gold"}},
            "status": {"conditions": {"network-latency": format!("{latency}ms")}},
        });
        format!("---\n{object}\n")
    });
    let next = folder.write("next", lines.collect::<String>())?;
    fs::rename(next, folder.path().join("objects.yaml"))?;
    Ok(())
}

/// What `pprof -top` says of an answer of the debug port.
async fn top(folder: &Scratch, port: u16, path: &str) -> Result<String> {
    let url = format!("http://127.0.0.1:{port}/debug/pprof/{path}");
    let answer = http::client()?.get(url).send().await?;
    let status = answer.status();
    let profile = answer.bytes().await?;
    ensure!(status.is_success(), "{status} {profile:?}");
    let file = folder.path().join(".profile");
    fs::write(&file, &profile)?;
    let output = Command::new(assets::program("pprof")?)
        .args(["-top", "-cum", "-nodecount=500"])
        .arg(&file)
        .output()
        .await?;
    let told = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{told} {:?}",
        String::from_utf8(output.stderr)
    );
    Ok(told)
}

#[tokio::test]
async fn pprof_reads_what_holds_memory_and_where_time_goes() -> Result<()> {
    let folder = shop()?;
    let port = ports::free()?;
    let fusegate = Fusegate::start(FusegateConfig::args([
        format!("--source=dir:{}", folder.path().display()),
        "--audit=/dev/null".to_owned(),
        format!("--debug-listen=127.0.0.1:{port}"),
    ]))
    .await?;
    let writing = async {
        for latency in 101.. {
            objects(&folder, latency)?;
            fusegate.get("metrics").await?;
        }
        Ok::<_, anyhow::Error>(String::new())
    };
    let cpu = tokio::select! {
        told = top(&folder, port, "profile?seconds=5") => told?,
        stopped = writing => stopped?,
    };
    ensure!(cpu.contains("\nType: cpu\n"), "{cpu}");
    ensure!(cpu.contains("fusegate::source::dir"), "{cpu}");
    ensure!(
        !cpu.contains("perf_signal_handler"),
        "the profiler itself: {cpu}"
    );
    let heap = top(&folder, port, "heap").await?;
    ensure!(heap.contains("Type: inuse_space"), "{heap}");
    ensure!(heap.contains("fusegate::source::dir"), "{heap}");
    Ok(())
}

#[tokio::test]
async fn the_debug_port_says_what_it_cannot_and_is_closed_unless_asked_for() -> Result<()> {
    let folder = shop()?;
    let port = ports::free()?;
    let source = format!("--source=dir:{}", folder.path().display());
    let open = FusegateConfig::args([source, format!("--debug-listen=127.0.0.1:{port}")]);
    let fusegate = Fusegate::start(open).await?;
    let ask = async |path: &str| -> Result<(u16, String)> {
        let url = format!("http://127.0.0.1:{port}/debug/pprof/{path}");
        let answer = http::client()?.get(url).send().await?;
        Ok((
            answer.status().as_u16(),
            answer.text().await.context("text")?,
        ))
    };
    let (status, text) = ask("profile?seconds=0").await?;
    ensure!(
        (status, &*text) == (400, "seconds=0: write 1 to 300\n"),
        "{status} {text}"
    );
    let (first, second) = tokio::join!(ask("profile?seconds=2"), ask("profile?seconds=2"));
    let mut statuses = [first?.0, second?.0];
    statuses.sort_unstable();
    ensure!(statuses == [200, 503], "{statuses:?}");
    let (status, _) = fusegate.get("debug/pprof/heap").await?;
    ensure!(status == 404, "{status}");
    Ok(())
}
