use super::remote;
use proc_macro2::TokenStream;
use quote::quote;

/// What the attribute makes of this, as text without white space.
fn made(options: TokenStream, item: TokenStream) -> String {
    remote(options, item).to_string().split_whitespace().collect()
}

fn holds(options: TokenStream, item: TokenStream, parts: &[&str]) {
    let made = made(options, item);
    for part in parts {
        let part: String = part.split_whitespace().collect();
        assert!(made.contains(&part), "no `{part}` in\n{made}");
    }
}

#[test]
fn parameters() {
    let own = quote!(
        fn f(x: i64) {}
    );
    holds(
        quote!(),
        own,
        &[
            "x: impl ::raykit::IntoArg<i64, __M0>",
            "<i64 as ::raykit::__private::Param>::take(&mut call, 0usize)?",
            "method: \"\"",
        ],
    );
    let text = quote!(
        fn f(x: &str, (a, b): (i64, i64), call: &[f64]) {}
    );
    let parts = [
        "x: impl ::raykit::IntoArg<::std::string::String, __M0>",
        "arg1: impl",
        "<[f64] as ::raykit::__private::Lend>::hold(&mut call, 2usize)?",
        "f(<str as ::raykit::__private::Lend>::lend(&__a0), __a1",
    ];
    holds(quote!(), text, &parts);
}

#[test]
fn results() {
    let fallible = quote!(
        fn f() -> std::io::Result<i64> {}
    );
    holds(
        quote!(),
        fallible,
        &[
            "ObjectRef<i64>",
            "<std::io::Result<i64> as ::raykit::__private::Fails>::into_result(f())",
        ],
    );
    let alias = quote!(
        fn f() -> Result {}
    );
    holds(quote!(), alias, &["ObjectRef<<Result as ::raykit::__private::Fails>::Ok>"]);
    let two = quote!(
        fn f() -> (A, B) {}
    );
    holds(
        quote!(num_returns = 2),
        two,
        &["(::raykit::ObjectRef<A>, ::raykit::ObjectRef<B>)", "returns: 2u32"],
    );
}

#[test]
fn signatures() {
    fn text(item: TokenStream) -> String {
        let item: syn::ItemFn = syn::parse2(item).expect("a function");
        super::signature::text(&item.sig)
    }
    let plain = quote!(
        pub fn double(x: i64) -> i64 {}
    );
    assert_eq!(text(plain), "fn double(x: i64) -> i64");
    let much = quote!(
        async fn f(
            mut a: &[u8],
            (b, c): (i64, Vec<Option<u8>>),
            d: [u8; 4],
            Point { x, .. }: Point,
        ) -> std::io::Result<()> {
        }
    );
    assert_eq!(
        text(much),
        "async fn f(mut a: &[u8], (b, c): (i64, Vec<Option<u8>>), d: [u8; 4], \
         Point { x, .. }: Point) -> std::io::Result<()>"
    );
    let calls = quote!(
        fn r#type(f: fn(i64) -> i64, g: Box<dyn Fn() + Send>) {}
    );
    assert_eq!(text(calls), "fn r#type(f: fn(i64) -> i64, g: Box<dyn Fn() + Send>)");
}

#[test]
fn actors() {
    let of_struct = quote!(
        pub struct Counter {
            n: i64,
        }
    );
    let options = quote!(max_restarts = 3, lifetime = detached);
    let parts = [
        "pub struct CounterHandle { actor: ::raykit::ActorRef<Counter>, }",
        "pub struct CounterOptions {",
        "pub struct CounterCall<'a> {",
        "set(&mut options.max_restarts, 3)",
        "set(&mut options.detached, true)",
        "impl ::raykit::Actor for Counter",
    ];
    holds(options, of_struct, &parts);
    let of_impl = quote!(
        impl super::Counter {
            pub fn new(n: i64) -> Result<Self, E> {}
            pub(crate) async fn add(&mut self, other: Option<Self>) -> i64 {}
            #[remote(name = "v")]
            pub fn value(&self) -> i64 {}
            fn local(&self) {}
        }
    );
    let parts = [
        "Body::Make(__raykit_body_0)",
        "Ok(value) => ::core::result::Result::Ok(__raykit_made::<super::Counter>(value))",
        "Body::ExclusiveAsync(__raykit_body_1)",
        "super::Counter::add(this, __a0).await",
        "other: impl ::raykit::IntoArg<Option<super::Counter>, __M0>",
        "impl super::CounterHandle {",
        "pub(crate) fn add<__M0>(&self,",
        "Body::Shared(__raykit_body_2)",
        "method: \"value\"",
        "impl super::CounterCall<'_> {",
        "impl super::CounterOptions {",
    ];
    holds(quote!(), of_impl.clone(), &parts);
    let made = made(quote!(), of_impl);
    assert!(!made.contains("#[remote") && !made.contains("__raykit_body_3"), "{made}");
}
