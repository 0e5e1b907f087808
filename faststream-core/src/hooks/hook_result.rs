//! What a hook may return, and a function that creates a state.

use std::error::Error;

use crate::result::chain;

/// The result of a hook: `()`, or a `Result<T, E>` with any error type. The value in `Ok` is dropped. A hook that only
/// panics returns nothing.
#[diagnostic::on_unimplemented(
    message = "a hook returns `()` or `Result<T, E>`, not `{Self}`",
    label = "not a result of a hook",
    note = "end it with `;` or with `Ok(())`; an error is a `std::error::Error + Send + Sync`, `anyhow::Error`, or text"
)]
pub trait HookResult {
    /// Returns the error as one line, with its causes.
    ///
    /// # Errors
    /// The error that the hook returned.
    fn into_result(self) -> Result<(), String>;
}

/// The result of a function that creates a state: a `Result<T, E>` with any error type.
#[diagnostic::on_unimplemented(
    message = "`state_with` takes a function that returns `Result<T, E>`, not `{Self}`",
    label = "not a result that holds a state",
    note = "end it with `anyhow::Ok(value)`, or give a value that needs no `await` to `.state(value)`; a state is `Send + Sync`, and an \
            error is a `std::error::Error + Send + Sync`, `anyhow::Error`, or text"
)]
pub trait StateResult {
    /// The state.
    type State: Send + Sync + 'static;

    /// Returns the state, or the error as one line, with its causes.
    ///
    /// # Errors
    /// The error that the function returned.
    fn into_state(self) -> Result<Self::State, String>;
}

#[diagnostic::do_not_recommend]
impl HookResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Into<AnyError>> HookResult for Result<T, E> {
    fn into_result(self) -> Result<(), String> {
        self.map(drop).map_err(one_line)
    }
}

/// Names the return type of a function pointer, `!` included, which has no name of its own on stable Rust.
#[doc(hidden)]
pub trait Returns {
    /// The return type.
    type Output;
}

impl<R> Returns for fn() -> R {
    type Output = R;
}

/// `!` by the only name that it has: the return type of a function that never returns.
type Never = <fn() -> ! as Returns>::Output;

#[diagnostic::do_not_recommend]
impl HookResult for Never {
    fn into_result(self) -> Result<(), String> {
        match self {}
    }
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static, E: Into<AnyError>> StateResult for Result<T, E> {
    type State = T;

    fn into_state(self) -> Result<T, String> {
        self.map_err(one_line)
    }
}

/// An error of any type, including `anyhow`'s.
type AnyError = Box<dyn Error + Send + Sync>;

fn one_line(error: impl Into<AnyError>) -> String {
    let error: AnyError = error.into();
    chain(&*error)
}
