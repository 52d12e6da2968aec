//! What asked for a step: a place in config.json or on the command line. Made into text when somebody reads it.

use std::fmt;

/// A JSON path such as `process.rlimits[0]`. Its text is made where somebody reads it, which is mostly nobody.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A path that is always the same.
    Fixed(&'static str),
    /// `list[index]` and the property of it: `mounts[3].source`.
    Item(&'static str, usize, &'static str),
    /// Any other.
    Text(String),
}

impl Origin {
    /// An item of a list.
    #[must_use]
    pub fn item(list: &'static str, index: usize) -> Origin {
        Origin::Item(list, index, "")
    }

    /// Whether it is this path, of no list.
    #[must_use]
    pub fn is(&self, path: &str) -> bool {
        match self {
            Origin::Fixed(text) => *text == path,
            Origin::Item(..) => false,
            Origin::Text(text) => text == path,
        }
    }

    /// What lies below: `.source`.
    #[must_use]
    pub fn with(&self, property: &'static str) -> Origin {
        match self {
            Origin::Item(list, index, "") => Origin::Item(list, *index, property),
            other => Origin::Text(format!("{other}{property}")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Fixed(text) => f.pad(text),
            Origin::Item(list, index, property) => f.pad(&format!("{list}[{index}]{property}")),
            Origin::Text(text) => f.pad(text),
        }
    }
}

impl From<&'static str> for Origin {
    fn from(text: &'static str) -> Origin {
        Origin::Fixed(text)
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Origin {
        Origin::Text(text)
    }
}

impl From<&Origin> for Origin {
    fn from(origin: &Origin) -> Origin {
        origin.clone()
    }
}

impl From<&Origin> for String {
    fn from(origin: &Origin) -> String {
        origin.to_string()
    }
}
