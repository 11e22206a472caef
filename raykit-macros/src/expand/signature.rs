//! The signature as text, spaced as rustfmt would space it in the usual cases.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, ReturnType, Signature};

pub(crate) fn text(signature: &Signature) -> String {
    let asyncness = if signature.asyncness.is_some() { "async " } else { "" };
    let params: Vec<String> = signature.inputs.iter().map(param).collect();
    let output = match &signature.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, ty) => format!(" -> {}", spaced(ty.to_token_stream())),
    };
    format!("{asyncness}fn {}({}){output}", signature.ident, params.join(", "))
}

fn param(input: &FnArg) -> String {
    match input {
        FnArg::Receiver(receiver) => spaced(receiver.to_token_stream()),
        FnArg::Typed(typed) => format!(
            "{}: {}",
            spaced(typed.pat.to_token_stream()),
            spaced(typed.ty.to_token_stream())
        ),
    }
}

/// Words are kept apart, and so are the sides of `=`, `+` and `->`; a space follows a comma.
fn spaced(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut before = ' ';
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                write_group(group.delimiter(), group.stream(), text);
                continue;
            }
            TokenTree::Punct(punct) => {
                let (now, joint) = (punct.as_char(), punct.spacing() == Spacing::Joint);
                let arrow = now == '-' && joint;
                if arrow || matches!(now, '=' | '+') {
                    text.push(' ');
                }
                text.push(now);
                let lead = now == '\'' || joint;
                if !lead && (matches!(now, ',' | ';' | '=' | '+') || (now == '>' && before == '-'))
                {
                    text.push(' ');
                }
                before = now;
            }
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                before = ' ';
            }
        }
    }
    let kept = text.trim_end_matches([',', ' ']).len();
    text.truncate(kept);
}

fn write_group(delimiter: Delimiter, inside: TokenStream, text: &mut String) {
    let (open, close) = match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => (" { ", " }"),
        Delimiter::None => ("", ""),
    };
    text.push_str(open);
    text.push_str(&spaced(inside));
    text.push_str(close);
}
