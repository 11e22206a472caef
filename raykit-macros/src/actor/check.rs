//! Every refusal that concerns actors, on the narrowest span, with what to do instead.

use super::parse::{Fit, Kind, Method, path_of};
use crate::attr::{Options, Owner};
use crate::check::{self, Refusals};
use crate::item::{Value, plain};
use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, Generics, ImplItemFn, ItemImpl, ItemStruct, Meta, Path, ReceiverKind,
    ReturnType, Type, Visibility,
};

const GENERIC: &str = "an actor cannot be generic, since a node runs only what was compiled into it; \
    make a struct for each concrete type, e.g. one that holds this one";

/// Refuses a struct that cannot be an actor.
pub(super) fn structure(source: &ItemStruct, options: &Options, refusals: &mut Refusals) {
    generics(&source.generics, refusals);
    if let (Some(_), Some(kept)) = (options.key("pinned"), options.key("checkpoint_every")) {
        let words = "the state of a pinned actor stays on its thread and cannot be kept for another \
                     life; leave `checkpoint_every` out, or `pinned`";
        refusals.at(kept, words);
    }
}

fn generics(generics: &Generics, refusals: &mut Refusals) {
    if !generics.params.is_empty() {
        refusals.at(&generics.params, GENERIC);
    }
}

/// Refuses a block that cannot be an actor's, and finds the path of the struct.
pub(super) fn block(source: &ItemImpl, refusals: &mut Refusals) -> Option<Path> {
    if let Some((of, _)) = &source.trait_ {
        let words = "the methods of a trait are not remote; put those that should be into an `impl` \
                     block of the struct alone";
        refusals.at(of, words);
        return None;
    }
    generics(&source.generics, refusals);
    let Type::Path(path) = plain(&source.self_ty) else {
        refusals.at(&source.self_ty, "`#[remote]` stands on an `impl` block of a struct");
        return None;
    };
    if path.qself.is_some() {
        refusals.at(&source.self_ty, "name the struct itself; `#[remote]` cannot see through this");
        return None;
    }
    let applied = path.path.segments.iter().find(|part| !part.arguments.is_none());
    if let (Some(part), true) = (applied, source.generics.params.is_empty()) {
        refusals.at(&part.arguments, GENERIC);
    }
    Some(path_of(path.path.clone()))
}

/// Refuses what is wrong with a function that stays local.
pub(super) fn local(
    source: &ImplItemFn,
    attribute: Option<&Attribute>,
    raykit: &Path,
    refusals: &mut Refusals,
) {
    let name = source.sig.ident.unraw();
    if ["remote", "options"].iter().any(|made| name == made) {
        let words = format!("`{name}` is a function that the attribute makes; choose another name");
        refusals.at(&source.sig.ident, words);
    }
    let Some(attribute) = attribute else { return };
    // A mistake in the options may be why it seems to be local: `on_stop`, misspelled.
    if let Meta::List(list) = &attribute.meta {
        let mut unfit = Refusals::default();
        Options::read_at(raykit.clone(), list.tokens.clone(), Owner::Method, &mut unfit);
        if let Some(error) = unfit.into_error() {
            return refusals.push(error);
        }
    }
    let words = if matches!(source.vis, Visibility::Inherited) {
        "this function stays local; write `pub` in front of it (or `pub(crate)`) to make it remote, or \
         leave the attribute out"
    } else {
        "this function stays local, since it has no `self`; take `&self` or `&mut self`, or leave the \
         attribute out"
    };
    refusals.at(attribute, words);
}

/// Refuses a second attribute on one method.
pub(super) fn once(second: Option<&Attribute>, refusals: &mut Refusals) {
    if let Some(second) = second {
        refusals.at(second, "the method has the attribute already; put all options into one");
    }
}

/// Refuses a method that cannot be remote, and says what may be written for it.
pub(super) fn method(method: &Method, actor: &Path, borrows: bool, refusals: &mut Refusals) -> Fit {
    let mut unfit = Refusals::default();
    let is_new = method.function.source.sig.ident == "new";
    let free = is_new || method.ends() || name(method, &mut unfit);
    if method.ends() {
        farewell(method, borrows, &mut unfit);
    } else {
        check::signature(&method.function, "method", &mut unfit);
    }
    if is_new {
        constructor(method, actor, &mut unfit);
    } else if !method.ends() {
        receiver(method, borrows, &mut unfit);
        check::output(&method.function, &mut unfit);
    }
    match unfit.into_error() {
        None => {
            check::returns(&method.function, "method", refusals);
            Fit::Whole
        }
        Some(error) => {
            refusals.push(error);
            if free && !method.ends() { Fit::Callers } else { Fit::Nothing }
        }
    }
}

