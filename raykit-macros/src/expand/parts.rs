//! What the code around a remote function and around a method has in common: how its parameters and
//! its result look to callers.

use super::place::Place;
use crate::item::{Function, Value, written};
use crate::param::Param;
use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{Attribute, Ident, Meta, Path, Visibility};

/// The lints that the function has answered for: those that its own attributes allow or expect, and
/// those that look through macros.
pub(crate) fn allowances(function: &Function) -> TokenStream {
    let given = lints(&function.source.attrs);
    // The receiver of a method, or of `options()`, is one more.
    let crowded = function.params.len() > 6;
    let many = crowded
        .then(|| code!(#[allow(clippy::too_many_arguments, reason = "the function has as many")]));
    code!(#given #many)
}

/// The lints that these attributes allow or expect, and what else must not be said of an item that
/// was found fit already.
pub(crate) fn lints(attributes: &[Attribute]) -> TokenStream {
    let given = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(code!(#[allow(#lints)]))
        }
        _ => None,
    });
    let deprecated = attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let old = deprecated.then(|| code!(#[allow(deprecated, reason = "callers are told")]));
    code!(#(#given)* #old)
}

/// The `cfg`s of the function, which what stands beside it has to share.
pub(crate) fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// The visibility. Lints that look at `pub` have seen the user's already.
pub(crate) fn visibility(given: &Visibility) -> TokenStream {
    match given {
        Visibility::Public(_) => code!(pub),
        other => ours(other.to_token_stream()),
    }
}

/// The same tokens as the macro's own, for lints. Only a `$crate` means nothing elsewhere.
fn ours(tokens: TokenStream) -> TokenStream {
    let one = |token: TokenTree| match token {
        TokenTree::Ident(word) if word != "$crate" => written(&word).into(),
        TokenTree::Group(group) => {
            let mut inside = Group::new(group.delimiter(), ours(group.stream()));
            inside.set_span(Span::mixed_site().located_at(group.span()));
            inside.into()
        }
        other => other,
    };
    tokens.into_iter().map(one).collect()
}

/// Type parameters for the forms of the arguments.
fn forms(params: &[Param]) -> Vec<Ident> {
    (0..params.len()).map(|at| format_ident!("__M{at}", span = Span::mixed_site())).collect()
}

/// The function's parameters as callers see them, and what to do with each.
pub(crate) struct Taken<'a> {
    pub(crate) names: Vec<&'a Ident>,
    /// Type parameters for the forms of the arguments.
    pub(crate) forms: Vec<Ident>,
    /// The bounds on what is passed.
    pub(crate) types: Vec<TokenStream>,
    /// The arguments without their types.
    pub(crate) inputs: Vec<TokenStream>,
}

pub(crate) fn taken(function: &Function) -> Taken<'_> {
    let params = &function.params;
    let raykit = &function.options.raykit;
    let forms = forms(params);
    let bounds = params.iter().zip(&forms).map(|(param, form)| into_arg(function, param, form));
    let inputs = params.iter().map(|param| {
        let name = &param.name;
        quote_spanned!(name.span()=> #raykit::__private::IntoArg::into_arg(#name))
    });
    Taken {
        types: bounds.collect(),
        inputs: inputs.collect(),
        names: params.iter().map(|param| &param.name).collect(),
        forms,
    }
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

/// raykit's function that makes the call, with its type arguments: the first of these for one
/// result, the second for several, the third for a stream.
pub(crate) fn caller(
    function: &Function,
    [one, several, stream]: [&str; 3],
    actor: Option<&Path>,
) -> TokenStream {
    let given = given(function);
    let place = value_place(function);
    let raykit = place.path(&function.options.raykit);
    let name = match (&function.output.stream, &function.options.num_returns) {
        (Some(_), _) => stream,
        (None, Some(_)) => several,
        (None, None) => one,
    };
    let name = Ident::new(name, place.end());
    let actor = actor.map(|actor| quote_spanned!(place.end()=> , #actor));
    quote_spanned!(place.end()=> #raykit::__private::#name::<#given::Checked, _ #actor>)
}

/// What `remote` returns.
pub(crate) fn references(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let value = value(function);
    if function.output.stream.is_some() {
        return code!(#raykit::ObjectStream<#value>);
    }
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
