//! The real fusegate program, started as its users start it, on free ports.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::Value;

use super::servers::{
    ports,
    process::{Process, Program},
};
use super::{http, recordings::Recordings, scratch::Scratch};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// How fusegate is started; its two listening addresses are added.
#[derive(Clone, Debug, Default)]
pub(crate) struct FusegateConfig {
    /// Arguments after `fusegate run`; `{http}` in one stands for the address of its gate.
    pub(crate) args: Vec<String>,
    /// Environment variables beside those of the test process.
    pub(crate) env: Vec<(String, String)>,
    /// Not recorded, and so not replayed: for measurements.
    pub(crate) unrecorded: bool,
    /// A program and its arguments that start fusegate in the end, with other rights for instance; none unless said.
    pub(crate) wrap: Vec<String>,
    /// Another fusegate in place of the one that is tested.
    pub(crate) program: Option<PathBuf>,
    /// The authority of its HTTP port's certificate, which is for `localhost`, where that port speaks TLS.
    pub(crate) authority: Option<String>,
}

impl FusegateConfig {
    /// With arguments only.
    pub(crate) fn args<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Without a recording.
    #[must_use]
    pub(crate) fn unrecorded(mut self) -> Self {
        self.unrecorded = true;
        self
    }

    /// One more argument, or an option and its value as two.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }
}

/// A running fusegate; dropping it kills it, replays what each of its processes recorded, and panics where that differs.
#[derive(Debug)]
pub(crate) struct Fusegate {
    process: Process,
    program: Program,
    http: SocketAddr,
    base: String,
    xds: SocketAddr,
    client: Client,
    /// Absent when not recorded.
    recordings: Option<Recordings>,
    _scratch: Scratch,
}

impl Fusegate {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(config: FusegateConfig) -> Result<Self> {
        ports::retrying(async || {
            let mut fusegate = Self::try_launch(&config).await?;
            fusegate.ready().await?;
            Ok(fusegate)
        })
        .await
    }

    /// Starts it and waits only until it lives, for tests in which it does not become ready.
    pub(crate) async fn launch(config: FusegateConfig) -> Result<Self> {
        ports::retrying(async || Self::try_launch(&config).await).await
    }

    async fn try_launch(config: &FusegateConfig) -> Result<Self> {
        let scratch = Scratch::new("fusegate")?;
        let http = ports::loopback(ports::free()?);
        let xds = ports::loopback(ports::free()?);
        let mut args = vec!["run".to_owned()];
        let address = http.to_string();
        args.extend(
            config
                .args
                .iter()
                .map(|arg| arg.replace("{http}", &address)),
        );
        args.extend([
            format!("--http-listen={http}"),
            format!("--xds-listen={xds}"),
        ]);
        let mut line = config.wrap.clone();
        let own = config.program.clone().map_or_else(program, Ok)?;
        line.push(own.display().to_string());
        line.extend(args);
        let program = Program {
            name: "fusegate",
            path: line.remove(0).into(),
            args: line,
            env: config.env.clone(),
            log: scratch.path().join("fusegate.log"),
        };
        let (base, client) = match &config.authority {
            None => (format!("http://{http}"), http::client()?),
            Some(authority) => (
                format!("https://localhost:{}", http.port()),
                http::client_of(authority)?,
            ),
        };
        let mut recordings =
            (!config.unrecorded).then(|| Recordings::new(&program, scratch.path()));
        let mut fusegate = Self {
            process: start(&program, recordings.as_mut())?,
            program,
            http,
            base,
            xds,
            client,
            recordings,
            _scratch: scratch,
        };
        fusegate.wait("healthz").await?;
        Ok(fusegate)
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        self.wait("readyz").await
    }

    async fn wait(&mut self, path: &str) -> Result<()> {
        let url = self.url(path);
        let client = &self.client;
        self.process
            .ready(READY_WITHIN, async || {
                let answer = client.get(&url).send().await?;
                let status = answer.status();
                ensure!(status.is_success(), "{status} {}", answer.text().await?);
                Ok(())
            })
            .await
    }

    /// The address of its gate, health and metrics.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of its ADS server.
    pub(crate) fn xds(&self) -> SocketAddr {
        self.xds
    }

