//! `#[object]`: a user's type becomes one that travels.
//!
//! Stages: `parse` reads the attribute and the item, `check` finds what can never be an object and
//! says so at the field, `expand` writes the implementations. What they do stands in raykit; the
//! code written here only names fields. An attribute and not a derive, since only an attribute can
//! add rkyv's derives.

mod check;
mod claim;
mod expand;
mod parse;

use proc_macro2::TokenStream;

/// The expansion, or the item as it stood with the errors beside it.
pub(crate) fn object(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let target = match parse::Target::parse(arguments, item.clone()) {
        Ok(target) => target,
        Err(error) => {
            let (item, error) = (parse::stripped(item), error.to_compile_error());
            return quote::quote!(#item #error);
        }
    };
    match check::check(&target) {
        Ok(()) => expand::expand(&target),
        Err(error) => {
            let (item, error) = (&target.item, error.to_compile_error());
            quote::quote!(#item #error)
        }
    }
}
