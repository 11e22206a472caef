//! What tasks print here goes to the programs that called them; what theirs print elsewhere is
//! printed here. Lines go as questions do, a batch at a time: who is slow is not sent more than he
//! takes, and who prints too fast is told how much was left out.

use super::Node;
use super::cluster::{Cluster, Post};
use super::request;
use super::survey::{Told, ask_one};
use crate::base::clock;
use crate::base::limits::{
    LOG_BATCH_BYTES, LOG_BATCH_MS, LOG_BATCHES_WAITING, LOG_CLOSE_MS, LOG_PART_BYTES_MAX,
    LOG_TAKEN_MS,
};
use crate::base::{NodeId, TaskId};
use crate::logs::{Line, Logs, logs, plain_line};
use crate::object::buffer::Buffer;
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::wire::{Bytes, Reader, Wire, record};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines of a node, to be printed by another one.
#[derive(Debug, PartialEq)]
pub(super) struct Print {
    /// What the node is called, and its process.
    name: String,
    pid: u32,
    lines: Vec<Said>,
    left_out: u64,
}
record!(Print { name, pid, lines, left_out });

#[derive(Clone, Debug, PartialEq)]
struct Said {
    task: Option<(String, TaskId)>,
    is_error: bool,
    text: String,
}
record!(Said { task, is_error, text });

/// What is wanted of a node's log: from a place on, or the last lines.
pub(super) struct Wanted {
    from: Option<u64>,
    lines: u32,
}
record!(Wanted { from, lines });

/// A part of a node's log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogPart {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bytes: Bytes,
    pub(crate) path: String,
}
record!(LogPart { start, end, bytes, path });

/// Whose tasks have run here, and the printer of what own tasks print elsewhere.
#[derive(Default)]
pub(crate) struct Letters {
    callers: Mutex<BTreeSet<NodeId>>,
    printer: OnceLock<Option<SyncSender<Print>>>,
}

impl Letters {
    /// That node is gone.
    pub(super) fn forget(&self, node: NodeId) {
        self.callers.lock().remove(&node);
    }

    /// A task of that node has come to run here.
    pub(super) fn called_by(&self, node: NodeId) {
        self.callers.lock().insert(node);
    }
}

/// The answer to lines, or to a question for some.
pub(super) fn serve(node: &Node, asked: &[u8]) -> Option<Vec<u8>> {
    if let Some(print) = request::read(request::PRINT, asked) {
        let prints = node.config.log_to_driver && node.books.letters.print(print);
        return Some(vec![u8::from(prints)]);
    }
    let wanted: Wanted = request::read(request::LOG, asked)?;
    let mut out = Vec::new();
    own_part(wanted.from, wanted.lines).ok().put(&mut out);
    Some(out)
}

/// A part of this process's log.
fn own_part(from: Option<u64>, lines: u32) -> Result<LogPart> {
    let none = || {
        let text = "the node keeps no log: only one that was started as a worker does";
        Error::new(ErrorKind::Config, text)
    };
    let logs = logs().ok_or_else(none)?;
    let part = logs.read(from, lines, LOG_PART_BYTES_MAX)?;
    let path = logs.path().display().to_string();
    Ok(LogPart { start: part.start, end: part.end, bytes: part.bytes.into(), path })
}

/// A part of the log of that node.
pub(crate) fn part_of(
    node: &Node,
    of: NodeId,
    from: Option<u64>,
    lines: u32,
    limit: Duration,
) -> Result<LogPart> {
    if of == node.id {
        return own_part(from, lines);
    }
    let cluster = node
        .cluster
        .get()
        .filter(|cluster| cluster.members().iter().any(|member| member.node == of));
    let unknown = || {
        let text = format!("{of} is no node of this cluster; its log is a file on its host");
        Error::new(ErrorKind::NodeDied, text)
    };
    let request = request::write(request::LOG, &Wanted { from, lines });
    let bytes = ask_one(cluster.ok_or_else(unknown)?, of, request, limit)?;
    let part: Option<Option<LogPart>> = Wire::take(&mut Reader::new(&bytes));
    let broken = || Error::new(ErrorKind::Encoding, format!("{of}'s answer cannot be read"));
    let none = || Error::new(ErrorKind::Config, format!("{of} keeps no log: it is no worker"));
    part.ok_or_else(broken)?.ok_or_else(none)
}

