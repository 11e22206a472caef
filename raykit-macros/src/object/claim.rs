//! What is claimed of fields: `Field: Object`, as a bound of every implementation. Where a claim is
//! false the compiler says so at the field, once, and believes it in the rest of the expansion.

use super::parse::{Part, Target, type_parameters};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

/// A field's type and what is claimed of it.
pub(super) struct Claim {
    pub(super) ty: TokenStream,
    bound: TokenStream,
}

impl ToTokens for Claim {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Claim { ty, bound } = self;
        tokens.extend(quote_spanned!(ty.span()=> #ty: #bound));
    }
}

/// The claims for fields whose type is not known from its words.
pub(super) fn claims(target: &Target) -> Vec<Claim> {
    let own = [target.item.ident.to_string(), "Self".to_owned()];
    let parameters = type_parameters(&target.item.generics).map(Ident::to_string);
    let apart: Vec<String> = own.into_iter().chain(parameters).collect();
    let raykit = &target.raykit;
    let parts = target.shapes.iter().flat_map(|shape| &shape.fields).filter(|part| !part.shallow);
    let claim = |part: &Part| {
        let mut words = Vec::new();
        idents(part.ty.to_token_stream(), &mut words);
        // A recursive type's claim would rest on itself, and a parameter's is made already.
        let recursive = words.iter().any(|word| apart.contains(word));
        let known = words.iter().all(|word| KNOWN.contains(&&**word));
        let ty = part.ty.to_token_stream();
        let bound = located(quote!(#raykit::Object), part.ty.span());
        (!recursive && !known).then_some(Claim { ty, bound })
    };
    let mut claims: Vec<Claim> = Vec::new();
    for claim in parts.filter_map(claim) {
        if !claims.iter().any(|made| made.ty.to_string() == claim.ty.to_string()) {
            claims.push(claim);
        }
    }
    claims
}

/// Words of types that are objects without question.
const KNOWN: [&str; 23] = [
    "bool",
    "char",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "String",
    "Vec",
    "Option",
    "Box",
    "str",
    "Duration",
    "ObjectRef",
];

fn idents(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            TokenTree::Group(group) => idents(group.stream(), found),
            _ => {}
        }
    }
}

/// The same tokens at another place, so that an error points there.
fn located(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
