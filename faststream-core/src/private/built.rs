//! The types that the app's function may return: the app, or the reason why it could not be built, of any type.
//!
//! `main` needs that reason as text. An error is printed with its causes, whatever else it is; a type with a text
//! by that text; any other by its `Debug` form. The choice is made by autoref, as in `arguments`.
//!
//! | returned | tag | text of the error |
//! | --- | --- | --- |
//! | `Result` with an error that converts to `Box<dyn Error>` | `ByError` | the error and its causes |
//! | `Result` with an error that implements `Display` | `ByDisplay` | its text |
//! | `Result` with an error that implements `Debug` | `ByDebug` | its `Debug` form |
//! | anything else | `ByApp` | a compile error, unless it is the app |

use std::error::Error;
use std::fmt::{Debug, Display};

use super::Probe;
use crate::app::FastStream;
use crate::result::chain;

macro_rules! tags {
    ($($trait:ident -> $tag:ident: $what:literal for $({$($param:tt)+})? $returned:ty;)+) => {$(
        #[doc = $what]
        #[derive(Debug)]
        pub struct $tag;

        #[doc = $what]
        pub trait $trait {
            #[doc = $what]
            fn __faststream_app(&self) -> $tag {
                $tag
            }
        }

        impl$(<$($param)+>)? $trait for $returned {}
    )+};
}

tags! {
    ErrorTag -> ByError: "An error with its causes." for {E: Into<Box<dyn Error>>} &&&Probe<Result<FastStream, E>>;
    DisplayTag -> ByDisplay: "An error shown by its text." for {E: Display} &&Probe<Result<FastStream, E>>;
    DebugTag -> ByDebug: "An error shown by its `Debug` form." for {E: Debug} &Probe<Result<FastStream, E>>;
    AppTag -> ByApp: "The app, or something else." for {T} Probe<T>;
}

/// What is an app for certain.
#[diagnostic::on_unimplemented(
    message = "the app's function returns `FastStream`, not `{Self}`",
    label = "not an app",
    note = "write `-> FastStream`, or `-> Result<FastStream, E>` with an error that can be printed, such as `anyhow::Error`"
)]
/// A type that is an app for certain. Its message is the compile error for a function that returns something else.
pub trait IsApp {
    /// Returns the app.
    fn __faststream_is(self) -> FastStream;
}

impl IsApp for FastStream {
    fn __faststream_is(self) -> FastStream {
        self
    }
}

impl ByError {
    /// Returns the app, or the error with its causes.
    pub fn __faststream_built<E: Into<Box<dyn Error>>>(
        self,
        returned: Result<FastStream, E>,
    ) -> Result<FastStream, String> {
        returned.map_err(|error| chain(&*error.into()))
    }
}

impl ByDisplay {
    /// Returns the app, or the error's text.
    pub fn __faststream_built<E: Display>(
        self,
        returned: Result<FastStream, E>,
    ) -> Result<FastStream, String> {
        returned.map_err(|error| error.to_string())
    }
}

impl ByDebug {
    /// Returns the app, or the error's `Debug` form.
    pub fn __faststream_built<E: Debug>(self, returned: Result<FastStream, E>) -> Result<FastStream, String> {
        returned.map_err(|error| format!("{error:?}"))
    }
}

impl ByApp {
    /// Returns the app.
    pub fn __faststream_built<A: IsApp>(self, returned: A) -> Result<FastStream, String> {
        Ok(returned.__faststream_is())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryBroker;

    macro_rules! built {
        ($returned:expr) => {{
            let returned = $returned;
            (&&&&Probe::of(&returned)).__faststream_app().__faststream_built(returned)
        }};
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug)]
    struct OnlyDebug;

    struct OnlyDisplay;

    impl Display for OnlyDisplay {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("only text")
        }
    }

    fn fails<E>(error: E) -> Result<FastStream, E> {
        Err(error)
    }

    #[test]
    fn an_app_that_cannot_be_built_says_why_whatever_its_error_is() {
        assert!(built!(FastStream::new(MemoryBroker::new())).is_ok());
        assert!(built!(Ok::<_, OnlyDebug>(FastStream::new(MemoryBroker::new()))).is_ok());
        let said = |built: Result<FastStream, String>| built.map(drop).expect_err("fails");
        assert_eq!(said(built!(fails(Outer(std::io::Error::other("inner"))))), "outer: inner");
        assert_eq!(said(built!(fails("text"))), "text");
        assert_eq!(said(built!(fails(Box::<dyn Error>::from("boxed")))), "boxed");
        assert_eq!(said(built!(fails(OnlyDisplay))), "only text");
        assert_eq!(said(built!(fails(OnlyDebug))), "OnlyDebug");
    }
}
