//! An `impl` block as the macro understands it.

use super::check;
use crate::attr::{Options, Owner};
use crate::check::Refusals;
use crate::expand::signature;
use crate::item::{Function, plain, written};
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, ImplItem, ImplItemFn, ItemFn, ItemImpl, Meta, Path, PathArguments, Receiver,
    ReceiverKind, ReturnType, Type, Visibility,
};

/// The block's remote methods.
pub(super) struct Methods {
    pub(super) raykit: Path,
    /// The struct, as the block names it.
    pub(super) actor: Path,
    pub(super) all: Vec<Method>,
}

/// A method that is remote, or was meant to be.
pub(super) struct Method {
    /// The method as a function, with the struct's name for `Self` in the types of parameters and
    /// result.
    pub(super) function: Function,
    pub(super) kind: Kind,
    /// The signature as the user wrote it.
    pub(super) signature: String,
    pub(super) fit: Fit,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The constructor.
    Make,
    /// Takes `&self`; the place is that of `self`.
    Shared(Span),
    /// Takes `&mut self`.
    Exclusive,
}

/// What may be written for a method.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fit {
    Whole,
    /// It was refused: only what callers name.
    Callers,
    /// Its name is taken: nothing.
    Nothing,
}

impl Methods {
    /// Reads the methods and refuses those that cannot be remote. The attributes are those that
    /// `strip` found.
    pub(super) fn parse(
        block: &ItemImpl,
        actor: Path,
        attributes: Vec<(usize, Attribute)>,
        raykit: Path,
        refusals: &mut Refusals,
    ) -> Methods {
        let mut all = Vec::new();
        for (at, item) in block.items.iter().enumerate() {
            let ImplItem::Fn(source) = item else { continue };
            let mut own = attributes.iter().filter(|(of, _)| *of == at).map(|(_, own)| own);
            let receiver = source.sig.receiver();
            let is_new = source.sig.ident == "new";
            let is_local =
                matches!(source.vis, Visibility::Inherited) || receiver.is_none() && !is_new;
            if is_local && !own.clone().any(names_on_stop) {
                check::local(source, own.next(), &raykit, refusals);
                continue;
            }
            let options = options(own.next(), &raykit, is_new, refusals);
            check::once(own.next(), refusals);
            all.push(Method::new(source, &actor, options, refusals));
        }
        check::farewells(&all, refusals);
        Methods { raykit, actor, all }
    }

    /// The method that runs at the actor's end, and its place in the block.
    pub(super) fn on_stop(&self) -> Option<(usize, &Method)> {
        let fits = |(_, method): &(usize, &Method)| method.ends() && method.fit == Fit::Whole;
        self.all.iter().enumerate().find(fits)
    }

    /// A type beside the struct: the same path, with this at the end of the last name.
    pub(super) fn beside(&self, suffix: &str) -> Path {
        let mut path = self.actor.clone();
        if let Some(last) = path.segments.last_mut() {
            last.ident = beside(&last.ident, suffix);
        }
        path
    }
}

impl Method {
    /// Whether it runs at the actor's end and cannot be called.
    pub(super) fn ends(&self) -> bool {
        self.function.options.on_stop.is_some()
    }

    fn new(source: &ImplItemFn, actor: &Path, options: Options, refusals: &mut Refusals) -> Method {
        let kind = match source.sig.receiver() {
            Some(receiver) => kind(receiver),
            None => Some(Kind::Make),
        };
        let mut function = ItemFn {
            attrs: source.attrs.clone(),
            vis: source.vis.clone(),
            modifiers: source.modifiers.clone(),
            sig: source.sig.clone(),
            block: Box::new(source.block.clone()),
        };
        for input in &mut function.sig.inputs {
            if let FnArg::Typed(typed) = input {
                *typed.ty = named(&typed.ty, actor);
            }
        }
        if let ReturnType::Type(_, whole) = &mut function.sig.output {
            **whole = named(whole, actor);
        }
        let mut method = Method {
            function: Function::new(function, options),
            kind: kind.unwrap_or(Kind::Exclusive),
            signature: signature::text(&source.sig),
            fit: Fit::Whole,
        };
        method.fit = check::method(&method, actor, kind.is_some(), refusals);
        method
    }
}

/// Whether the attribute says that the method runs at the actor's end.
fn names_on_stop(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let is_it = |token: TokenTree| matches!(token, TokenTree::Ident(word) if word == "on_stop");
    list.tokens.clone().into_iter().any(is_it)
}

/// The options that a method's attribute gives.
fn options(
    attribute: Option<&Attribute>,
    raykit: &Path,
    is_new: bool,
    refusals: &mut Refusals,
) -> Options {
    let tokens = match attribute.map(|attribute| &attribute.meta) {
        Some(Meta::List(list)) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    if is_new && !tokens.is_empty() {
        let words = match attribute.is_some_and(names_on_stop) {
            true => "`new` makes the actor; `on_stop` stands on the method that it runs last",
            false => "options of the whole actor stand on its struct, not on `new`",
        };
        refusals.at(attribute, words);
        return Options::new(raykit.clone());
    }
    Options::read_at(raykit.clone(), tokens, Owner::Method, refusals)
}

/// Takes `#[remote]` off the methods, for which it would mean something else, and keeps it with the
/// place of its method.
pub(super) fn strip(block: &mut ItemImpl) -> Vec<(usize, Attribute)> {
    let mut found = Vec::new();
    for (at, item) in block.items.iter_mut().enumerate() {
        let ImplItem::Fn(method) = item else { continue };
        let (mine, others) = std::mem::take(&mut method.attrs).into_iter().partition(is_remote);
        method.attrs = others;
        let mine: Vec<Attribute> = mine;
        found.extend(mine.into_iter().map(|attribute| (at, attribute)));
    }
    found
}

fn is_remote(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "remote")
}

/// How a receiver borrows the state, if it does.
fn kind(receiver: &Receiver) -> Option<Kind> {
    let shared = Kind::Shared(receiver.self_token.span);
    let is_mut = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => match plain(ty) {
            Type::Reference(reference) => {
                let own = matches!(plain(&reference.elem), Type::Path(path) if path.path.is_ident("Self"));
                own.then_some(reference.mutability.is_some())?
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(if is_mut { Kind::Exclusive } else { shared })
}

/// `Counter` → `CounterHandle`
pub(super) fn beside(name: &Ident, suffix: &str) -> Ident {
    let plain = name.unraw();
    written(&format_ident!("{plain}{suffix}", span = name.span()))
}

/// The struct's path for code of the macro's own: lints have seen the user's.
pub(super) fn path_of(mut path: Path) -> Path {
    if let Some(last) = path.segments.last_mut() {
        last.ident = written(&last.ident);
        last.arguments = PathArguments::None;
    }
    path
}

/// The type with the struct's path for `Self`, since it is going to stand elsewhere.
fn named(ty: &Type, actor: &Path) -> Type {
    let tokens = replaced(ty.to_token_stream(), &actor.to_token_stream());
    syn::parse2(tokens).unwrap_or_else(|_| ty.clone())
}

fn replaced(tokens: TokenStream, actor: &TokenStream) -> TokenStream {
    let one = |token: TokenTree| -> TokenStream {
        match token {
            TokenTree::Ident(word) if word == "Self" => located(actor.clone(), word.span()),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), replaced(group.stream(), actor));
                inner.set_span(group.span());
                TokenTree::Group(inner).into()
            }
            other => other.into(),
        }
    };
    tokens.into_iter().flat_map(one).collect()
}

/// The same tokens, in another place.
pub(super) fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(place));
        token
    });
    moved.collect()
}
