//! The attributes of raykit.

mod object;

use proc_macro::TokenStream;

/// Makes a type of yours an object: a value that can be an argument, a result, and stored.
#[proc_macro_attribute]
pub fn object(arguments: TokenStream, item: TokenStream) -> TokenStream {
    object::object(arguments.into(), item.into()).into()
}

/// Stub.
#[proc_macro_attribute]
pub fn remote(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
