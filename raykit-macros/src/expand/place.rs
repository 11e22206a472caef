//! Code that stands, for the compiler's messages, where the user wrote a type. One mistake there is
//! found in several places of the expansion; as long as they look the same and stand in the same
//! place, the compiler says it once.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Ident, Path};

/// From the first token of a type to its last.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    first: Span,
    last: Span,
}

impl Place {
    pub(crate) fn of(ty: &impl ToTokens) -> Place {
        let mut spans = ty.to_token_stream().into_iter().map(|token| token.span());
        let first = spans.next().unwrap_or_else(Span::call_site);
        let last = spans.last().unwrap_or(first);
        let here = |span| Span::mixed_site().located_at(span);
        Place { first: here(first), last: here(last) }
    }

    /// Where the code after the type stands.
    pub(crate) fn end(&self) -> Span {
        self.last
    }

    /// `<ty as raykit::__private::name>`
    pub(crate) fn seen_as(&self, ty: &impl ToTokens, raykit: &Path, name: &str) -> TokenStream {
        let open = quote_spanned!(self.first=> <);
        let raykit = self.path(raykit);
        let name = Ident::new(name, self.last);
        quote_spanned!(self.last=> #open #ty as #raykit::__private::#name>)
    }

    /// The path to raykit, here.
    pub(crate) fn path(&self, raykit: &Path) -> TokenStream {
        let located = raykit.to_token_stream().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(self.last));
            token
        });
        located.collect()
    }
}
