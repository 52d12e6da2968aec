//! Registries, by the distribution API (OCI distribution-spec 1.1; Docker's registry API v2). One [`Registry`] is one host with
//! its connections, its credentials and its tokens; any number of threads use it.
//!
//! ```text
//! reach        what the operator says: plain http, certificates, patience
//! tls          the connections: whom to trust
//! client       one request: its authorization, redirects, what is tried again
//! answer       what comes back, and in which words it is told
//! auth         challenges (RFC 9110, 11) and tokens
//! credentials  docker's config.json and its programs for secrets
//! document     manifests and configurations: small, checked, of types that are known
//! download     blobs into the store's ingest, going on where an attempt ended
//! upload       blobs and manifests to the registry
//! listing      repositories, tags, search
//! ```
//!
//! Nothing that a registry says is trusted: sizes are limits, digests are computed, names are checked before they are used,
//! and a host gets no credentials that are not its own.

mod answer;
mod auth;
mod client;
pub mod credentials;
mod document;
mod download;
mod listing;
mod reach;
mod tls;
mod upload;

pub use client::Registry;
pub use credentials::Credentials;
pub use document::{Document, Resolved, Wanted};
pub use listing::Found;
pub use reach::{Reach, credentials_option, options};
pub use upload::Sent;
