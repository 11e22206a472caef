//! The type that stands beside a remote function, with `remote`, `options` and `map`.

use super::parts::{Taken, allowances, caller, conditions, references, taken, visibility};
use super::{prints, register};
use crate::item::Function;
use proc_macro2::{Span, TokenStream};
use quote::format_ident;
use syn::Ident;

/// The function as it is, the type, and what the type can do.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let mut source = function.source.clone();
    prints::import(&function.options.raykit, &mut source.block);
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
    let Taken { names, forms, types, inputs } = taken(function);
    let references = references(function);
    let submit = caller(function, ["submit", "submit_many", "submit_stream"], None);
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
    let items: Vec<Ident> =
        (0..params.len()).map(|at| format_ident!("__A{at}", span = Span::mixed_site())).collect();
    let Taken { names, forms, types, .. } = taken(function);
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
