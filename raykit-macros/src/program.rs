//! `#[main]` on a program's `main`: the same program as a driver or as a node.

use crate::check::Refusals;
use proc_macro2::{Ident, Span, TokenStream};
use syn::{ItemFn, Path, parse_quote};

/// What the attribute makes of a `main`.
pub(crate) fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    let source: ItemFn = match syn::parse2(item.clone()) {
        Ok(source) => source,
        Err(_) => {
            let words = "`#[raykit::main]` stands on a function";
            let error = syn::Error::new_spanned(&item, words).into_compile_error();
            return code!(#item #error);
        }
    };
    let mut refusals = Refusals::default();
    if !options.is_empty() {
        refusals
            .at(&options, "`#[raykit::main]` has no options; a node is told on its command line");
    }
    if let Some(word) = &source.sig.asyncness {
        let words = "`main` is where the node begins, which is not `async`; call an `async` function \
                     from there, e.g. by tokio's `block_on`";
        refusals.at(word, words);
    }
    if !source.sig.inputs.is_empty() || !source.sig.generics.params.is_empty() {
        refusals.at(&source.sig.ident, "`main` has no arguments");
    }
    if let Some(error) = refusals.into_error() {
        let error = error.into_compile_error();
        return code!(#item #error);
    }
    expand(source)
}

fn expand(mut source: ItemFn) -> TokenStream {
    let raykit: Path = parse_quote!(::raykit);
    let outer = source.sig.clone();
    let (attributes, visibility) = (std::mem::take(&mut source.attrs), source.vis.clone());
    let inner = Ident::new("__raykit_main", Span::mixed_site());
    source.sig.ident = inner.clone();
    source.vis = syn::Visibility::Inherited;
    code! {
        #(#attributes)*
        #visibility #outer {
            #source
            if #raykit::__private::is_node() {
                #raykit::__private::be_node();
            }
            #inner()
        }
    }
}
