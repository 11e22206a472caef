//! `Order`: what is done to an actor beside its methods; and the function that stands behind words
//! of nodes.

use crate::object::value::Value;
use crate::task::call::{Results, Returns};
use crate::task::function::{Body, Function};
use crate::task::options::Options;

/// What is done to an actor beside its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ready,
    Ended,
    Kill,
    KillAndRestart,
    Stop,
    Checkpoint,
}

impl Order {
    pub(super) const ALL: [Order; 6] = [
        Order::Ready,
        Order::Ended,
        Order::Kill,
        Order::KillAndRestart,
        Order::Stop,
        Order::Checkpoint,
    ];
}

/// What stands behind words that nodes have for each other beside calls of functions, in messages.
/// It never runs: the other node does what is asked.
pub(super) static WORD: Function = word("order", || "raykit::order", 1);

/// The same for the word that a stream of another node is read here.
pub(super) static READ: Function = word("stream", || "raykit::stream", 0);

const fn word(name: &'static str, path: fn() -> &'static str, returns: u32) -> Function {
    Function {
        name,
        krate: "raykit",
        major: "0",
        path,
        method: "",
        schema: 0,
        signature: "a word between nodes",
        returns,
        defaults: Options::of_method(),
        body: Body::Exclusive(|_, _| Ok(Returns(Results::One(Value::new(()))))),
        actor: None,
        file: file!(),
        line: line!(),
    }
}

/// Whether a task of this function is no call of a program's, but a word that one node has for
/// another.
pub(super) fn is_word(function: &Function) -> bool {
    [&WORD, &READ].into_iter().any(|word| std::ptr::eq(function, word))
}
