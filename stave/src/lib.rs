//! stave: an image tool. Bytes become entries ([`tar`]), the entries of all layers one tree ([`tree`]), and everything
//! is made from the tree: a directory ([`unpack`]), and with it a [`bundle`]. Images stay in the [`store`].
//!
//! Nothing in an image is trusted: no path from it is ever followed on the host, and no bundle appears before every
//! digest that the image names has been checked.

pub mod archive;
pub mod blob;
pub mod build;
pub mod bundle;
pub mod cli;
pub mod cmd;
pub mod commit;
pub mod compression;
pub mod config;
pub mod container;
pub mod diff;
pub mod digest;
pub mod draft;
pub mod erofs;
pub mod error;
pub mod export;
pub mod filter;
pub mod image;
pub mod inflate;
pub mod intake;
pub mod layer;
pub mod merged;
pub mod mounted;
pub mod name;
pub mod output;
pub mod pack;
pub mod print;
pub mod progress;
pub mod registry;
pub mod stop;
pub mod store;
pub mod successor;
pub mod tar;
pub mod template;
pub mod time;
pub mod tree;
pub mod unpack;
pub mod upper;
pub mod user;
pub mod volume;
pub mod walk;
pub mod work;
pub mod written;
