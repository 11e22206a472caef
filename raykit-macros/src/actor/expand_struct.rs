//! The types that stand beside an actor's struct: its handle, the options of a new one, and the
//! options of a call.

use super::parse::beside;
use crate::attr::Options;
use crate::expand::parts::{conditions, lints, visibility};
use crate::expand::register::set;
use crate::item::written;
use proc_macro2::{Ident, Span, TokenStream};
use syn::{ItemStruct, Path};

/// Names that all parts of the expansion share.
struct Names<'a> {
    raykit: &'a Path,
    actor: Ident,
    handle: Ident,
    options: Ident,
    call: Ident,
}

/// The struct as it is, the types beside it, and what they can do.
pub(super) fn expand(source: &ItemStruct, options: &Options) -> TokenStream {
    let names = Names {
        raykit: &options.raykit,
        actor: written(&source.ident),
        handle: beside(&source.ident, "Handle"),
        options: beside(&source.ident, "Options"),
        call: beside(&source.ident, "Call"),
    };
    let types = types(&names, source);
    let conditions = conditions(&source.attrs);
    let lints = lints(&source.attrs);
    let actor = actor(&names, source, options);
    let handle = handle(&names);
    let comparisons = comparisons(&names);
    let options = options_and_calls(&names);
    code! {
        #source
        #types
        #(#conditions)*
        #lints
        const _: () = {
            #actor
            #handle
            #comparisons
            #options
        };
    }
}

fn types(names: &Names<'_>, source: &ItemStruct) -> TokenStream {
    let Names { raykit, actor, handle, options, call } = names;
    let visibility = visibility(&source.vis);
    let conditions = conditions(&source.attrs);
    let lints = lints(&source.attrs);
    let common = code!(#(#conditions)* #lints);
    let of_handle = format!(
        "A handle to an actor whose state is a `{actor}`: its methods are calls, and return at once."
    );
    let of_options = format!(
        "Options for a new `{actor}` other than its own; begins with `{actor}::options()`."
    );
    let of_call =
        format!("Options for one call of a `{actor}`; begins with `options()` of its handle.");
    code! {
        #common
        #[doc = #of_handle]
        #[#raykit::object(crate = #raykit)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #handle {
            actor: #raykit::ActorRef<#actor>,
        }

        #common
        #[doc = #of_options]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[must_use = "options do nothing until `remote` is called"]
        #visibility struct #options {
            options: #raykit::__private::ActorOptions,
        }

        #common
        #[doc = #of_call]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[must_use = "options do nothing until a method is called"]
        #visibility struct #call<'a> {
            actor: &'a #handle,
            options: #raykit::__private::Options,
        }
    }
}

/// The struct as an actor. State that cannot be sent is refused at the struct's name, and nowhere
/// else: all other code asks for an `Actor`.
fn actor(names: &Names<'_>, source: &ItemStruct, options: &Options) -> TokenStream {
    let Names { raykit, actor, handle, options: new, .. } = names;
    let name = &source.ident;
    let defaults = set(&code!(#raykit::__private::ActorOptions::new()), raykit, &options.fields);
    let words = format!("Options for a new `{actor}` other than its own.");
    // A state that cannot be sent is refused at the struct's name.
    let place = Span::mixed_site().located_at(name.span());
    let threads = Ident::new("__RaykitThreads", place);
    let which = match options.key("pinned") {
        Some(_) => code!(OneThread),
        None => code!(AnyThread),
    };
    let kept = options.fields.iter().any(|(field, _)| *field == "checkpoint_every");
    let checkpoint = kept.then(|| {
        // A state that is no object is refused at the struct's name.
        let state = written(name);
        code! {
            fn __checkpoint() -> ::core::option::Option<&'static #raykit::__private::Checkpoint> {
                static __RAYKIT_CHECKPOINT: #raykit::__private::Checkpoint =
                    #raykit::__private::Checkpoint::of::<#state>();
                ::core::option::Option::Some(&__RAYKIT_CHECKPOINT)
            }
        }
    });
    code! {
        use #raykit::__private::#which as #threads;

        impl #raykit::Actor for #name {
            type Handle = #handle;
            type __Threads = #threads;

            #checkpoint

            fn __defaults() -> &'static #raykit::__private::ActorOptions {
                static __RAYKIT_DEFAULTS: #raykit::__private::ActorOptions = #defaults;
                &__RAYKIT_DEFAULTS
            }
        }

        fn __raykit_defaults<__S: #raykit::Actor>() -> #raykit::__private::ActorOptions {
            ::core::clone::Clone::clone(__S::__defaults())
        }

        impl #actor {
            #[doc = #words]
            pub fn options() -> #new {
                #new { options: __raykit_defaults::<#actor>() }
            }
        }
    }
}

fn handle(names: &Names<'_>) -> TokenStream {
    let Names { raykit, actor, handle, call, .. } = names;
    code! {
        impl #raykit::Handle for #handle {
            type Actor = #actor;

            fn __new(actor: #raykit::ActorRef<#actor>) -> Self {
                #handle { actor }
            }

            fn __actor(&self) -> &#raykit::ActorRef<#actor> {
                &self.actor
            }
        }

        impl #handle {
            #raykit::__handle_methods!(#actor, actor);

            #[doc = "Options for one call: `handle.options().timeout(..).method(..)`."]
            pub fn options(&self) -> #call<'_> {
                #call { actor: self, options: #raykit::__private::Options::of_call() }
            }
        }
    }
}

/// Two handles are equal when they are handles to the same actor. Not derived, since then the
/// archived form would have to be compared too.
fn comparisons(names: &Names<'_>) -> TokenStream {
    let handle = &names.handle;
    code! {
        impl ::core::cmp::PartialEq for #handle {
            fn eq(&self, other: &Self) -> ::core::primitive::bool {
                ::core::cmp::PartialEq::eq(&self.actor, &other.actor)
            }
        }

        impl ::core::cmp::Eq for #handle {}

        impl ::core::hash::Hash for #handle {
            fn hash<__H: ::core::hash::Hasher>(&self, state: &mut __H) {
                ::core::hash::Hash::hash(&self.actor, state)
            }
        }
    }
}

/// The methods of the two types of options. The hidden ones are for the `impl` block's attribute.
fn options_and_calls(names: &Names<'_>) -> TokenStream {
    let Names { raykit, handle, options, call, .. } = names;
    code! {
        impl #options {
            #raykit::__actor_option_methods!(options);

            #[doc(hidden)]
            pub fn __into(self) -> #raykit::__private::ActorOptions {
                self.options
            }
        }

        impl<'a> #call<'a> {
            #raykit::__call_option_methods!(options);

            #[doc(hidden)]
            pub fn __parts(self) -> (&'a #handle, #raykit::__private::Options) {
                (self.actor, self.options)
            }
        }
    }
}
