//! The entry in the program's list of functions, and the body that a worker runs.

use super::body::{Frame, body};
use super::parts::{given, through, value_place};
use super::place::Place;
use super::signature;
use crate::item::Function;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path};

/// `RemoteFunction` for the function's type, with everything that it needs inside.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let raykit = &function.options.raykit;
    let name = function.name();
    let frame = Frame {
        name: format_ident!("__raykit_body", span = Span::mixed_site()),
        parameters: TokenStream::new(),
        before: TokenStream::new(),
        callee: code!(#name),
        receiver: TokenStream::new(),
        gives: code!(#raykit::__private::Returns),
        future: code!(#raykit::__private::Running),
    };
    let body = body(function, &frame);
    let kind = if function.is_async() { code!(Async) } else { code!(Sync) };
    let mut fields = function.options.fields.clone();
    if function.is_async() && fields.iter().all(|(field, _)| *field != "num_cpus") {
        fields.push(("num_cpus", code!(0.0)));
    }
    let described = Described {
        path: code!(#name),
        method: String::new(),
        signature: signature::text(&function.source.sig),
        result: result(function),
        defaults: set(&code!(#raykit::__private::Options::new()), raykit, &fields),
        body: code!(#kind(__raykit_body)),
        actor: code!(::core::option::Option::None),
    };
    let entry = entry(function, &described);
    let agreement = agreement(function);
    let [kept, listed] =
        ["__RAYKIT_FUNCTION", "__RAYKIT_ENTRY"].map(|name| Ident::new(name, Span::mixed_site()));
    let registration = registered(raykit, &kept, &listed, &TokenStream::new(), &entry);
    code! {
        #agreement
        #body
        #registration

        impl #raykit::RemoteFunction for #name {
            fn function() -> &'static #raykit::Function {
                &__RAYKIT_FUNCTION
            }
        }
    }
}

/// The static, and its place in the program's list. Both have the attributes.
pub(crate) fn registered(
    raykit: &Path,
    kept: &Ident,
    listed: &Ident,
    attributes: &TokenStream,
    entry: &TokenStream,
) -> TokenStream {
    code! {
        #attributes
        static #kept: #raykit::Function = #entry;

        #attributes
        #[#raykit::__private::linkme::distributed_slice(#raykit::__private::FUNCTIONS)]
        #[linkme(crate = #raykit::__private::linkme)]
        static #listed: &#raykit::Function = &#kept;
    }
}

/// What is different between a function's entry and a method's.
pub(crate) struct Described {
    /// The type whose name is the path.
    pub(crate) path: TokenStream,
    pub(crate) method: String,
    pub(crate) signature: String,
    /// The schema of the result.
    pub(crate) result: TokenStream,
    pub(crate) defaults: TokenStream,
    /// A variant of `Body`.
    pub(crate) body: TokenStream,
    /// What a constructor makes.
    pub(crate) actor: TokenStream,
}

/// The description that the static holds.
pub(crate) fn entry(function: &Function, described: &Described) -> TokenStream {
    let raykit = &function.options.raykit;
    let Described { path, method, signature, result, defaults, body, actor } = described;
    let shown = function.source.sig.ident.unraw().to_string();
    let schemas = function.params.iter().map(|param| {
        let through = through(function, param);
        quote_spanned!(Place::of(&param.ty).end()=> #through::SCHEMA)
    });
    let returns = match &function.output.stream {
        Some(_) => 0,
        None => function.options.num_returns.as_ref().map_or(1, |returns| returns.count as u32),
    };
    code! {
        #raykit::Function {
            name: #shown,
            krate: #raykit::__private::krate(::core::module_path!()),
            major: #raykit::__private::major(::core::option_env!("CARGO_PKG_VERSION_MAJOR")),
            path: ::core::any::type_name::<#path>,
            method: #method,
            schema: #raykit::__private::schema::signature(&[#(#schemas),*], #result),
            signature: #signature,
            returns: #returns,
            defaults: #defaults,
            body: #raykit::__private::Body::#body,
            actor: #actor,
            file: ::core::file!(),
            line: ::core::line!(),
        }
    }
}

/// The schema of the function's result.
pub(crate) fn result(function: &Function) -> TokenStream {
    let given = given(function);
    let schema = quote_spanned!(value_place(function).end()=> #given::SCHEMA);
    match &function.output.stream {
        Some(_) => {
            let raykit = &function.options.raykit;
            code!(#raykit::__private::schema::field("stream", #schema))
        }
        None => schema,
    }
}

/// The defaults with these fields set to what an attribute says.
pub(crate) fn set(
    defaults: &TokenStream,
    raykit: &Path,
    fields: &[(&'static str, TokenStream)],
) -> TokenStream {
    if fields.is_empty() {
        return defaults.clone();
    }
    let steps = fields.iter().map(|(field, value)| {
        let field = Ident::new(field, Span::mixed_site());
        code!(#raykit::__private::set(&mut options.#field, #value);)
    });
    code!({
        let mut options = #defaults;
        #(#steps)*
        options
    })
}

/// For a tuple that the source does not show: that it has as many fields as the attribute says.
pub(crate) fn agreement(function: &Function) -> Option<TokenStream> {
    let wanted = function.options.num_returns.as_ref()?;
    if function.output.tuple().is_some() {
        return None;
    }
    let given = given(function);
    let count = wanted.count;
    let words = format!("`num_returns = {count}`, but the function's tuple has another length");
    Some(quote_spanned! {Place::of(&wanted.place).end()=>
        const _: () = ::core::assert!(#given::LEN == #count, #words);
    })
}
