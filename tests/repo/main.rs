//! Do the files keep the project's own rules, and does the guide claim only what a test shows?
#![allow(missing_docs, clippy::missing_panics_doc)]

mod guide;
mod layers;
mod sources;
