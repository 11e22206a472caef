//! What an object is waiting for, in words: the paths that `graph` follows.

use super::Node;
use super::task::{State, Task, producer};
use crate::object::raw::RawRef;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One object, in a few words.
pub(crate) fn describe(reference: &RawRef) -> String {
    match producer(reference) {
        Some(task) => format!("{} of task {}", reference.id(), task.label()),
        None => reference.id().to_string(),
    }
}

/// The waits of a node's tasks, one in each line, so many at the most.
#[cfg(feature = "sim")]
pub(crate) fn waits(node: &Node, most: usize) -> Vec<String> {
    let told = |edge: Arc<super::graph::Edge>| {
        let task = edge.tasks.last()?.label();
        let missing = edge.refs.iter().find(|reference| !reference.is_ready())?;
        Some(format!("task {task} waits for {}", describe(missing)))
    };
    node.graph.older(u64::MAX, most).into_iter().filter_map(told).collect()
}

/// How many steps of a chain `explain` tells.
const EXPLAINED_MAX: usize = 32;

/// What an object is waiting for, in words.
pub(crate) fn explain(node: Option<&Arc<Node>>, reference: &RawRef) -> String {
    let mut text = String::new();
    let mut next = Some(reference.clone());
    for depth in 0..EXPLAINED_MAX {
        let Some(reference) = next.take() else { return text };
        if depth > 0 {
            text.push_str("\n  which waits: ");
        }
        let task = producer(&reference);
        match (reference.outcome(), task) {
            (Some(Ok(_)), _) => {
                let _ = write!(text, "{} is ready", describe(&reference));
            }
            (Some(Err(error)), _) => {
                let _ = write!(text, "{} has failed: {error}", describe(&reference));
            }
            (None, None) => {
                let _ = write!(text, "{} is pending", describe(&reference));
            }
            (None, Some(task)) => {
                let _ = write!(text, "task {} ", task.label());
                next = explain_task(node, &task, &mut text);
            }
        }
    }
    text
}

/// Tells where one task stands, and gives the first object that it waits for.
fn explain_task(node: Option<&Arc<Node>>, task: &Arc<Task>, text: &mut String) -> Option<RawRef> {
    match task.state() {
        State::Waiting => {
            let inputs = task.inputs();
            let missing: Vec<&RawRef> = inputs.references().filter(|r| !r.is_ready()).collect();
            let _ = match missing.len() {
                0 if task.attempt.load(Ordering::Relaxed) > 0 => {
                    write!(text, "will be tried again after a pause")
                }
                n => write!(text, "waits for {n} of its arguments"),
            };
            missing.first().map(|first| (*first).clone())
        }
        State::Queued => {
            let asked = task.options();
            let free = node.map(|node| node.pool.budget().free());
            let lacking =
                asked.request().ok().zip(free).and_then(|(want, free)| want.lacking(&free));
            let _ = match lacking {
                Some((name, wanted, had)) => {
                    write!(text, "is queued: it asks for {name} = {wanted}, and {had} is free")
                }
                None => write!(text, "is queued and will start when a thread takes it"),
            };
            None
        }
        State::Running => {
            let edges = node.map_or_else(Vec::new, |node| node.graph.of(task.id()));
            let missing: Vec<&RawRef> =
                edges.iter().flat_map(|edge| &edge.refs).filter(|r| !r.is_ready()).collect();
            let _ = match missing.len() {
                0 => write!(text, "is running"),
                n => write!(text, "is running and waits for {n} objects"),
            };
            missing.first().map(|first| (*first).clone())
        }
        State::Done => {
            text.push_str("is done");
            None
        }
    }
}
