//! All cases, in the order of the specification's chapters.

mod runtime;

use crate::case::Case;

pub fn all() -> Vec<Case> {
    [runtime::cases()].into_iter().flatten().collect()
}
