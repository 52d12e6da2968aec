//! Images from a Dockerfile.

pub mod dockerfile;
pub mod settings;
pub mod words;
