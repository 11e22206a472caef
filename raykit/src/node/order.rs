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
pub(super) static WORD: Function = Function {
    name: "order",
    krate: "raykit",
    major: "0",
    path: || "raykit::order",
    method: "",
    schema: 0,
    signature: "fn order(&mut self)",
    returns: 1,
    defaults: Options::of_method(),
    body: Body::Exclusive(|_, _| Ok(Returns(Results::One(Value::new(()))))),
    actor: None,
    file: file!(),
    line: line!(),
};

/// Whether a task of this function is no call of a program's, but a word that one node has for
/// another.
pub(super) fn is_word(function: &Function) -> bool {
    std::ptr::eq(function, &WORD)
}
