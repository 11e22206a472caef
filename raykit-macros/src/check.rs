//! Every refusal, on the narrowest span, with what to do instead.

use crate::item::{self, Function, Value, plain};
use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, FnArg, GenericParam, Item, ItemEnum, ItemTrait, ItemUnion, PatType, Safety,
    Signature, Type, TypeReference,
};

/// The refusals so far. The user sees all of them at once.
#[derive(Default)]
pub(crate) struct Refusals(Option<Error>);

impl Refusals {
    pub(crate) fn at(&mut self, place: impl ToTokens, words: impl std::fmt::Display) {
        self.push(Error::new_spanned(place, words));
    }

    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn into_error(self) -> Option<Error> {
        self.0
    }
}

/// Refuses a function that cannot be remote.
pub(crate) fn function(function: &Function, refusals: &mut Refusals) {
    if let Some(receiver) = function.source.sig.receiver() {
        let words = "a remote function takes no `self`; for the methods of an actor put `#[remote]` on \
                     its struct and on the `impl` block";
        refusals.at(receiver, words);
    }
    signature(function, "function", refusals);
    output(function, refusals);
}

/// Refuses a result that cannot travel, and options that do not go with it.
pub(crate) fn output(function: &Function, refusals: &mut Refusals) {
    if let Value::Named(value) = &function.output.value {
        result(value, refusals);
    }
    if function.output.stream.is_some()
        && let Some(wanted) = &function.options.num_returns
    {
        let words = "a stream gives a reference to each of its items; leave `num_returns` out";
        refusals.at(&wanted.place, words);
    }
    if function.output.stream.is_none() {
        for key in &function.options.of_stream {
            let words = format!(
                "`{key}` is an option of what gives a stream, an `impl Iterator` or an \
                 `impl Stream`; leave it out"
            );
            refusals.at(key, words);
        }
    }
}

/// Refuses what neither a remote function nor a remote method, as `word` says, can have in front of
/// its result.
pub(crate) fn signature(function: &Function, word: &str, refusals: &mut Refusals) {
    let signature = &function.source.sig;
    qualifiers(signature, word, refusals);
    generics(signature, word, refusals);
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input {
            parameter(typed, refusals);
        }
    }
}

pub(crate) fn qualifiers(signature: &Signature, word: &str, refusals: &mut Refusals) {
    if let Safety::Unsafe(place) = &signature.safety {
        let words = format!(
            "a remote {word} is called by raykit, which cannot keep the promises of an `unsafe fn`; \
             make a safe {word} that calls this one"
        );
        refusals.at(place, words);
    }
    if let Some(abi) = &signature.abi {
        let words =
            format!("a remote {word} is a plain Rust function; make one that calls this one");
        refusals.at(abi, words);
    }
    if let Some(variadic) = &signature.variadic {
        let words = format!("a remote {word} has a fixed number of parameters; take a `Vec`");
        refusals.at(variadic, words);
    }
}

fn generics(signature: &Signature, word: &str, refusals: &mut Refusals) {
    for parameter in &signature.generics.params {
        let words = match parameter {
            GenericParam::Lifetime(_) => {
                "leave the lifetime out; a borrowed argument lives exactly as long as the call"
            }
            _ if word == "method" => {
                "a remote method cannot be generic, since a node runs only what was compiled into it; \
                 make one for each concrete type, or leave `pub` out if only this crate calls it"
            }
            _ => {
                "a remote function cannot be generic, since a node runs only what was compiled into it; \
                 make a `#[remote]` function for each concrete type, e.g. one that calls this one"
            }
        };
        refusals.at(parameter, words);
    }
}

fn parameter(typed: &PatType, refusals: &mut Refusals) {
    for attribute in typed.attrs.iter().filter(|attribute| is_cfg(attribute)) {
        let words = "a parameter of a remote function is there in every build; put the `cfg` on two \
                     whole functions";
        refusals.at(attribute, words);
    }
    match plain(&typed.ty) {
        Type::Reference(reference) => borrowed(reference, refusals),
        owned => Nested { refusals, place: Place::Parameter }.visit_type(owned),
    }
}

fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}

fn borrowed(reference: &TypeReference, refusals: &mut Refusals) {
    if let Some(place) = &reference.mutability {
        let words = "a remote function works on its own copy, so a change behind `&mut` would be lost; \
                     take the value and return it changed";
        return refusals.at(place, words);
    }
    if let Some(lifetime) =
        reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static")
    {
        let words = "a borrowed argument lives only as long as the call; leave `'static` out, or take the \
                     value itself";
        return refusals.at(lifetime, words);
    }
    Nested { refusals, place: Place::Parameter }.visit_type(plain(&reference.elem));
}

/// Refuses a result that cannot travel.
pub(crate) fn result(ty: &Type, refusals: &mut Refusals) {
    match ty {
        Type::Never(never) => {
            let words = "a remote function returns; leave `-> !` out, or return a `Result` that says why \
                         it ended";
            refusals.at(never, words);
        }
        other => Nested { refusals, place: Place::Result }.visit_type(other),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Parameter,
    Result,
}

/// Finds what cannot travel anywhere inside a type.
struct Nested<'r> {
    refusals: &'r mut Refusals,
    place: Place,
}

impl<'ast> Visit<'ast> for Nested<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let words = match (ty, self.place) {
            (Type::ImplTrait(_), Place::Parameter) => {
                "a remote function's parameter has one concrete type; name it"
            }
            (Type::ImplTrait(_), Place::Result) if is_stream(ty) => {
                "a stream stands alone or in a `Result`, and names its items: \
                 `impl Iterator<Item = ..>`, `Result<impl Stream<Item = ..>, ..>`"
            }
            (Type::ImplTrait(_), Place::Result) => {
                "a remote function's result has a type that can be named; name it"
            }
            (Type::TraitObject(_), _) => {
                "a trait object cannot travel, since the other side has to know its type; use an enum or \
                 a concrete type"
            }
            (Type::Reference(_), Place::Parameter) => {
                "a reference inside another type cannot travel; take an owned value here, such as \
                 `String` or `Vec<T>`"
            }
            (Type::Reference(_), Place::Result) => {
                "a result outlives the call, so it cannot borrow; return an owned value, such as `String` \
                 or `Vec<T>`"
            }
            _ => return visit::visit_type(self, ty),
        };
        self.refusals.at(ty, words);
    }
}

/// Whether the words of the type name an iterator or a stream.
fn is_stream(ty: &Type) -> bool {
    ty.to_token_stream().into_iter().any(|token| match token {
        TokenTree::Ident(name) => item::is_stream(&name).is_some(),
        _ => false,
    })
}

/// Refuses a `num_returns` that the return type plainly contradicts.
pub(crate) fn returns(function: &Function, word: &str, refusals: &mut Refusals) {
    let Some(wanted) = &function.options.num_returns else { return };
    let Some(fields) = function.output.tuple() else { return };
    if fields.len() != wanted.count {
        let words = format!(
            "`num_returns = {}`, but the {word} returns a tuple of {}; let them agree",
            wanted.count,
            fields.len()
        );
        refusals.at(&wanted.place, words);
    }
}

/// Refuses what is neither a function nor a part of an actor.
pub(crate) fn item(item: &Item, refusals: &mut Refusals) {
    match item {
        Item::Enum(ItemEnum { enum_token, .. }) => refusals.at(
            enum_token,
            "an actor's state is a struct; make one that holds the enum, and put `#[remote]` on that",
        ),
        Item::Union(ItemUnion { union_token, .. }) => refusals.at(
            union_token,
            "an actor's state is a struct; make one that holds the union, and put `#[remote]` on that",
        ),
        Item::Trait(ItemTrait { trait_token, .. }) => refusals.at(
            trait_token,
            "the methods of a trait are not remote; put `#[remote]` on a struct and on an `impl` block \
             of it, with methods that call those of the trait",
        ),
        other => refusals.at(
            other,
            "`#[remote]` stands on a function, or on an actor's struct and its `impl` block",
        ),
    }
}
