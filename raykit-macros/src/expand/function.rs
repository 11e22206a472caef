//! The type that stands beside a remote function, with `remote`, `options` and `map`.

use super::place::Place;
use super::register;
use crate::item::{Function, Value};
use crate::param::Param;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Attribute, Ident, Meta, Visibility};

/// The function as it is, the type, and what the type can do.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let source = &function.source;
    let handle = handle(function);
    let conditions = conditions(&source.attrs);
    let calls = calls(function);
    let options = options(function);
    let registration = register::expand(function);
    let allowances = allowances(function);
    code! {
        #source
        #handle
        #(#conditions)*
        #allowances
        const _: () = {
            #calls
            #options
            #registration
        };
    }
}

/// The lints that the function has answered for: those that its own attributes allow or expect, and
/// those that look through macros.
fn allowances(function: &Function) -> TokenStream {
    let attributes = &function.source.attrs;
    let given = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(code!(#[allow(#lints)]))
        }
        _ => None,
    });
    let deprecated = attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let old = deprecated.then(|| code!(#[allow(deprecated, reason = "callers are told")]));
    let crowded = function.params.len() > 7;
    let many = crowded
        .then(|| code!(#[allow(clippy::too_many_arguments, reason = "the function has as many")]));
    code!(#(#given)* #old #many)
}

/// The type of the function's name. It is never made: it only gives its functions a place.
pub(crate) fn handle(function: &Function) -> TokenStream {
    let name = function.name();
    let visibility = visibility(&function.source.vis);
    let kept = function.source.attrs.iter().filter(|attribute| {
        ["doc", "cfg", "deprecated"].iter().any(|word| attribute.path().is_ident(word))
    });
    let words =
        format!("The remote form of the function: `{name}::remote(..)` calls it as a task.");
    code! {
        #(#kept)*
        #[doc = ""]
        #[doc = #words]
        #visibility struct #name {
            never: ::core::convert::Infallible,
        }
    }
}

/// The `cfg`s of the function, which what stands beside it has to share.
pub(crate) fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// The function's visibility. Lints that look at `pub` have seen the user's already.
fn visibility(given: &Visibility) -> TokenStream {
    match given {
        Visibility::Public(_) => code!(pub),
        other => code!(#other),
    }
}

/// `remote` and `map` of the function itself.
fn calls(function: &Function) -> TokenStream {
    let name = function.name();
    let options = code!(::core::option::Option::None);
    let docs = format!("Calls `{name}` as a task and returns at once.");
    let remote = remote(function, &docs, &code!(), &options);
    let docs = format!("Calls `{name}` as a task for each item, and returns at once.");
    let map = map(function, &docs, &code!(), &code!(#name::remote));
    code! {
        impl #name {
            #remote
            #map
        }
    }
}

/// `options`, and the type that it gives.
fn options(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let mine = code!(::core::option::Option::Some(self.options));
    let docs = format!("Calls `{name}` as a task under these options and returns at once.");
    let remote = remote(function, &docs, &code!(self,), &mine);
    let docs = format!("Calls `{name}` as a task for each item under these options.");
    let again = code!(::core::clone::Clone::clone(&self).remote);
    let map = map(function, &docs, &code!(self,), &again);
    let words = format!("Options for calls of `{name}` other than its own.");
    code! {
        impl #name {
            #[doc = #words]
            pub fn options() -> __RaykitOptions {
                __RaykitOptions {
                    options: ::core::clone::Clone::clone(
                        &<#name as #raykit::RemoteFunction>::function().defaults,
                    ),
                }
            }
        }

        #[doc = #words]
        #[derive(Clone, Debug)]
        #[must_use = "options do nothing until `remote` is called"]
        pub struct __RaykitOptions {
            options: #raykit::__private::Options,
        }

        impl __RaykitOptions {
            #raykit::__option_methods!(options);
            #remote
            #map
        }
    }
}

/// `remote`, with the function's own parameter names.
fn remote(
    function: &Function,
    docs: &str,
    receiver: &TokenStream,
    options: &TokenStream,
) -> TokenStream {
    let raykit = &function.options.raykit;
    let handle = function.name();
    let forms: Vec<Ident> = forms(&function.params);
    let names: Vec<&Ident> = function.params.iter().map(|param| &param.name).collect();
    let types =
        function.params.iter().zip(&forms).map(|(param, form)| into_arg(function, param, form));
    let references = references(function);
    let submit = submit(function);
    let inputs = function.params.iter().map(|param| {
        let name = &param.name;
        quote_spanned!(name.span()=> #raykit::__private::IntoArg::into_arg(#name))
    });
    code! {
        #[doc = #docs]
        pub fn remote<#(#forms),*>(#receiver #(#names: impl #types),*) -> #references {
            #submit(
                <#handle as #raykit::RemoteFunction>::function(),
                #options,
                [#(#inputs),*],
            )
        }
    }
}

/// `map`, which takes items for one parameter and tuples for several. Without parameters there is
/// none.
fn map(function: &Function, docs: &str, receiver: &TokenStream, call: &TokenStream) -> TokenStream {
    let params = &function.params;
    let forms: Vec<Ident> = forms(params);
    let items: Vec<Ident> =
        (0..params.len()).map(|at| format_ident!("__A{at}", span = Span::mixed_site())).collect();
    let names: Vec<&Ident> = params.iter().map(|param| &param.name).collect();
    let types = params.iter().zip(&forms).map(|(param, form)| into_arg(function, param, form));
    let references = references(function);
    let (item, pattern) = match params.len() {
        0 => return TokenStream::new(),
        1 => (code!(#(#items)*), code!(#(#names)*)),
        _ => (code!((#(#items),*)), code!((#(#names),*))),
    };
    code! {
        #[doc = #docs]
        pub fn map<#(#items,)* #(#forms),*>(
            #receiver
            items: impl ::core::iter::IntoIterator<Item = #item>,
        ) -> ::std::vec::Vec<#references>
        where
            #(#items: #types,)*
        {
            ::core::iter::Iterator::collect(::core::iter::Iterator::map(
                ::core::iter::IntoIterator::into_iter(items),
                |#pattern| #call(#(#names),*),
            ))
        }
    }
}

/// Type parameters for the forms of the arguments.
fn forms(params: &[Param]) -> Vec<Ident> {
    (0..params.len()).map(|at| format_ident!("__M{at}", span = Span::mixed_site())).collect()
}

/// The bound on what is passed for a parameter.
fn into_arg(function: &Function, param: &Param, form: &Ident) -> TokenStream {
    let place = Place::of(&param.ty);
    let raykit = place.path(&function.options.raykit);
    let stored = match &param.stored {
        Some(stored) => code!(#stored),
        None => {
            let through = through(function, param);
            code!(#through::Stored)
        }
    };
    quote_spanned!(place.end()=> #raykit::IntoArg<#stored, #form>)
}

/// A parameter's type seen as a `Param`, or as something to `Lend`.
pub(crate) fn through(function: &Function, param: &Param) -> TokenStream {
    let name = if param.lent { "Lend" } else { "Param" };
    Place::of(&param.ty).seen_as(&param.ty, &function.options.raykit, name)
}

/// The function's value seen as a `Single` result, or as a `Tuple` of several.
pub(crate) fn given(function: &Function) -> TokenStream {
    let name = if function.options.num_returns.is_some() { "Tuple" } else { "Single" };
    value_place(function).seen_as(&value(function), &function.options.raykit, name)
}

/// Where the type of the function's value stands.
pub(crate) fn value_place(function: &Function) -> Place {
    match &function.output.value {
        Value::Named(ty) => Place::of(ty),
        Value::OkOfWhole => Place::of(&function.output.whole),
    }
}

/// The function that submits, with its type argument.
fn submit(function: &Function) -> TokenStream {
    let given = given(function);
    let place = value_place(function);
    let raykit = place.path(&function.options.raykit);
    let name = if function.options.num_returns.is_some() { "submit_many" } else { "submit" };
    let name = Ident::new(name, place.end());
    quote_spanned!(place.end()=> #raykit::__private::#name::<#given::Checked, _>)
}

/// What `remote` returns.
fn references(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let value = value(function);
    match (&function.options.num_returns, function.output.tuple()) {
        (None, _) => code!(#raykit::ObjectRef<#value>),
        (Some(_), Some(fields)) => code!((#(#raykit::ObjectRef<#fields>),*)),
        (Some(_), None) => {
            let given = given(function);
            quote_spanned!(value_place(function).end()=> #given::Refs)
        }
    }
}

/// The type of the function's value.
pub(crate) fn value(function: &Function) -> TokenStream {
    let whole = &function.output.whole;
    match &function.output.value {
        Value::Named(ty) => code!(#ty),
        Value::OkOfWhole => {
            let fails = Place::of(whole).seen_as(whole, &function.options.raykit, "Fails");
            code!(#fails::Ok)
        }
    }
}