impl Letters {
    /// Prints lines of another node, on a thread that may be slow. `false` if it cannot be had.
    fn print(&self, print: Print) -> bool {
        let printer = self.printer.get_or_init(|| {
            let (sender, receiver) = sync_channel::<Print>(LOG_BATCHES_WAITING);
            let thread = std::thread::Builder::new().name("raykit-printer".to_owned());
            let started = thread.spawn(move || receiver.iter().for_each(|print| print.show()));
            started.is_ok().then_some(sender)
        });
        // What the terminal does not take in time is lost, as it would be for a slow reader of a
        // log; the node's own file has it.
        printer.as_ref().is_some_and(|printer| {
            let _ = printer.try_send(print);
            true
        })
    }
}

impl Print {
    /// The lines as they are printed: in Ray's manner.
    fn text(&self, errors: bool) -> String {
        let mut text = String::new();
        let place = format!("pid={}, node={}", self.pid, plain_line(&self.name));
        for line in self.lines.iter().filter(|line| line.is_error == errors) {
            let _ = match &line.task {
                Some((name, _)) => {
                    writeln!(text, "({} {place}) {}", plain_line(name), plain_line(&line.text))
                }
                None => writeln!(text, "({place}) {}", plain_line(&line.text)),
            };
        }
        if errors && self.left_out > 0 {
            let _ = writeln!(
                text,
                "({place}) [{} lines came too fast and were left out; `raykit logs` has them]",
                self.left_out
            );
        }
        text
    }

    fn show(&self) {
        print!("{}", self.text(false));
        eprint!("{}", self.text(true));
    }
}

/// Takes what this process prints to whoever called the tasks that print it.
pub(crate) struct Courier {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Courier {
    pub(crate) fn start(node: &Arc<Node>, logs: &Arc<Logs>) -> Result<Courier> {
        let (node, logs) = (Arc::downgrade(node), Arc::clone(logs));
        let (stop, stopped) = channel();
        let pause = Duration::from_millis(LOG_BATCH_MS);
        let thread = std::thread::Builder::new().name("raykit-courier".to_owned());
        let thread = thread.spawn(move || {
            let mut round = Round { node, refuses: BTreeSet::new() };
            // A batch, and a pause in which lines gather. Told to stop, what is there without a
            // pause: not without end, though, since a task may go on printing.
            let mut ends: Option<Instant> = None;
            loop {
                let limit = if ends.is_some() { Duration::ZERO } else { pause };
                let Some((lines, left_out)) = logs.take(LOG_BATCH_BYTES, limit) else { return };
                match lines.is_empty() {
                    true if ends.is_some() => return,
                    true => {}
                    false => round.deliver(&lines, left_out),
                }
                match ends {
                    Some(at) if clock::now() >= at => return,
                    Some(_) => {}
                    None if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) => {
                        ends = Some(clock::now() + Duration::from_millis(LOG_CLOSE_MS));
                    }
                    None => {}
                }
            }
        })?;
        Ok(Courier { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Courier {
    /// Takes the rest away, for as long as a process that ends waits for what it has printed.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there was printed when it happened
        }
    }
}

/// How often a batch looks for others where one does not print it.
const ROUNDS: usize = 3;

struct Round {
    node: Weak<Node>,
    /// Nodes that print nothing of others: they run tasks for somebody else.
    refuses: BTreeSet<NodeId>,
}

impl Round {
    fn deliver(&mut self, lines: &[Line], left_out: u64) {
        let Some(node) = self.node.upgrade() else { return };
        let Some(cluster) = node.cluster.get().filter(|cluster| cluster.lost().is_none()) else {
            return;
        };
        let members = cluster.members();
        self.refuses.retain(|id| members.iter().any(|member| member.node == *id));
        let mut sent: Vec<BTreeSet<NodeId>> = vec![BTreeSet::new(); lines.len()];
        for _ in 0..ROUNDS {
            let wanted: Vec<BTreeSet<NodeId>> =
                lines.iter().map(|line| self.readers(&node, cluster, line)).collect();
            let all: BTreeSet<NodeId> = wanted.iter().flatten().copied().collect();
            let mut letters = Vec::new();
            for reader in all {
                let mut own = Vec::new();
                for (at, line) in lines.iter().enumerate() {
                    if wanted[at].contains(&reader) && sent[at].insert(reader) {
                        own.push(said(line));
                    }
                }
                if !own.is_empty() {
                    letters.push((reader, own));
                }
            }
            if letters.is_empty() || !self.send(&node, cluster, letters, left_out) {
                return;
            }
        }
    }

