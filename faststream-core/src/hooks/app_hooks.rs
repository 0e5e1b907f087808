//! The hooks of an app at its startup and its shutdown.

use super::BoxHook;

/// The hooks of the four moments, each in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct AppHooks {
    pub(crate) on_startup: Vec<BoxHook>,
    pub(crate) after_startup: Vec<BoxHook>,
    pub(crate) on_shutdown: Vec<BoxHook>,
    pub(crate) after_shutdown: Vec<BoxHook>,
}
