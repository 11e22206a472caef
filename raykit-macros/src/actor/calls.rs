//! What callers of a method see: the methods of the handle and of the options, and `remote`.

use super::bodies::described;
use super::parse::{Kind, Method, Methods};
use crate::expand::parts::{Taken, allowances, caller, conditions, references, taken, visibility};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Attribute;

/// One of the two forms in which a method is called.
struct Form<'a> {
    /// What it is a method of.
    of: TokenStream,
    docs: TokenStream,
    receiver: TokenStream,
    /// Statements in front of the call.
    before: TokenStream,
    /// The actor, for all methods but the constructor.
    actor: TokenStream,
    options: TokenStream,
    method: &'a Method,
    at: usize,
}

/// The calls of one method: with the method's own options and with others.
pub(super) fn calls(methods: &Methods, method: &Method, at: usize) -> TokenStream {
    match method.kind {
        Kind::Make => constructor(methods, method, at),
        _ => both(methods, method, at),
    }
}

fn both(methods: &Methods, method: &Method, at: usize) -> TokenStream {
    let raykit = &methods.raykit;
    let name = method.function.name();
    let [handle, call] = ["Handle", "Call"].map(|suffix| methods.beside(suffix));
    let words = format!("Calls `{name}` of the actor and returns at once.");
    let plain = Form {
        of: handle.to_token_stream(),
        docs: documented(&method.function.source.attrs, &words),
        receiver: code!(&self,),
        before: TokenStream::new(),
        actor: code!(<#handle as #raykit::Handle>::__actor(self),),
        options: code!(::core::option::Option::None),
        method,
        at,
    };
    let words = format!("Calls `{name}` of the actor under these options and returns at once.");
    let changed = Form {
        of: code!(#call<'_>),
        docs: code!(#[doc = #words]),
        receiver: code!(self,),
        before: code!(let (__raykit_handle, __raykit_options) = self.__parts();),
        actor: code!(<#handle as #raykit::Handle>::__actor(__raykit_handle),),
        options: code!(::core::option::Option::Some(__raykit_options)),
        method,
        at,
    };
    let [plain, changed] = [plain, changed].map(|form| written(methods, &form));
    code!(#plain #changed)
}

/// `remote`, from the constructor.
fn constructor(methods: &Methods, method: &Method, at: usize) -> TokenStream {
    let Methods { actor, .. } = methods;
    let options = methods.beside("Options");
    let words = format!("Makes a `{}` as an actor and returns at once.", shown(methods));
    let plain = Form {
        of: actor.to_token_stream(),
        docs: documented(&method.function.source.attrs, &words),
        receiver: TokenStream::new(),
        before: TokenStream::new(),
        actor: TokenStream::new(),
        options: code!(::core::option::Option::None),
        method,
        at,
    };
    let words = format!(
        "Makes a `{}` as an actor under these options and returns at once.",
        shown(methods)
    );
    let changed = Form {
        of: options.to_token_stream(),
        docs: code!(#[doc = #words]),
        receiver: code!(self,),
        before: TokenStream::new(),
        actor: TokenStream::new(),
        options: code!(::core::option::Option::Some(self.__into())),
        method,
        at,
    };
    let [plain, changed] = [plain, changed].map(|form| written(methods, &form));
    code!(#plain #changed)
}

fn shown(methods: &Methods) -> String {
    methods.actor.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
}

/// The method's documentation with these words after it, and its deprecation.
fn documented(attributes: &[Attribute], words: &str) -> TokenStream {
    let kept = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    code!(#(#kept)* #[doc = ""] #[doc = #words])
}

/// The code of one form.
fn written(methods: &Methods, form: &Form<'_>) -> TokenStream {
    let Methods { raykit, actor: name_of_actor, .. } = methods;
    let Form { of, docs, receiver, before, actor, options, method, at } = form;
    let function = &method.function;
    let Taken { names, forms, types, inputs } = taken(function);
    let attributes = &function.source.attrs;
    let conditions: Vec<&Attribute> = conditions(attributes).collect();
    let deprecated = attributes.iter().filter(|attribute| attribute.path().is_ident("deprecated"));
    let allowances = allowances(function);
    let visibility = visibility(&function.source.vis);
    let described = described(*at);
    let (name, gives, call) = if matches!(method.kind, Kind::Make) {
        let handle = methods.beside("Handle");
        let create = code! {
            <#handle as #raykit::Handle>::__new(#raykit::__private::create::<#name_of_actor, _>(
                &#described,
                #options,
                [#(#inputs),*],
            ))
        };
        (code!(remote), code!(#handle), create)
    } else {
        let name = function.name();
        let caller = caller(function, ["call", "call_many", "call_stream"], Some(name_of_actor));
        let call = code!(#caller(#actor &#described, #options, [#(#inputs),*]));
        (code!(#name), references(function), call)
    };
    code! {
        #(#conditions)*
        #allowances
        impl #of {
            #docs
            #(#deprecated)*
            #visibility fn #name<#(#forms),*>(#receiver #(#names: impl #types),*) -> #gives {
                #before
                #call
            }
        }
    }
}
