//! The least that must exist beside an error, so that callers do not drown in second ones.

use crate::expand::handle;
use crate::expand::parts::conditions;
use crate::item::{Function, Value};
use proc_macro2::{Span, TokenStream};
use quote::format_ident;
use syn::Ident;

/// The function as it is, and a `remote` that takes anything.
pub(crate) fn function(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let source = &function.source;
    if source.sig.receiver().is_some() {
        return code!(#source); // a method: nothing can stand beside it
    }
    let name = function.name();
    let handle = handle(function);
    let conditions = conditions(&source.attrs);
    let names: Vec<&Ident> = function.params.iter().map(|param| &param.name).collect();
    let types = loose(function);
    let value = seen(function);
    code! {
        #source
        #handle
        #(#conditions)*
        #[allow(unused_variables, reason = "this does not compile anyway")]
        impl #name {
            pub fn remote<#(#types),*>(#(#names: #types),*) -> #raykit::ObjectRef<#value> {
                ::core::unreachable!()
            }
        }
    }
}

/// A type parameter for each parameter.
pub(crate) fn loose(function: &Function) -> Vec<Ident> {
    let all = 0..function.params.len();
    all.map(|at| format_ident!("__A{at}", span = Span::mixed_site())).collect()
}

/// The type of the function's value, if it can stand elsewhere.
pub(crate) fn seen(function: &Function) -> TokenStream {
    match &function.output.value {
        Value::Named(ty) if function.source.sig.generics.params.is_empty() && !borrows(ty) => {
            code!(#ty)
        }
        _ => code!(()),
    }
}

/// Whether the type cannot stand in any signature but the user's own.
fn borrows(ty: &syn::Type) -> bool {
    struct Seen(bool);
    impl<'ast> syn::visit::Visit<'ast> for Seen {
        fn visit_type(&mut self, ty: &'ast syn::Type) {
            use syn::Type::{ImplTrait, Never, Reference};
            self.0 |= matches!(ty, Reference(_) | ImplTrait(_) | Never(_));
            syn::visit::visit_type(self, ty);
        }
    }
    let mut seen = Seen(false);
    syn::visit::Visit::visit_type(&mut seen, ty);
    seen.0
}
