//! What the app's function may return: the app, or why it could not be built, in whatever type.

use std::error::Error;
use std::fmt::{Debug, Display};

use super::Probe;
use crate::app::FastStream;
use crate::result::HandlerError;

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
    DisplayTag -> ByDisplay: "What is told by its text." for {E: Display} &&Probe<Result<FastStream, E>>;
    DebugTag -> ByDebug: "What is told as `Debug` shows it." for {E: Debug} &Probe<Result<FastStream, E>>;
    AppTag -> ByApp: "The app, or something else." for {T} Probe<T>;
}

/// What is an app for certain.
#[diagnostic::on_unimplemented(
    message = "the app's function returns `FastStream`, not `{Self}`",
    label = "not an app",
    note = "write `-> FastStream`, or `-> Result<FastStream, E>` with an error that can be printed, such as `anyhow::Error`"
)]
pub trait IsApp {
    /// The app.
    fn __faststream_is(self) -> FastStream;
}

impl IsApp for FastStream {
    fn __faststream_is(self) -> FastStream {
        self
    }
}

impl ByError {
    /// The app, or the error with its causes.
    pub fn __faststream_built<E: Into<Box<dyn Error>>>(
        self,
        returned: Result<FastStream, E>,
    ) -> Result<FastStream, String> {
        returned.map_err(|error| HandlerError::from_chain("", &*error.into()).message)
    }
}

impl ByDisplay {
    /// The app, or the error's text.
    pub fn __faststream_built<E: Display>(
        self,
        returned: Result<FastStream, E>,
    ) -> Result<FastStream, String> {
        returned.map_err(|error| error.to_string())
    }
}

impl ByDebug {
    /// The app, or the error as `Debug` shows it.
    pub fn __faststream_built<E: Debug>(self, returned: Result<FastStream, E>) -> Result<FastStream, String> {
        returned.map_err(|error| format!("{error:?}"))
    }
}

impl ByApp {
    /// The app.
    pub fn __faststream_built<A: IsApp>(self, returned: A) -> Result<FastStream, String> {
        Ok(returned.__faststream_is())
    }
}

/// Names what a function returns, `!` too, which has no name of its own.
pub trait Returns {
    /// It.
    type Output;
}

impl<R> Returns for fn() -> R {
    type Output = R;
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
