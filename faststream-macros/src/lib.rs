//! The attribute macros of faststream. Use them through the `faststream` crate, which documents them.
//!
//! A macro leaves the function exactly what it was, and writes one constant beside it. So tests call the function,
//! editors complete in its body, and a handler may be used without the framework. Every mistake is an error at the
//! user's own token, with the fix in its sentence; all mistakes of syntax are reported in one compile.
//!
//! What cannot be decided here, because it needs types or the values of constants, is left to one of two later
//! steps: to the compiler, through traits of `faststream-core` with messages of their own
//! (`#[diagnostic::on_unimplemented]`), or to the startup, which checks the whole app before it connects.
//!
//! The modules are in the order in which one would explain them, and each imports only those before it:
//!
//! | module | its part |
//! | --- | --- |
//! | `errors`, `expand` | mistakes are collected; the function survives them |
//! | `item`, `attributes` | the function as tokens, without parsing its body |
//! | `list`, `text` | the lists of attributes, and what can be checked of strings |
//! | `placement` | whether the attribute is inside an `impl` |
//! | `subscriber`, `publisher` | `#[subscriber]` and `#[publisher]` |
//! | `entry`, `test` | `#[faststream::main]` and `#[faststream::test]` |
#![forbid(unsafe_code)]

mod errors;
mod item;
mod expand;
mod text;
mod attributes;
mod list;
mod placement;
mod subscriber;
mod publisher;
mod entry;
mod test;

use proc_macro::TokenStream;

use self::expand::keeping;

#[doc = include_str!("reference/subscriber.md")]
#[proc_macro_attribute]
pub fn subscriber(args: TokenStream, item: TokenStream) -> TokenStream {
    keeping(item, |item| subscriber::expand(args.into(), item, placement::in_impl()))
}

#[doc = include_str!("reference/publisher.md")]
#[proc_macro_attribute]
pub fn publisher(args: TokenStream, item: TokenStream) -> TokenStream {
    keeping(item, |item| publisher::expand(&args.into(), item))
}

/// The app's function may fail, with any error that can be printed:
/// `async fn app() -> anyhow::Result<FastStream>`. Then the error is printed with its causes, and the exit code is
/// 1. No other attribute starts a runtime: `#[tokio::main]` has no place here.
///
/// The function is kept: tests call it. The package's name and version are the app's, unless it sets others. What
/// `main` takes on the command line and from the environment: `faststream::guide::running`.
///
/// | key | meaning | default |
/// | --- | --- | --- |
/// | `crate = "path"` | where the `faststream` crate is, if it was renamed | `"faststream"` |
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    keeping(item, |item| entry::expand(args.into(), item))
}

/// Makes a test of an `async fn` without arguments, on one thread, in virtual time.
///
/// It may return a `Result`, as any test. A test that hangs for a minute of real time is ended. More:
/// `faststream::guide::testing`.
///
/// | key | meaning | default |
/// | --- | --- | --- |
/// | `real_time` | time passes as it does outside: for handlers that await a real socket | virtual time |
/// | `crate = "path"` | where the `faststream` crate is, if it was renamed | `"faststream"` |
///
/// ```
/// use std::time::Duration;
///
/// #[faststream::test]
/// async fn an_hour_takes_no_time() {
///     let began = tokio::time::Instant::now();
///     tokio::time::sleep(Duration::from_secs(3600)).await;
///     assert!(began.elapsed() >= Duration::from_secs(3600));
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    keeping(item, |item| test::expand(args.into(), item))
}
