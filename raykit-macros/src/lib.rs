//! The attributes of raykit. They are documented where they are re-exported: in the crate `raykit`,
//! which is also the only crate that should depend on this one.
//!
//! `#[remote]` goes through stages, a file each: `attr` reads the options, `check` refuses what
//! cannot be done, `item` and `param` hold what was understood, `expand` writes the code, and
//! `fallback` writes what must exist beside an error. Structs and `impl` blocks under `#[remote]`
//! are in `actor`, which sees each method as a function. `#[object]` has a room of its own, and
//! `#[main]` a file.

/// `quote!` in the macro's own hygiene: the names of locals cannot meet the user's.
macro_rules! code {
    ($($tokens:tt)*) => {
        quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod actor;
mod attr;
mod check;
mod expand;
mod fallback;
mod item;
mod object;
mod param;
mod program;

use proc_macro::TokenStream;

#[expect(missing_docs, reason = "documented where raykit re-exports it, so that examples compile")]
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::remote(options.into(), item.into()).into()
}

#[expect(missing_docs, reason = "documented where raykit re-exports it, so that examples compile")]
#[proc_macro_attribute]
pub fn object(options: TokenStream, item: TokenStream) -> TokenStream {
    object::object(options.into(), item.into()).into()
}

#[expect(missing_docs, reason = "documented where raykit re-exports it, so that examples compile")]
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    program::main(options.into(), item.into()).into()
}
