//! What a worker runs: the arguments out of the call, the user's function, and its result.

use super::parts::{given, through, value_place};
use super::place::Place;
use crate::item::{Function, Stream, written};
use crate::param::Param;
use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};
use syn::Ident;

/// What is different from body to body.
pub(crate) struct Frame {
    pub(crate) name: Ident,
    /// Parameters in front of the call.
    pub(crate) parameters: TokenStream,
    /// Statements in front of all others.
    pub(crate) before: TokenStream,
    /// What is called.
    pub(crate) callee: TokenStream,
    /// The argument in front of the user's.
    pub(crate) receiver: TokenStream,
    /// What the body gives when it can, and its future when it is one.
    pub(crate) gives: TokenStream,
    pub(crate) future: TokenStream,
}

/// The body of a function, or of a method that has a result.
pub(crate) fn body(function: &Function, frame: &Frame) -> TokenStream {
    if let Some(stream) = &function.output.stream {
        return framed(function, frame, &|made| streamed(function, stream, made));
    }
    let given = given(function);
    let end = value_place(function).end();
    wrapped(function, frame, &|value| quote_spanned!(end=> #given::returns(#value)))
}

/// The function that takes the arguments out of a call, calls the user's and wraps what it gives.
pub(crate) fn wrapped(
    function: &Function,
    frame: &Frame,
    wrap: &dyn Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    framed(function, frame, &|made| outcome(function, made, wrap))
}

/// The same, where `finish` says what becomes of what the user's function gives.
fn framed(
    function: &Function,
    frame: &Frame,
    finish: &dyn Fn(&TokenStream) -> TokenStream,
) -> TokenStream {
    let raykit = &function.options.raykit;
    let Frame { name, parameters, before, callee, receiver, gives, future } = frame;
    let params = &function.params;
    let locals: Vec<Ident> = (params.iter().enumerate())
        .map(|(at, param)| format_ident!("__a{at}", span = Place::of(&param.ty).end()))
        .collect();
    let takes = (params.iter().zip(&locals).enumerate())
        .map(|(at, (param, local))| take(function, param, local, at));
    let passed = params.iter().zip(&locals).map(|(param, local)| {
        if !param.lent {
            return code!(#local);
        }
        let through = through(function, param);
        quote_spanned!(Place::of(&param.ty).end()=> #through::lend(&#local))
    });
    let awaited = function.is_async_fn().then(|| code!(.await));
    let outcome = finish(&code!(#callee(#receiver #(#passed),*) #awaited));
    let unused = params.is_empty() && function.output.stream.is_none();
    let call = if unused { code!(_call) } else { code!(mut call) };
    let parameters = code!(#parameters #call: #raykit::__private::Call);
    let inside = code!(#before #(#takes)* #outcome);
    if !function.is_async() {
        return code!(fn #name(#parameters) -> #raykit::Result<#gives> { #inside });
    }
    // What is wrong with the future is said at the function's name.
    let place = written(&function.source.sig.ident).span();
    let boxed = quote_spanned!(place=> ::std::boxed::Box::pin(async move { #inside }));
    code!(fn #name(#parameters) -> #future { #boxed })
}

/// One argument, out of the call.
fn take(function: &Function, param: &Param, local: &Ident, index: usize) -> TokenStream {
    let through = through(function, param);
    let end = Place::of(&param.ty).end();
    let take = Ident::new(if param.lent { "hold" } else { "take" }, end);
    quote_spanned!(end=> let #local = #through::#take(&mut call, #index)?;)
}

/// From the iterator or the stream that the user's function gives to the items of the call.
fn streamed(function: &Function, stream: &Stream, made: &TokenStream) -> TokenStream {
    let raykit = &function.options.raykit;
    let end = value_place(function).end();
    let given = given(function);
    let each =
        outcome(function, &code!(item), &|value| quote_spanned!(end=> #given::returns(#value)));
    let items = match &stream.error {
        None => made.clone(),
        Some(error) => {
            let raised = raised(function, error);
            code! {
                match #raykit::__private::Fails::into_result(#made) {
                    ::core::result::Result::Ok(items) => items,
                    ::core::result::Result::Err(error) => {
                        return ::core::result::Result::Err(#raised);
                    }
                }
            }
        }
    };
    let way = match (stream.is_async, function.is_async_fn()) {
        (true, _) => "pump",
        (false, true) => "drain_async",
        (false, false) => "drain",
    };
    let (way, awaited) = (Ident::new(way, end), function.is_async().then(|| code!(.await)));
    code! {
        let yields = call.yields()?;
        let items = #items;
        yields.#way(items, |item| #each) #awaited?;
        ::core::result::Result::Ok(#raykit::__private::Returns::nothing())
    }
}

/// The user's `error` as raykit's; `ty` is its type, where it stands in the source.
fn raised(function: &Function, ty: &syn::Type) -> TokenStream {
    let raykit = &function.options.raykit;
    let raised = quote_spanned!(Place::of(ty).end()=> #raykit::__private::raise(error));
    code!({
        use #raykit::__private::{RaisedNothing as _, RaisedObject as _, RaisedOther as _};
        (&&&#raykit::__private::Raised::new(#raised)).error()
    })
}

/// From what the user's function gives to the results of the call.
fn outcome(
    function: &Function,
    made: &TokenStream,
    wrap: &dyn Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let raykit = &function.options.raykit;
    if !function.output.fallible {
        let wrapped = wrap(made.clone());
        return code!(::core::result::Result::Ok(#wrapped));
    }
    let wrapped = wrap(code!(value));
    let place = Place::of(&function.output.whole);
    let fails = place.seen_as(&function.output.whole, raykit, "Fails");
    let result = quote_spanned!(place.end()=> #fails::into_result(#made));
    let raised = raised(function, function.output.error());
    code! {
        match #result {
            ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#wrapped),
            ::core::result::Result::Err(error) => ::core::result::Result::Err(#raised),
        }
    }
}
