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
    pub(crate) taken: Taken,
    /// Where the type stands.
    pub(crate) span: Span,
}

pub(crate) enum Taken {
    /// By value.
    Own(Type),
    /// As a `View` of what is in the store.
    View(Type),
    /// `&T`.
    Borrow(Type),
    /// `&[T]`, with the type that is in the store.
    Slice { element: Box<Type>, stored: Box<Type> },
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
            params.push(Param { name, taken: Taken::new(plain(&typed.ty)), span: typed.ty.span() });
        }
        params
    }
}

/// The user's own name for a parameter, or one for a pattern.
fn name(at: usize, pattern: &Pat) -> Ident {
    match pattern {
        Pat::Ident(pattern) => written(&pattern.ident),
        _ => format_ident!("arg{at}", span = Span::mixed_site().located_at(pattern.span())),
    }
}

impl Taken {
    fn new(ty: &Type) -> Taken {
        let Type::Reference(reference) = ty else {
            return if is_view(ty) { Taken::View(ty.clone()) } else { Taken::Own(ty.clone()) };
        };
        let span = reference.span();
        match plain(&reference.elem) {
            Type::Slice(slice) => {
                let element = slice.elem.clone();
                let stored = Box::new(parse_quote_spanned!(span=> ::std::vec::Vec<#element>));
                Taken::Slice { element, stored }
            }
            Type::Path(path) if path.path.is_ident("str") => {
                Taken::Borrow(parse_quote_spanned!(span=> ::std::string::String))
            }
            other => Taken::Borrow(other.clone()),
        }
    }
}

/// Whether the type is spelled `View<..>`.
fn is_view(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        last.ident == "View" && matches!(last.arguments, PathArguments::AngleBracketed(_))
    })
}
