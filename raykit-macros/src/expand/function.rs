//! The type that stands beside a remote function, with `remote`, `options` and `map`.

use super::register;
use crate::item::{Function, Value};
use crate::param::{Param, Taken};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Visibility};

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

/// The lints that look through macros and that the function itself has answered for.
fn allowances(function: &Function) -> TokenStream {
    let deprecated = function.source.attrs.iter().any(|attr| attr.path().is_ident("deprecated"));
    let old = deprecated.then(|| code!(#[allow(deprecated, reason = "callers are told")]));
    let crowded = function.params.len() > 7;
    let many = crowded
        .then(|| code!(#[allow(clippy::too_many_arguments, reason = "the function has as many")]));
    code!(#old #many)
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

/// `map`, which takes items for one parameter and tuples for several. Without parameters there is none.
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
    let raykit = &function.options.raykit;
    let stored = match &param.taken {
        Taken::Own(ty) | Taken::Borrow(ty) => code!(#ty),
        Taken::Slice { stored, .. } => code!(#stored),
        Taken::View(ty) => code!(<#ty as #raykit::__private::Param>::Stored),
    };
    quote_spanned!(at(param.span)=> #raykit::IntoArg<#stored, #form>)
}

/// The function that submits, with its type argument.
fn submit(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let value = value(function);
    let span = at(function.output.whole.span());
    let submit = match function.options.num_returns {
        None => code!(submit),
        Some(_) => code!(submit_many),
    };
    quote_spanned!(span=> #raykit::__private::#submit::<#value, _>)
}

/// What `remote` returns.
fn references(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let value = value(function);
    match (&function.options.num_returns, function.output.tuple()) {
        (None, _) => code!(#raykit::ObjectRef<#value>),
        (Some(_), Some(fields)) => code!((#(#raykit::ObjectRef<#fields>),*)),
        (Some(_), None) => code!(<#value as #raykit::__private::Tuple>::Refs),
    }
}

/// The type of the function's value.
pub(crate) fn value(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let whole = &function.output.whole;
    match &function.output.value {
        Value::Named(ty) => code!(#ty),
        Value::OkOfWhole => code!(<#whole as #raykit::__private::Fails>::Ok),
    }
}

/// The macro's hygiene at a place of the user's.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}
