//! Nodes that are processes of this program: they are started, killed, and told to go.

use anyhow::{Context as _, ensure};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A node that was told to go ends what it runs and leaves; one that takes longer is left over.
const LEAVES_WITHIN: Duration = Duration::from_secs(20);

/// What becomes of the processes.
pub(crate) struct Herd {
    /// The head, and a token to join it with.
    head: (String, String),
    alive: Vec<Child>,
    /// When each was killed, and which it was.
    pub(crate) killed: Vec<(Duration, u32)>,
    pub(crate) started: usize,
    dice: u64,
}

impl Herd {
    pub(crate) fn start(
        head: String,
        token: String,
        count: usize,
        seed: u64,
    ) -> anyhow::Result<Herd> {
        let (alive, killed) = (Vec::new(), Vec::new());
        let mut herd = Herd { head: (head, token), alive, killed, started: 0, dice: seed };
        (0..count).try_for_each(|_| herd.add())?;
        Ok(herd)
    }

    fn add(&mut self) -> anyhow::Result<()> {
        let (head, token) = &self.head;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["worker", "--num-cpus", "2", "--join", head]).env("RAYKIT_TOKEN", token);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.alive.push(command.spawn().context("a worker does not start")?);
        self.started += 1;
        Ok(())
    }

    /// Kills one after the other, each at random, and starts a new one in its place, until `over`
    /// says something.
    pub(crate) fn harass(
        mut self,
        every: Duration,
        over: &Receiver<()>,
    ) -> (Herd, anyhow::Result<()>) {
        let begun = Instant::now();
        let mut result = Ok(());
        while result.is_ok() && over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            result = self.replace(begun);
        }
        (self, result)
    }

    fn replace(&mut self, begun: Instant) -> anyhow::Result<()> {
        self.dice = crate::job::mix(self.dice);
        let mut victim = self.alive.swap_remove(self.dice as usize % self.alive.len());
        ensure!(victim.try_wait()?.is_none(), "worker {} has ended by itself", victim.id());
        victim.kill()?; // SIGKILL: it cannot say goodbye
        victim.wait()?;
        self.killed.push((begun.elapsed(), victim.id()));
        self.add()
    }

    /// Tells all to go, and waits for them. Those that have not left well are an error.
    pub(crate) fn dismiss(&mut self) -> anyhow::Result<usize> {
        for child in &self.alive {
            let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
            ensure!(told.success(), "worker {} has ended by itself", child.id());
        }
        let deadline = Instant::now() + LEAVES_WITHIN;
        let count = self.alive.len();
        while let Some(child) = self.alive.first_mut() {
            match child.try_wait()? {
                Some(status) => ensure!(status.success(), "worker {}: {status}", child.id()),
                None if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
                None => anyhow::bail!("worker {} was told to go, and is still here", child.id()),
            }
            self.alive.swap_remove(0).wait()?;
        }
        Ok(count)
    }
}

/// Whatever goes wrong, no process is left behind.
impl Drop for Herd {
    fn drop(&mut self) {
        for child in &mut self.alive {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