    /// The URL of a path, which is given without its leading slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// What a path answers: status and body.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.client.get(self.url(path)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What a path answers to a document that is posted there: status and body.
    pub(crate) async fn post(&self, path: &str, document: &Value) -> Result<(u16, String)> {
        let answer = self.client.post(self.url(path)).json(document);
        let answer = answer.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What a path answers, as JSON, whatever the status.
    pub(crate) async fn get_json(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path).await?;
        serde_json::from_str(&body).with_context(|| format!("GET {path}: {status} {body}"))
    }

    /// The value of one series of its metrics, named exactly as in `/metrics`, labels included.
    pub(crate) async fn metric(&self, series: &str) -> Result<f64> {
        let (_, body) = self.get("metrics").await?;
        let value = body
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.with_context(|| format!("no series {series}"))?;
        Ok(value.trim().parse()?)
    }

    /// Kills it at once, as a power cut would.
    pub(crate) fn kill9(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Stops it where it is: connections stay, and nothing comes through them.
    pub(crate) async fn freeze(&self) -> Result<()> {
        self.process.freeze().await
    }

    /// Lets it go on where it was.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Has every write to a file fail from now on, or no more; it must have been started to be told of that.
    pub(crate) fn fill_disk(&self, full: bool) -> Result<()> {
        self.process.fill_disk(full)
    }

    /// Its process, to be put in trouble.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it to end with SIGTERM and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop(Duration::from_secs(30)).await
    }

    /// Starts it again with the same arguments and ports, killing it first if it still runs, and waits until it is ready.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        if self.process.is_running()? {
            self.kill9()?;
        }
        self.process = start(&self.program, self.recordings.as_mut())?;
        self.ready().await
    }

    /// What its process of now records lacks turns, and the replay must say so instead of being the same.
    pub(crate) fn lose_turns(&mut self) {
        if let Some(recordings) = &mut self.recordings {
            recordings.lose_turns();
        }
    }

    /// What its process of now records.
    pub(crate) fn recording(&self) -> Option<PathBuf> {
        self.recordings.as_ref().map(Recordings::current)
    }

    /// Replays what each process has recorded so far, and fails where the replay is not the same; for one in a
    /// static, which is never dropped.
    pub(crate) fn replay(&self) -> Result<()> {
        self.replay_while(true)
    }

    fn replay_while(&self, alive: bool) -> Result<()> {
        match &self.recordings {
            Some(recordings) => recordings.replay(alive),
            None => Ok(()),
        }
    }

    /// Starts it again with the same arguments and ports, and does not wait for anything.
    pub(crate) fn revive(&mut self) -> Result<()> {
        if self.process.is_running()? {
            self.kill9()?;
        }
        self.process = start(&self.program, self.recordings.as_mut())?;
        Ok(())
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The memory that it has now, in bytes, as Linux counts it.
    pub(crate) fn resident(&self) -> Result<u64> {
        self.process.resident()
    }

    /// Everything it has logged, over all restarts.
    pub(crate) fn log(&self) -> Result<String> {
        self.process.log()
    }

    /// The log's end, for the message of a failed test.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

impl Drop for Fusegate {
    #[allow(clippy::panic, reason = "nothing else of a drop is seen by the test")]
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        if !thread::panicking()
            && let Err(error) = self.replay_while(false)
        {
            panic!("{error:#}");
        }
    }
}

/// Starts a process, with a recording of its own.
fn start(program: &Program, recordings: Option<&mut Recordings>) -> Result<Process> {
    let mut program = program.clone();
    if let Some(recordings) = recordings {
        program.args.push(recordings.begin()?);
    }
    Process::start(&program)
}

/// The program that Cargo built for this test, or the one beside the running program, which is the demo or a benchmark.
pub(crate) fn program() -> Result<PathBuf> {
    if let Some(path) = option_env!("CARGO_BIN_EXE_fusegate") {
        return Ok(path.into());
    }
    let own = env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder: &Path| folder.join("fusegate"))
        .find(|path| path.is_file());
    found.context("the fusegate program is not built: run `cargo build` with the same profile")
}
