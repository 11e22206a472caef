//! Every refusal, on the narrowest span, with what to do instead.

use crate::item::{Function, Value, plain};
use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, FnArg, GenericParam, Item, ItemImpl, ItemStruct, Safety, Signature, Type,
    TypeReference,
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
    let signature = &function.source.sig;
    qualifiers(signature, refusals);
    generics(signature, refusals);
    for input in &signature.inputs {
        parameter(input, refusals);
    }
    if let Value::Named(value) = &function.output.value {
        result(value, refusals);
    }
}

fn qualifiers(signature: &Signature, refusals: &mut Refusals) {
    if let Safety::Unsafe(place) = &signature.safety {
        refusals.at(
            place,
            "a remote function is called by raykit, which cannot keep the promises of an `unsafe fn`; \
             make a safe function that calls this one",
        );
    }
    if let Some(abi) = &signature.abi {
        refusals
            .at(abi, "a remote function is a plain Rust function; make one that calls this one");
    }
    if let Some(variadic) = &signature.variadic {
        refusals.at(variadic, "a remote function has a fixed number of parameters; take a `Vec`");
    }
}

fn generics(signature: &Signature, refusals: &mut Refusals) {
    for parameter in &signature.generics.params {
        let words = match parameter {
            GenericParam::Lifetime(_) => {
                "leave the lifetime out; a borrowed argument lives exactly as long as the call"
            }
            _ => {
                "a remote function cannot be generic, since a node runs only what was compiled into it; \
                 make a `#[remote]` function for each concrete type, e.g. one that calls this one"
            }
        };
        refusals.at(parameter, words);
    }
}

fn parameter(input: &FnArg, refusals: &mut Refusals) {
    let typed = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let words = "a remote function takes no `self`; make a free function that takes the value as \
                         a parameter";
            return refusals.at(receiver, words);
        }
    };
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

fn result(ty: &Type, refusals: &mut Refusals) {
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
                "streams are not supported yet; return a `Vec`"
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
        TokenTree::Ident(name) => {
            let name = name.to_string();
            name.ends_with("Iterator") || name.ends_with("Stream")
        }
        _ => false,
    })
}

/// Refuses a `num_returns` that the return type plainly contradicts.
pub(crate) fn returns(function: &Function, refusals: &mut Refusals) {
    let Some(wanted) = &function.options.num_returns else { return };
    let Some(fields) = function.output.tuple() else { return };
    if fields.len() != wanted.count {
        let words = format!(
            "`num_returns = {}`, but the function returns a tuple of {}; let them agree",
            wanted.count,
            fields.len()
        );
        refusals.at(&wanted.place, words);
    }
}

/// Refuses what is not a function.
pub(crate) fn item(item: &Item, refusals: &mut Refusals) {
    match item {
        Item::Struct(ItemStruct { struct_token, .. }) => {
            refusals.at(struct_token, "actors are not supported yet; use `#[remote]` functions");
        }
        Item::Impl(ItemImpl { impl_token, .. }) => {
            refusals.at(impl_token, "actors are not supported yet; use `#[remote]` functions");
        }
        other => refusals.at(other, "`#[remote]` stands on a function"),
    }
}
