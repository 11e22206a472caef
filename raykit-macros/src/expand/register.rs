//! The entry in the program's list of functions, and the body that a worker runs.

use super::function::{at, value};
use super::signature;
use crate::item::Function;
use crate::param::{Param, Taken};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

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
        let stored = stored(function, param);
        quote_spanned!(at(param.span)=> <#stored as #raykit::Object>::SCHEMA)
    });
    let value = value(function);
    let result = match function.options.num_returns {
        None => code!(<#value as #raykit::Object>::SCHEMA),
        Some(_) => code!(<#value as #raykit::__private::Tuple>::SCHEMA),
    };
    let returns = function.options.num_returns.as_ref().map_or(1, |returns| returns.count as u32);
    let defaults = defaults(function);
    let kind = if function.is_async() { code!(Async) } else { code!(Sync) };
    code! {
        #raykit::Function {
            name: #shown,
            krate: #raykit::__private::krate(::core::module_path!()),
            major: #raykit::__private::major(::core::option_env!("CARGO_PKG_VERSION_MAJOR")),
            path: ::core::any::type_name::<#name>,
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
    let raykit = &function.options.raykit;
    let value = value(function);
    let count = wanted.count;
    let words = format!("`num_returns = {count}`, but the function's tuple has another length");
    Some(quote_spanned! {at(wanted.place.span())=>
        const _: () = ::core::assert!(<#value as #raykit::__private::Tuple>::LEN == #count, #words);
    })
}

/// The function that takes the arguments out of a call and calls the user's.
fn body(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let locals: Vec<Ident> = (0..function.params.len())
        .map(|at| format_ident!("__a{at}", span = Span::mixed_site()))
        .collect();
    let takes = function
        .params
        .iter()
        .zip(&locals)
        .enumerate()
        .map(|(at, (param, local))| take(function, param, local, at));
    let passed = function.params.iter().zip(&locals).map(|(param, local)| match param.taken {
        Taken::Own(_) | Taken::View(_) => code!(#local),
        Taken::Borrow(_) | Taken::Slice { .. } => code!(&#local),
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
    let raykit = &function.options.raykit;
    let taken = match &param.taken {
        Taken::Own(ty) | Taken::View(ty) => {
            code!(<#ty as #raykit::__private::Param>::take(&mut call, #index)?)
        }
        Taken::Borrow(ty) => code!(call.borrow::<#ty>(#index)?),
        Taken::Slice { element, .. } => code!(call.slice::<#element>(#index)?),
    };
    quote_spanned!(at(param.span)=> let #local = #taken;)
}

/// The type of a parameter in the store.
fn stored(function: &Function, param: &Param) -> TokenStream {
    let raykit = &function.options.raykit;
    match &param.taken {
        Taken::Own(ty) | Taken::View(ty) => code!(<#ty as #raykit::__private::Param>::Stored),
        Taken::Borrow(ty) => code!(#ty),
        Taken::Slice { stored, .. } => code!(#stored),
    }
}

/// From what the user's function gives to the results of the call.
fn outcome(function: &Function, made: &TokenStream) -> TokenStream {
    let raykit = &function.options.raykit;
    let value = value(function);
    let span = at(function.output.whole.span());
    let returns = match function.options.num_returns {
        None => code!(one),
        Some(_) => code!(many),
    };
    let wrap = quote_spanned!(span=> #raykit::__private::Returns::#returns::<#value>);
    if !function.output.fallible {
        return code!(::core::result::Result::Ok(#wrap(#made)));
    }
    let whole = &function.output.whole;
    let into = quote_spanned!(span=> <#whole as #raykit::__private::Fails>::into_result);
    let raise = quote_spanned! {span=>
        (&&&#raykit::__private::Raised::new(#raykit::__private::raise(error))).error()
    };
    code! {
        match #into(#made) {
            ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#wrap(value)),
            ::core::result::Result::Err(error) => {
                use #raykit::__private::{RaisedNothing as _, RaisedObject as _, RaisedOther as _};
                ::core::result::Result::Err(#raise)
            }
        }
    }
}
