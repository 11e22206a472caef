//! The implementations: rkyv's derive for the archived type, and thin code around raykit's
//! functions.

use super::claim::{Claim, claims};
use super::parse::{Part, Shape, Target, hidden, type_parameters};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, GenericArgument, GenericParam, Generics, PathArguments, Type, parse_quote,
};

/// Names that all parts of the expansion share.
struct Names<'a> {
    target: &'a Target,
    name: &'a Ident,
    archived: Ident,
    resolver: Ident,
    /// raykit's hidden names.
    hidden: TokenStream,
    /// The generics with `T: Object` for each type parameter and the claims.
    generics: Generics,
    claims: Vec<Claim>,
}

pub(super) fn expand(target: &Target) -> TokenStream {
    let name = &target.item.ident;
    let raykit = &target.raykit;
    let plain = name.unraw();
    let mut generics = target.item.generics.clone();
    for parameter in type_parameters(&target.item.generics) {
        generics.make_where_clause().predicates.push(parse_quote!(#parameter: #raykit::Object));
    }
    let claims = claims(target);
    for claim in &claims {
        generics.make_where_clause().predicates.push(parse_quote!(#claim));
    }
    let names = Names {
        target,
        name,
        archived: format_ident!("Archived{plain}", span = name.span()),
        resolver: format_ident!("__{plain}Resolver", span = name.span()),
        hidden: quote!(#raykit::__private),
        generics,
        claims,
    };
    let parts = [item(&names), serialize(&names), deserialize(&names), object(&names)];
    quote!(#(#parts)*)
}

/// The user's item with rkyv's derive on it.
fn item(names: &Names<'_>) -> TokenStream {
    let Names { target, hidden, resolver, claims, .. } = names;
    let mut item = target.item.clone();
    // The derive copies field types into the archived type, where `Self` would be another type.
    let (_, arguments, _) = target.item.generics.split_for_impl();
    let name = names.name;
    let own: Type = parse_quote!(#name #arguments);
    for_each_field(&mut item, |field| {
        field.ty = replaced(&field.ty, &|path| path.is_ident("Self"), &own);
        // Bounds on the fields of a recursive type would ask for themselves.
        field.attrs.push(parse_quote!(#[rkyv(omit_bounds)]));
    });
    let parameters: Vec<_> = type_parameters(&target.item.generics).collect();
    let clone = match target.has_clone || target.derived.contains("Clone") {
        true => None,
        false => Some(quote!(#[derive(::core::clone::Clone)])),
    };
    let derives = archived_derives(target);
    let checked = parameters.iter().map(|parameter| parameter.to_token_stream());
    let checked = checked.chain(claims.iter().map(|claim| claim.ty.clone()));
    quote! {
        #clone
        #[derive(#hidden::rkyv::Archive)]
        #[rkyv(
            crate = #hidden::rkyv,
            resolver = #resolver,
            derive(#(#derives),*),
            archive_bounds(#(#parameters: #hidden::rkyv::Archive,)* #(#claims),*),
            bytecheck(bounds(
                __C: #hidden::Door,
                #(<#checked as #hidden::rkyv::Archive>::Archived:
                    #hidden::rkyv::bytecheck::CheckBytes<__C>),*
            ))
        )]
        #item
    }
}

/// What the archived type derives: what the user asked for, and what keys of maps need.
fn archived_derives(target: &Target) -> Vec<TokenStream> {
    let mut derives: Vec<_> = target.archived_derives.iter().map(|path| quote!(#path)).collect();
    let has = |name: &str| target.derived.contains(name);
    if !target.item.generics.params.is_empty() || !derives.is_empty() {
        return derives;
    }
    let (hash, ord) = (has("Hash") && has("Eq"), has("Ord") && has("PartialOrd"));
    if has("PartialEq") && has("Eq") && (hash || ord) {
        derives.extend([quote!(::core::cmp::PartialEq), quote!(::core::cmp::Eq)]);
        if hash {
            derives.push(quote!(::core::hash::Hash));
        }
        if ord {
            derives.extend([quote!(::core::cmp::PartialOrd), quote!(::core::cmp::Ord)]);
        }
    }
    derives
}

fn for_each_field(item: &mut DeriveInput, mut change: impl FnMut(&mut syn::Field)) {
    match &mut item.data {
        Data::Struct(data) => data.fields.iter_mut().for_each(change),
        Data::Enum(data) => {
            data.variants.iter_mut().flat_map(|variant| &mut variant.fields).for_each(&mut change);
        }
        Data::Union(_) => {}
    }
}

/// `Name` or `Name::Variant`.
fn path(name: &Ident, shape: &Shape) -> TokenStream {
    match &shape.variant {
        Some(variant) => quote!(#name::#variant),
        None => quote!(#name),
    }
}

fn bindings(shape: &Shape) -> Vec<Ident> {
    (0..shape.fields.len()).map(|at| format_ident!("__field{at}")).collect()
}

/// `match self { from { field } => to { field: made(field) } }` for every shape.
fn converted(
    names: &Names<'_>,
    from: &Ident,
    to: &Ident,
    made: impl Fn(&Type, &Ident) -> TokenStream,
) -> TokenStream {
    let (_, arguments, _) = names.target.item.generics.split_for_impl();
    let name = names.name;
    let own: Type = parse_quote!(#name #arguments);
    let arms = names.target.shapes.iter().map(|shape| {
        let (from, to, bindings) = (path(from, shape), path(to, shape), bindings(shape));
        let members: Vec<_> = shape.fields.iter().map(|part| &part.member).collect();
        let values = shape.fields.iter().zip(&bindings).map(|(part, binding)| {
            made(&replaced(&part.ty, &|path| path.is_ident("Self"), &own), binding)
        });
        quote!(#from { #(#members: #bindings),* } => #to { #(#members: #values),* })
    });
    quote!(match self { #(#arms),* })
}

fn serialize(names: &Names<'_>) -> TokenStream {
    let Names { name, hidden, resolver, generics, .. } = names;
    let (_, arguments, bounds) = generics.split_for_impl();
    let mut with_lifetime = generics.clone();
    with_lifetime.params.insert(0, parse_quote!('__raykit));
    let (parameters, ..) = with_lifetime.split_for_impl();
    let encoder = self::hidden("encoder");
    let body = converted(
        names,
        name,
        resolver,
        |ty, binding| quote_spanned!(ty.span()=> #hidden::write::<#ty>(#binding, #encoder)?),
    );
    quote! {
        #[automatically_derived]
        impl #parameters #hidden::rkyv::Serialize<#hidden::Encode<'__raykit>> for #name #arguments
        #bounds
        {
            fn serialize(
                &self,
                #encoder: &mut #hidden::Encode<'__raykit>,
            ) -> ::core::result::Result<
                <Self as #hidden::rkyv::Archive>::Resolver,
                #hidden::rkyv::rancor::BoxedError,
            > {
                #hidden::nested(#encoder, |#encoder| ::core::result::Result::Ok(#body))
            }
        }
    }
}

fn deserialize(names: &Names<'_>) -> TokenStream {
    let Names { name, hidden, archived, generics, .. } = names;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let decoder = self::hidden("decoder");
    let body = converted(
        names,
        archived,
        name,
        |ty, binding| quote_spanned!(ty.span()=> #hidden::read::<#ty>(#binding, #decoder)?),
    );
    quote! {
        #[automatically_derived]
        impl #parameters #hidden::rkyv::Deserialize<#name #arguments, #hidden::Decode>
            for #archived #arguments
        #bounds
        {
            fn deserialize(
                &self,
                #decoder: &mut #hidden::Decode,
            ) -> ::core::result::Result<#name #arguments, #hidden::rkyv::rancor::BoxedError> {
                ::core::result::Result::Ok(#body)
            }
        }
    }
}

fn object(names: &Names<'_>) -> TokenStream {
    let Names { target, name, hidden, generics, .. } = names;
    let raykit = &target.raykit;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let schema = schema(names);
    let arms = target.shapes.iter().map(|shape| {
        let (path, bindings) = (path(name, shape), bindings(shape));
        let members = shape.fields.iter().map(|part| &part.member);
        quote! {
            #path { #(#members: #bindings),* } => {
                0usize #(.saturating_add(#raykit::Object::heap_bytes(#bindings)))*
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #parameters #raykit::Object for #name #arguments #bounds {
            const SCHEMA: u64 = #schema;

            fn heap_bytes(&self) -> usize {
                #hidden::estimated(self, |this| match this { #(#arms)* })
            }
        }
    }
}

fn schema(names: &Names<'_>) -> TokenStream {
    let Names { target, hidden, .. } = names;
    let raykit = &target.raykit;
    let name = names.name.unraw().to_string();
    let parameters = target.item.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(ty) => {
            let ident = &ty.ident;
            Some(quote!(<#ident as #raykit::Object>::SCHEMA))
        }
        GenericParam::Const(constant) => {
            let ident = &constant.ident;
            Some(quote!(#ident as u64))
        }
        GenericParam::Lifetime(_) => None,
    });
    let shapes = target.shapes.iter().map(|shape| {
        let variant = shape.variant.as_ref().map_or(String::new(), |v| v.unraw().to_string());
        let fields = shape.fields.iter().map(|part| field_schema(names, part));
        quote!(#hidden::schema::combine(&[#hidden::schema::named(#variant), #(#fields),*]))
    });
    quote! {
        #hidden::schema::combine(&[
            #hidden::schema::named(#name),
            #hidden::schema::combine(&[#(#parameters),*]),
            #(#shapes),*
        ])
    }
}

fn field_schema(names: &Names<'_>, part: &Part) -> TokenStream {
    let Names { target, name, hidden, .. } = names;
    let raykit = &target.raykit;
    let field = match &part.member {
        syn::Member::Named(field) => field.unraw().to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    };
    let ty = if part.shallow {
        let ty = &part.ty;
        let words = quote!(#ty).to_string();
        quote!(#hidden::schema::named(#words))
    } else {
        // A constant cannot ask for itself: where the type holds itself, a stand-in does.
        let own = |path: &syn::Path| {
            path.segments.last().is_some_and(|last| last.ident == **name || last.ident == "Self")
        };
        let ty = replaced(&part.ty, &own, &parse_quote!(#hidden::schema::Own));
        quote!(<#ty as #raykit::Object>::SCHEMA)
    };
    quote!(#hidden::schema::field(#field, #ty))
}

/// `ty` with every path that is `wanted` replaced by `by`.
fn replaced(ty: &Type, wanted: &dyn Fn(&syn::Path) -> bool, by: &Type) -> Type {
    let mut ty = ty.clone();
    replace(&mut ty, wanted, by);
    ty
}

fn replace(ty: &mut Type, wanted: &dyn Fn(&syn::Path) -> bool, by: &Type) {
    match ty {
        Type::Path(path) if path.qself.is_none() && wanted(&path.path) => *ty = by.clone(),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                let PathArguments::AngleBracketed(list) = &mut segment.arguments else { continue };
                for argument in &mut list.args {
                    if let GenericArgument::Type(argument) = argument {
                        replace(argument, wanted, by);
                    }
                }
            }
        }
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|t| replace(t, wanted, by)),
        Type::Array(array) => replace(&mut array.elem, wanted, by),
        Type::Slice(slice) => replace(&mut slice.elem, wanted, by),
        Type::Paren(inner) => replace(&mut inner.elem, wanted, by),
        Type::Group(inner) => replace(&mut inner.elem, wanted, by),
        _ => {}
    }
}
