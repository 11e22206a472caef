//! The least that must exist for a method that was refused, so that its callers do not drown in
//! second errors.

use super::parse::{Kind, Method, Methods};
use crate::expand::parts::{conditions, visibility};
use crate::fallback::{loose, seen};
use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;

/// Calls of the method that take anything.
pub(super) fn method(methods: &Methods, method: &Method) -> TokenStream {
    let raykit = &methods.raykit;
    let function = &method.function;
    let [handle, options, call] =
        ["Handle", "Options", "Call"].map(|suffix| methods.beside(suffix));
    let is_new = matches!(method.kind, Kind::Make) || function.source.sig.ident == "new";
    let (name, gives, places) = if is_new {
        let places = [methods.actor.to_token_stream(), options.to_token_stream()];
        (code!(remote), code!(#handle), places)
    } else {
        let (name, value) = (function.name(), seen(function));
        let places = [handle.to_token_stream(), code!(#call<'_>)];
        (code!(#name), code!(#raykit::ObjectRef<#value>), places)
    };
    let receivers = match is_new {
        true => [TokenStream::new(), code!(self,)],
        false => [code!(&self,), code!(self,)],
    };
    let visibility = visibility(&function.source.vis);
    let conditions: Vec<_> = conditions(&function.source.attrs).collect();
    let types: Vec<Ident> = loose(function);
    let names: Vec<&Ident> = function.params.iter().map(|param| &param.name).collect();
    let all = places.iter().zip(&receivers).map(|(place, receiver)| {
        code! {
            #(#conditions)*
            #[allow(unused_variables, reason = "this does not compile anyway")]
            impl #place {
                #visibility fn #name<#(#types),*>(#receiver #(#names: #types),*) -> #gives {
                    ::core::unreachable!()
                }
            }
        }
    });
    code!(#(#all)*)
}
