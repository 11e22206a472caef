//! The entry in the program's list of functions, and the body that a worker runs.

use super::function::{given, through, value_place};
use super::place::Place;
use super::signature;
use crate::item::Function;
use crate::param::Param;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

/// `RemoteFunction` for the function's type, with everything that it needs inside.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let body = body(function);
    let entry = entry(function);
    let agreement = agreement(function);
    code! {
        #agreement
        #body

        static __RAYKIT_FUNCTION: #raykit::Function = #entry;

        #[#raykit::__private::linkme::distributed_slice(#raykit::__private::FUNCTIONS)]
        #[linkme(crate = #raykit::__private::linkme)]
        static __RAYKIT_ENTRY: &#raykit::Function = &__RAYKIT_FUNCTION;

        impl #raykit::RemoteFunction for #name {
            fn function() -> &'static #raykit::Function {
                &__RAYKIT_FUNCTION
            }
        }
    }
}

/// The static that describes the function.
fn entry(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let shown = function.source.sig.ident.unraw().to_string();
    let signature = signature::text(&function.source.sig);
    let schemas = function.params.iter().map(|param| {
        let through = through(function, param);
        quote_spanned!(Place::of(&param.ty).end()=> #through::SCHEMA)
    });
    let given = given(function);
    let result = quote_spanned!(value_place(function).end()=> #given::SCHEMA);
    let returns = function.options.num_returns.as_ref().map_or(1, |returns| returns.count as u32);
    let defaults = defaults(function);
    let kind = if function.is_async() { code!(Async) } else { code!(Sync) };
    code! {
        #raykit::Function {
            name: #shown,
            krate: #raykit::__private::krate(::core::module_path!()),
            major: #raykit::__private::major(::core::option_env!("CARGO_PKG_VERSION_MAJOR")),
            path: ::core::any::type_name::<#name>,
            method: "",
            schema: #raykit::__private::schema::signature(&[#(#schemas),*], #result),
            signature: #signature,
            returns: #returns,
            defaults: #defaults,
            body: #raykit::__private::Body::#kind(__raykit_body),
            file: ::core::file!(),
            line: ::core::line!(),
        }
    }
}

/// The function's own options.
fn defaults(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let mut fields = function.options.fields.clone();
    if function.is_async() && fields.iter().all(|(field, _)| *field != "num_cpus") {
        fields.push(("num_cpus", code!(0.0)));
    }
    if fields.is_empty() {
        return code!(#raykit::__private::Options::new());
    }
    let steps = fields.iter().map(|(field, value)| {
        let field = Ident::new(field, Span::mixed_site());
        code!(#raykit::__private::set(&mut options.#field, #value);)
    });
    code!({
        let mut options = #raykit::__private::Options::new();
        #(#steps)*
        options
    })
}

/// For a tuple that the source does not show: that it has as many fields as the attribute says.
fn agreement(function: &Function) -> Option<TokenStream> {
    let wanted = function.options.num_returns.as_ref()?;
    if function.output.tuple().is_some() {
        return None;
    }
    let given = given(function);
    let count = wanted.count;
    let words = format!("`num_returns = {count}`, but the function's tuple has another length");
    Some(quote_spanned! {Place::of(&wanted.place).end()=>
        const _: () = ::core::assert!(#given::LEN == #count, #words);
    })
}

/// The function that takes the arguments out of a call and calls the user's.
fn body(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let locals: Vec<Ident> = function
        .params
        .iter()
        .enumerate()
        .map(|(at, param)| format_ident!("__a{at}", span = Place::of(&param.ty).end()))
        .collect();
    let takes = function
        .params
        .iter()
        .zip(&locals)
        .enumerate()
        .map(|(at, (param, local))| take(function, param, local, at));
    let passed = function.params.iter().zip(&locals).map(|(param, local)| {
        if !param.lent {
            return code!(#local);
        }
        let through = through(function, param);
        quote_spanned!(Place::of(&param.ty).end()=> #through::lend(&#local))
    });
    let awaited = function.is_async().then(|| code!(.await));
    let outcome = outcome(function, &code!(#name(#(#passed),*) #awaited));
    let call = if function.params.is_empty() { code!(_call) } else { code!(mut call) };
    if function.is_async() {
        code! {
            fn __raykit_body(#call: #raykit::__private::Call) -> #raykit::__private::Running {
                ::std::boxed::Box::pin(async move {
                    #(#takes)*
                    #outcome
                })
            }
        }
    } else {
        code! {
            fn __raykit_body(
                #call: #raykit::__private::Call,
            ) -> #raykit::Result<#raykit::__private::Returns> {
                #(#takes)*
                #outcome
            }
        }
    }
}

/// One argument, out of the call.
fn take(function: &Function, param: &Param, local: &Ident, index: usize) -> TokenStream {
    let through = through(function, param);
    let end = Place::of(&param.ty).end();
    let take = Ident::new(if param.lent { "hold" } else { "take" }, end);
    quote_spanned!(end=> let #local = #through::#take(&mut call, #index)?;)
}

/// From what the user's function gives to the results of the call.
fn outcome(function: &Function, made: &TokenStream) -> TokenStream {
    let raykit = &function.options.raykit;
    let given = given(function);
    let end = value_place(function).end();
    if !function.output.fallible {
        let wrapped = quote_spanned!(end=> #given::returns(#made));
        return code!(::core::result::Result::Ok(#wrapped));
    }
    let wrapped = quote_spanned!(end=> #given::returns(value));
    let place = Place::of(&function.output.whole);
    let fails = place.seen_as(&function.output.whole, raykit, "Fails");
    let result = quote_spanned!(place.end()=> #fails::into_result(#made));
    let end = Place::of(function.output.error()).end();
    let raised = quote_spanned!(end=> #raykit::__private::raise(error));
    code! {
            match #result {
                ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#wrapped),
                ::core::result::Result::Err(error) => {
                    use #raykit::__private::{RaisedNothing as _, RaisedObject as _, RaisedOther as _};
                    ::core::result::Result::Err(
    (&&&#raykit::__private::Raised::new(#raised)).error(),
    )
                }
            }
        }
}
