//! How each parameter is taken out of a call.

use crate::item::{plain, written};
use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{FnArg, Pat, PathArguments, Token, Type, parse_quote_spanned};

pub(crate) struct Param {
    /// The name that callers of `remote` see.
    pub(crate) name: Ident,
    /// The type, without the `&` of a borrowed one.
    pub(crate) ty: Type,
    /// Whether the function takes it as `&T`.
    pub(crate) lent: bool,
    /// The type in the store, where the source shows it: not for a `View`.
    pub(crate) stored: Option<Type>,
}

impl Param {
    pub(crate) fn all(inputs: &Punctuated<FnArg, Token![,]>) -> Vec<Param> {
        let typed = inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        let mut params: Vec<Param> = Vec::new();
        for typed in typed {
            let mut name = name(params.len(), &typed.pat);
            while params.iter().any(|param| param.name == name) {
                name = format_ident!("{name}_");
            }
            params.push(Param::new(name, plain(&typed.ty)));
        }
        params
    }

    fn new(name: Ident, ty: &Type) -> Param {
        let Type::Reference(reference) = ty else {
            let stored = (!is_view(ty)).then(|| ty.clone());
            return Param { name, ty: ty.clone(), lent: false, stored };
        };
        let ty = plain(&reference.elem).clone();
        let span = ty.span();
        let stored = match &ty {
            Type::Slice(slice) => {
                let element = &slice.elem;
                parse_quote_spanned!(span=> ::std::vec::Vec<#element>)
            }
            Type::Path(path) if path.path.is_ident("str") => {
                parse_quote_spanned!(span=> ::std::string::String)
            }
            other => other.clone(),
        };
        Param { name, ty, lent: true, stored: Some(stored) }
    }
}

/// The user's own name for a parameter, or one for a pattern.
fn name(at: usize, pattern: &Pat) -> Ident {
    match pattern {
        Pat::Ident(pattern) => written(&pattern.ident),
        _ => format_ident!("arg{at}", span = Span::mixed_site().located_at(pattern.span())),
    }
}

/// Whether the type is spelled `View<..>`.
fn is_view(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        last.ident == "View" && matches!(last.arguments, PathArguments::AngleBracketed(_))
    })
}
