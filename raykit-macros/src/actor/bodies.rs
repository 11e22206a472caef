//! What a worker runs for each method, and the method's entry in the program's list.

use super::parse::{Fit, Kind, Method, Methods, located};
use crate::expand::body::{Frame, body, wrapped};
use crate::expand::parts::{allowances, conditions};
use crate::expand::register::{Described, agreement, entry, registered, result, set};
use crate::item::written;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Meta};

/// The static that describes the method at this place of the block.
pub(super) fn described(at: usize) -> Ident {
    format_ident!("__RAYKIT_FUNCTION_{at}", span = Span::mixed_site())
}

/// The method's body, its static and its entry.
pub(super) fn registration(methods: &Methods, method: &Method, at: usize) -> TokenStream {
    let Methods { raykit, actor, .. } = methods;
    let function = &method.function;
    let conditions = conditions(&function.source.attrs);
    let allowances = allowances(function);
    let attributes = code!(#(#conditions)* #allowances);
    let frame = frame(methods, method, at);
    let (body, result) = match method.kind {
        Kind::Make => {
            let wrap = |made| code!(__raykit_made::<#actor>(#made));
            (wrapped(function, &frame, &wrap), code!(0))
        }
        _ => (body(function, &frame), result(function)),
    };
    let (kind, name) = (variant(method), &frame.name);
    let described = Described {
        path: actor.to_token_stream(),
        method: function.source.sig.ident.unraw().to_string(),
        signature: method.signature.clone(),
        result,
        defaults: set(
            &match (method.kind, function.is_async()) {
                (Kind::Make, false) => code!(#raykit::__private::Options::of_constructor()),
                _ => code!(#raykit::__private::Options::of_method()),
            },
            raykit,
            &function.options.fields,
        ),
        body: code!(#kind(#name)),
        actor: match method.kind {
            Kind::Make => kind_of(methods),
            _ => code!(::core::option::Option::None),
        },
    };
    let entry = entry(function, &described);
    let listed = format_ident!("__RAYKIT_ENTRY_{at}", span = Span::mixed_site());
    let registration = registered(raykit, &self::described(at), &listed, &attributes, &entry);
    let agreement = agreement(function).map(|agreement| code!(#attributes #agreement));
    code! {
        #agreement
        #attributes
        #body
        #registration
    }
}

/// What the constructor's actors have in common.
fn kind_of(methods: &Methods) -> TokenStream {
    let Methods { raykit, actor, .. } = methods;
    let on_stop = on_stop(methods);
    code! {
        ::core::option::Option::Some(|| #raykit::__private::actor_type::<#actor>(#on_stop))
    }
}

/// What the actor runs at its end, for a method that may be left out by its `cfg`s.
fn on_stop(methods: &Methods) -> TokenStream {
    let Some((at, method)) = methods.on_stop() else { return code!(::core::option::Option::None) };
    let conditions: Vec<&Attribute> = conditions(&method.function.source.attrs).collect();
    let described = self::described(at);
    if conditions.is_empty() {
        return code!(::core::option::Option::Some(&#described));
    }
    code! {{
        let found = ::core::option::Option::None;
        #(#conditions)*
        let found = found.or(::core::option::Option::Some(&#described));
        found
    }}
}

/// The variant of `Body`.
fn variant(method: &Method) -> Ident {
    let name = match (method.kind, method.function.is_async()) {
        (Kind::Make, false) => "Make",
        (Kind::Make, true) => "MakeAsync",
        (Kind::Shared(_), false) => "Shared",
        (Kind::Shared(_), true) => "SharedAsync",
        (Kind::Exclusive, false) => "Exclusive",
        (Kind::Exclusive, true) => "ExclusiveAsync",
    };
    Ident::new(name, Span::mixed_site())
}

/// How the body comes to the state, and what it gives.
fn frame(methods: &Methods, method: &Method, at: usize) -> Frame {
    let Methods { raykit, actor, .. } = methods;
    let name = method.function.name();
    let is_async = method.function.is_async();
    let hidden = code!(#raykit::__private);
    let (parameters, before) = match (method.kind, is_async) {
        (Kind::Make, _) => (TokenStream::new(), TokenStream::new()),
        (Kind::Shared(_), false) => {
            (code!(access: &#hidden::Access,), code!(let this = __raykit_shared(access)?;))
        }
        (Kind::Shared(_), true) => {
            (code!(access: #hidden::Access,), code!(let this = __raykit_shared(&access)?;))
        }
        (Kind::Exclusive, false) => (
            code!(access: &mut #hidden::Access,),
            code!(let this = __raykit_exclusive::<#actor>(access)?;),
        ),
        (Kind::Exclusive, true) => (
            code!(access: #hidden::Access,),
            code! {
                let mut access = access;
                let this = __raykit_exclusive::<#actor>(&mut access)?;
            },
        ),
    };
    let make = matches!(method.kind, Kind::Make);
    let roams = is_async.then(|| {
        // Said at the method's name.
        let place = written(&method.function.source.sig.ident).span();
        let asked = located(actor.to_token_stream(), place);
        quote_spanned!(place=> __raykit_roams::<#asked>();)
    });
    Frame {
        name: format_ident!("__raykit_body_{at}", span = Span::mixed_site()),
        parameters,
        before: code!(#roams #before),
        callee: code!(#actor::#name),
        receiver: if make { TokenStream::new() } else { code!(this,) },
        gives: if make { code!(#hidden::State) } else { code!(#hidden::Returns) },
        future: if make { code!(#hidden::Making) } else { code!(#hidden::Running) },
    }
}

/// The ways to the state that all bodies of the block share. What they ask of the struct's type is
/// asked once: that it can be sent, by the struct itself, which is an `Actor`; that it can be
/// shared, at the first `&self`. Not every block uses all of them; their names begin with `_`, for
/// which nobody is warned.
pub(super) fn helpers(methods: &Methods) -> TokenStream {
    let raykit = &methods.raykit;
    let shared = shared(methods);
    code! {
        fn __raykit_made<__S: #raykit::Actor>(made: __S) -> #raykit::__private::State {
            <__S::__Threads as #raykit::__private::Keeps<__S>>::keep(made)
        }

        fn __raykit_exclusive<__S: #raykit::Actor>(
            access: &mut #raykit::__private::Access,
        ) -> #raykit::Result<&mut __S> {
            <__S::__Threads as #raykit::__private::Keeps<__S>>::lend(access)
        }

        fn __raykit_roams<__S: #raykit::Actor>()
        where
            __S::__Threads: #raykit::__private::Roams,
        {
        }

        #shared
    }
}

fn shared(methods: &Methods) -> Option<TokenStream> {
    let Methods { raykit, actor, .. } = methods;
    let all: Vec<(&Method, Span)> = (methods.all.iter())
        .filter_map(|method| match method.kind {
            Kind::Shared(place) if method.fit == Fit::Whole => Some((method, place)),
            _ => None,
        })
        .collect();
    let always =
        |(method, _): &&(&Method, Span)| conditions(&method.function.source.attrs).next().is_none();
    let (_, place) = all.iter().find(always).or(all.first())?;
    let condition = match all.iter().any(|one| always(&one)) {
        true => None,
        false => {
            let each = all.iter().map(|(method, _)| together(&method.function.source.attrs));
            Some(code!(#[cfg(any(#(#each),*))]))
        }
    };
    let place = Span::mixed_site().located_at(*place);
    let asked = located(actor.to_token_stream(), place);
    let state = quote_spanned!(place=> calls_of_this_method_may_overlap::<#asked>(access));
    Some(code! {
        #condition
        fn __raykit_shared(access: &#raykit::__private::Access) -> #raykit::Result<&#actor> {
            fn calls_of_this_method_may_overlap<__S: #raykit::Actor>(
                access: &#raykit::__private::Access,
            ) -> #raykit::Result<&__S>
            where
                __S::__Threads: #raykit::__private::Shares<__S>,
            {
                <__S::__Threads as #raykit::__private::Shares<__S>>::share(access)
            }
            #state
        }
    })
}

/// The `cfg`s of one item, as one.
fn together(attributes: &[Attribute]) -> TokenStream {
    let each = conditions(attributes).filter_map(|attribute| match &attribute.meta {
        Meta::List(list) => Some(&list.tokens),
        _ => None,
    });
    code!(all(#(#each),*))
}