/// Refuses what cannot run at an actor's end. What is wrong with an argument or a result does not
/// matter where there is none.
fn farewell(method: &Method, borrows: bool, refusals: &mut Refusals) {
    let source = &method.function.source;
    check::qualifiers(&source.sig, "method", refusals);
    if !source.sig.generics.params.is_empty() {
        let words = "nobody calls an `on_stop` method, so nobody could say for which types or \
                     lifetimes; leave them out";
        refusals.at(&source.sig.generics.params, words);
    }
    if !matches!(source.vis, Visibility::Inherited) {
        let words = "an `on_stop` method runs at the actor's end and is called by nobody else; leave \
                     `pub` out";
        refusals.at(&source.vis, words);
    }
    let words = "an `on_stop` method runs alone, as the last one; take `&mut self`";
    match source.sig.receiver() {
        None => refusals.at(&source.sig.ident, words),
        Some(own) if !borrows || !matches!(method.kind, Kind::Exclusive) => refusals.at(own, words),
        Some(_) => receiver(method, borrows, refusals),
    }
    let mut params = source.sig.inputs.iter();
    if let Some(param) = params.find(|input| matches!(input, FnArg::Typed(_))) {
        let words = "nobody calls an `on_stop` method, so it has no argument but `&mut self`";
        refusals.at(param, words);
    }
    if !gives_nothing(method) {
        let words = "nobody hears of what an `on_stop` method returns; let it return nothing, or a \
                     `Result<(), ..>` whose error is told with the actor's end";
        refusals.at(&source.sig.output, words);
    }
    let goes = |key: &&Ident| ["on_stop", "name", "timeout"].iter().any(|known| *key == known);
    for other in method.function.options.keys.iter().filter(|key| !goes(key)) {
        let words = format!("`on_stop` goes with `name` and `timeout` alone; leave `{other}` out");
        refusals.at(other, words);
    }
}

fn gives_nothing(method: &Method) -> bool {
    let output = &method.function.output;
    let unit = |ty: &Type| matches!(plain(ty), Type::Tuple(tuple) if tuple.elems.is_empty());
    output.stream.is_none()
        && match &output.value {
            Value::Named(value) => unit(value),
            Value::OkOfWhole => true,
        }
}

/// Refuses a second method for the actor's end, and one that stands apart from the constructor.
pub(super) fn farewells(all: &[Method], refusals: &mut Refusals) {
    let mut found = all.iter().filter_map(|method| method.function.options.on_stop.as_ref());
    let Some(first) = found.next() else { return };
    for other in found {
        refusals.at(other, "the actor has an `on_stop` already; let that one do both");
    }
    if !all.iter().any(|method| method.function.source.sig.ident == "new") {
        refusals.at(first, "`on_stop` stands in the same `impl` block as `new`; put it there");
    }
}

/// Whether the name is free; refuses one that is not.
fn name(method: &Method, refusals: &mut Refusals) -> bool {
    let ident = &method.function.source.sig.ident;
    let name = ident.unraw().to_string();
    let words = match &*name {
        "remote" | "options" => {
            format!("`{name}` is a function that the attribute makes; choose another name")
        }
        "kill" | "kill_and_restart" | "stop" | "ready" | "ended" | "restarts" | "checkpoint"
        | "downgrade" | "id" | "is_alive" => {
            format!("`{name}` is a method of every handle; choose another name")
        }
        "name" | "timeout" | "max_retries" | "retry_on" | "backpressure" | "backpressure_bytes"
        | "unordered" | "when_full" | "forget" => {
            format!("`{name}` is an option of every call; choose another name")
        }
        _ => return true,
    };
    refusals.at(ident, words);
    false
}

fn receiver(method: &Method, borrows: bool, refusals: &mut Refusals) {
    let Some(receiver) = method.function.source.sig.receiver() else { return };
    if let ReceiverKind::Reference(_, Some(lifetime), _) = &receiver.kind
        && lifetime.ident == "static"
    {
        let words = "a method borrows the state only as long as the call; leave `'static` out";
        refusals.at(lifetime, words);
    }
    if !borrows {
        let words = "an actor keeps its state from call to call, so its methods borrow it; take `&self` \
                     or `&mut self`";
        refusals.at(receiver, words);
    }
}

fn constructor(method: &Method, actor: &Path, refusals: &mut Refusals) {
    let signature = &method.function.source.sig;
    if !matches!(method.kind, Kind::Make) {
        let words = "`new` makes the actor, so there is no `self` yet; leave it out, or choose another \
                     name for the method";
        return refusals.at(signature.receiver(), words);
    }
    let fits = match &method.function.output.value {
        Value::Named(value) => is_actor(value, actor),
        Value::OkOfWhole => true,
    };
    if fits {
        return;
    }
    let words = format!(
        "`new` makes the actor; let it return `Self` or a `Result<Self, ..>` (that is, `{}`)",
        last(actor)
    );
    match &signature.output {
        ReturnType::Default => refusals.at(&signature.ident, words),
        ReturnType::Type(_, whole) => refusals.at(whole, words),
    }
}

/// Whether the type is spelled like the struct.
fn is_actor(ty: &Type, actor: &Path) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|found| found.ident.unraw() == last(actor) && found.arguments.is_none())
}

fn last(path: &Path) -> String {
    path.segments.last().map(|last| last.ident.unraw().to_string()).unwrap_or_default()
}
