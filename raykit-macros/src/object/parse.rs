//! The attribute's arguments and the item under it.

use proc_macro2::{Span, TokenStream};
use std::collections::HashSet;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, GenericParam, Generics, Ident, Member, Path,
    Result, Token, parse_quote,
};

/// A type that is to become an object.
pub(super) struct Target {
    /// The item without raykit's own attributes on its fields.
    pub(super) item: DeriveInput,
    pub(super) shapes: Vec<Shape>,
    /// Where raykit is.
    pub(super) raykit: Path,
    /// What the user derives, as far as it stands below `#[object]`.
    pub(super) derived: HashSet<String>,
    /// What the archived type is to derive.
    pub(super) archived_derives: Vec<Path>,
    /// Whether the user implements `Clone` in a way that cannot be seen from here.
    pub(super) has_clone: bool,
}

/// A struct, or one variant of an enum.
pub(super) struct Shape {
    /// `None` for a struct.
    pub(super) variant: Option<Ident>,
    pub(super) fields: Vec<Part>,
}

/// One field.
pub(super) struct Part {
    pub(super) member: Member,
    pub(super) ty: syn::Type,
    /// Takes part in the schema by the words of its type alone.
    pub(super) shallow: bool,
}

impl Target {
    pub(super) fn parse(arguments: TokenStream, item: TokenStream) -> Result<Target> {
        let mut item: DeriveInput = syn::parse2(item)
            .map_err(|e| Error::new(e.span(), "`#[object]` goes on a struct or an enum"))?;
        let shapes = shapes(&mut item)?;
        let mut target = Target {
            derived: derived(&item.attrs)?,
            item,
            shapes,
            raykit: parse_quote!(::raykit),
            archived_derives: Vec::new(),
            has_clone: false,
        };
        syn::meta::parser(|meta| target.option(&meta)).parse2(arguments)?;
        Ok(target)
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("crate") {
            self.raykit = meta.value()?.parse()?;
        } else if meta.path.is_ident("derive") {
            let list;
            syn::parenthesized!(list in meta.input);
            let paths =
                Punctuated::<Path, Token![,]>::parse_terminated_with(&list, Path::parse_mod_style)?;
            self.archived_derives.extend(paths);
        } else if meta.path.is_ident("has_clone") {
            self.has_clone = true;
        } else {
            return Err(meta.error(
                "expected `crate = path`, `derive(..)` (for the archived type) or `has_clone` \
                 (if `Clone` is implemented by hand)",
            ));
        }
        Ok(())
    }
}

/// The traits in `#[derive(..)]`, by their last word.
fn derived(attributes: &[Attribute]) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
        let paths = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)?;
        names.extend(paths.iter().filter_map(|p| Some(p.segments.last()?.ident.to_string())));
    }
    Ok(names)
}

/// The shapes of the item; takes `#[object(..)]` off the fields.
fn shapes(item: &mut DeriveInput) -> Result<Vec<Shape>> {
    match &mut item.data {
        Data::Struct(data) => Ok(vec![Shape { variant: None, fields: parts(&mut data.fields)? }]),
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .map(|variant| {
                let fields = parts(&mut variant.fields)?;
                Ok(Shape { variant: Some(variant.ident.clone()), fields })
            })
            .collect(),
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "a union cannot be an object: nothing tells which field holds; use an enum",
        )),
    }
}

fn parts(fields: &mut syn::Fields) -> Result<Vec<Part>> {
    let members: Vec<Member> = fields.members().collect();
    let part = |(field, member): (&mut Field, Member)| {
        let shallow = shallow(field)?;
        Ok(Part { member, ty: field.ty.clone(), shallow })
    };
    fields.iter_mut().zip(members).map(part).collect()
}

fn shallow(field: &mut Field) -> Result<bool> {
    let mut shallow = false;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("object")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("shallow") {
                return Err(meta.error("expected `shallow`"));
            }
            shallow = true;
            Ok(())
        })?;
    }
    field.attrs.retain(|attribute| !attribute.path().is_ident("object"));
    Ok(shallow)
}

/// The item without raykit's attributes on its fields, for which the compiler would find no
/// meaning.
pub(super) fn stripped(item: TokenStream) -> TokenStream {
    let Ok(mut parsed) = syn::parse2::<DeriveInput>(item.clone()) else { return item };
    let strip = |field: &mut Field| field.attrs.retain(|a| !a.path().is_ident("object"));
    match &mut parsed.data {
        Data::Struct(data) => data.fields.iter_mut().for_each(strip),
        Data::Enum(data) => {
            data.variants.iter_mut().flat_map(|variant| &mut variant.fields).for_each(strip);
        }
        Data::Union(data) => data.fields.named.iter_mut().for_each(strip),
    }
    quote::quote!(#parsed)
}

/// The names of the type parameters.
pub(super) fn type_parameters(generics: &Generics) -> impl Iterator<Item = &Ident> {
    generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        _ => None,
    })
}

/// A name that no user writes.
pub(super) fn hidden(name: &str) -> Ident {
    Ident::new(&format!("__raykit_{name}"), Span::call_site())
}
