//! A process: one server's program, with its log in a file, ended with the value that stands for it.
//!
//! It also ends when the test process does, however that ends:
//! `setpriv --pdeathsig` of util-linux has the kernel kill it when the thread that started it is gone.
//! Since that is the thread and not the process, all of them are started by one thread that lives to the end.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::super::{http::PROXY_VARIABLES, wait::eventually};

/// How many of the log's last lines go into a failure message.
const TAIL_LINES: usize = 30;

/// How long the threads of a stopped process may take to stand.
const FROZEN_WITHIN: Duration = Duration::from_secs(30);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Standard output and standard error are appended to this file.
    pub(crate) log: PathBuf,
}

/// A running program, killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// What stops it again and again, while it starves.
    starver: Option<Child>,
}

/// Linux tells processor time in hundredths of a second on every architecture that fusegate runs on.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that a process has taken, user and system.
pub(crate) fn processor(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may contain anything; utime and stime are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(") ").context("no name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let ticks: Vec<u32> = ticks.collect::<std::result::Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}

impl Process {
    pub(crate) fn start(program: &Program) -> Result<Self> {
        let name = program.name;
        let child = spawn(command(program)?).with_context(|| format!("start {name}"))?;
        Ok(Self {
            name,
            child,
            log: program.log.clone(),
            starver: None,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has now, in bytes, as Linux counts it.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib.context("no VmRSS")?.parse()?;
        Ok(kib * 1_024)
    }

    /// The processor time that it has taken, user and system.
    pub(crate) fn processor(&self) -> Result<Duration> {
        processor(self.child.id())
    }

    /// Whether it still runs; one that ended is reaped.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until `probe` succeeds. Fails at once when the program ends, and either way with the end of its log.
    pub(crate) async fn ready<T>(
        &mut self,
        within: Duration,
        mut probe: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let name = self.name;
        let child = &mut self.child;
        let outcome = eventually(&format!("{name} to be ready"), within, async || match child
            .try_wait()?
        {
            Some(status) => Ok(Err(status)),
            None => probe().await.map(Ok),
        })
        .await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(status)) => bail!("{name} ended ({status}); {}", self.log_tail()),
            Err(error) => bail!("{error:#}; {}", self.log_tail()),
        }
    }

    /// Sends a signal by its name without `SIG`, for instance `STOP`.
    fn signal(&self, signal: &str) -> Result<()> {
        let name = self.name;
        // `kill` is built into every shell, while the program of that name is in a package that may be absent.
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {}", self.child.id())])
            .status()?;
        if !status.success() {
            bail!("{name} could not be sent {signal}");
        }
        Ok(())
    }

    /// Stops it where it is, and waits until every thread of it stands: one that runs on another core goes on for a while after the signal.
    pub(crate) async fn freeze(&self) -> Result<()> {
        self.signal("STOP")?;
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        let what = format!("{} to stand still", self.name);
        eventually(&what, FROZEN_WITHIN, async || {
            for task in fs::read_dir(&tasks)? {
                let stat = fs::read_to_string(task?.path().join("stat"))?;
                // `PID (NAME) STATE …`, where the name may contain anything.
                let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
                ensure!(state.is_some_and(|rest| rest.starts_with('T')), "{stat}");
            }
            Ok(())
        })
        .await
    }

    /// Lets a frozen process go on where it was.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// Lets it run for a tenth of the time only, as a container that has met its limit of processor time.
    pub(crate) fn starve(&mut self) -> Result<()> {
        let id = self.child.id();
        let script =
            format!("while kill -STOP {id} && sleep 0.18 && kill -CONT {id}; do sleep 0.02; done");
        let mut command = tied("sh");
        command.args(["-c", &script]).stdin(Stdio::null());
        self.starver = Some(spawn(command)?);
        Ok(())
    }

    /// Lets a starving process run as it will again.
    pub(crate) fn feed(&mut self) -> Result<()> {
        self.end_starver();
        self.thaw()
    }

    fn end_starver(&mut self) {
        if let Some(mut starver) = self.starver.take() {
            // It ends by itself once there is nothing left to stop.
            let _ = starver.kill();
            let _ = starver.wait();
        }
    }

    /// Has every write to a file fail from now on, or no more, as on a disk that is full. What would be killed for it
    /// must have been started to be told instead; programs in Go are told.
    pub(crate) fn fill_disk(&self, full: bool) -> Result<()> {
        let most = if full { "0:" } else { "unlimited:" };
        let status = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string()])
            .arg(format!("--fsize={most}"))
            .status()?;
        ensure!(status.success(), "prlimit of util-linux: {status}");
        Ok(())
    }

    /// Kills and reaps it at once, as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.end_starver();
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits until it has.
    pub(crate) async fn stop(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let what = format!("{} to end after SIGTERM", self.name);
        let child = &mut self.child;
        let outcome = eventually(&what, within, async || {
            child.try_wait()?.context("it still runs")
        })
        .await;
        outcome.with_context(|| self.log_tail())
    }

    pub(crate) fn log(&self) -> Result<String> {
        let bytes =
            fs::read(&self.log).with_context(|| format!("read the log of {}", self.name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last lines of the log, with a heading.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log().unwrap_or_else(|error| format!("{error:#}"));
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
        let tail: Vec<&str> = tail.copied().collect();
        format!("the end of {}'s log:\n{}", self.name, tail.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_starver();
        // It may have ended by itself; there is nothing left to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(program: &Program) -> Result<Command> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&program.log)
        .with_context(|| format!("open {}", program.log.display()))?;
    let mut command = tied(&program.path);
    for variable in PROXY_VARIABLES {
        command.env_remove(variable);
    }
    command
        .args(&program.args)
        .envs(program.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}

/// A command that ends when whoever starts it is gone.
fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

struct Order {
    command: Command,
    answer: mpsc::Sender<io::Result<Child>>,
}

/// Starts a command on the thread that lives as long as this process.
fn spawn(command: Command) -> Result<Child> {
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        // Not joined: it ends with the process, and must not end before.
        thread::spawn(move || {
            for mut order in taken {
                let _ = order.answer.send(order.command.spawn());
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    orders.send(Order { command, answer })?;
    Ok(child.recv()??)
}
