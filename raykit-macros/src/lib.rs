//! The attributes of raykit. They are documented where they are re-exported: in the crate `raykit`,
//! which is also the only crate that should depend on this one.
//!
//! A macro goes through stages, a file each: `attr` reads the options, `check` refuses what cannot be
//! done, `item` and `param` hold what was understood, `expand` writes the code, and `fallback` writes
//! what must exist beside an error.

/// `quote!` in the macro's own hygiene: the names of locals cannot meet the user's.
macro_rules! code {
    ($($tokens:tt)*) => {
        quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod attr;
mod check;
mod expand;
mod fallback;
mod item;
mod param;

use proc_macro::TokenStream;

/// Makes a function one that can be called as a task. See `raykit::remote`.
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::remote(options.into(), item.into()).into()
}

/// Stands in until the attribute has its own module.
#[proc_macro_attribute]
pub fn object(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}
