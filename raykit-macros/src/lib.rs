//! The attributes of raykit.

use proc_macro::TokenStream;

/// Makes a type an object.
#[proc_macro_attribute]
pub fn object(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Stub.
#[proc_macro_attribute]
pub fn remote(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