    /// Who should print the line: who has called the task that said it, or those who have called
    /// any where that is not known. Where one of them only runs it for somebody else, all drivers.
    fn readers(&self, node: &Node, cluster: &Cluster, line: &Line) -> BTreeSet<NodeId> {
        let members = cluster.members();
        let direct = match &line.tag {
            Some(tag) if tag.task.node != node.id => BTreeSet::from([tag.task.node]),
            Some(_) => BTreeSet::from([node.id]),
            None => node.books.letters.callers.lock().clone(),
        };
        let relays = direct.iter().any(|one| *one == node.id || self.refuses.contains(one));
        let is_driver = |id: NodeId| {
            members.iter().any(|member| member.node == id && member.driver) || cluster.head() == id
        };
        let there = members.iter().map(|member| member.node);
        there
            .filter(|id| direct.contains(id) || (relays && is_driver(*id)))
            .filter(|id| *id != node.id && !self.refuses.contains(id))
            .collect()
    }

    /// Sends each its lines, and waits until they are taken. Whether somebody new has refused.
    fn send(
        &mut self,
        node: &Node,
        cluster: &Arc<Cluster>,
        letters: Vec<(NodeId, Vec<Said>)>,
        left_out: u64,
    ) -> bool {
        let (tell, told) = channel();
        let mut open = letters.len();
        for (to, lines) in letters {
            let name = node.config.name.clone().unwrap_or_else(|| node.id.to_string());
            let name = super::census::clip(&name);
            let print = Print { name, pid: std::process::id(), lines, left_out };
            let request = request::write(request::PRINT, &print);
            let tell = tell.clone();
            let back: Told = Box::new(move |bytes: Result<Buffer>| drop(tell.send((to, bytes))));
            cluster.post(Post::Ask { to, request, told: back });
        }
        drop(tell);
        let until = clock::now() + Duration::from_millis(LOG_TAKEN_MS);
        let mut refused = false;
        while open > 0 {
            let left = until.saturating_duration_since(clock::now());
            let Ok((from, reply)) = told.recv_timeout(left) else { break };
            open -= 1;
            if reply.is_ok_and(|reply| reply.first() == Some(&0)) {
                refused |= self.refuses.insert(from);
            }
        }
        refused
    }
}

fn said(line: &Line) -> Said {
    let task = line.tag.as_ref().map(|tag| (tag.name.clone(), tag.task));
    Said { task, is_error: line.is_error, text: line.text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_in_rays_manner_and_obey_no_stranger() {
        let line = |task: Option<&str>, is_error, text: &str| Said {
            task: task.map(|name| (name.to_owned(), TaskId { node: NodeId(1), sequence: 2 })),
            is_error,
            text: text.to_owned(),
        };
        let print = Print {
            name: "big\rhost".into(),
            pid: 7,
            lines: vec![
                line(Some("f"), false, "hello"),
                line(None, false, "a\tb\u{7}"),
                line(None, true, "oh"),
            ],
            left_out: 3,
        };
        let out = "(f pid=7, node=bighost) hello\n(pid=7, node=bighost) a\tb\n";
        assert_eq!(print.text(false), out);
        let err = print.text(true);
        assert!(
            err.starts_with("(pid=7, node=bighost) oh\n(pid=7, node=bighost) [3 lines"),
            "{err}"
        );
        let mut bytes = Vec::new();
        print.put(&mut bytes);
        assert_eq!(Print::take(&mut Reader::new(&bytes)), Some(print));
        for len in 0..bytes.len() {
            assert_eq!(Print::take(&mut Reader::new(&bytes[..len])), None);
        }
    }
}
