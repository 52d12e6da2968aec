//! The store: a directory that is itself an OCI image layout, so that other tools read it. Blobs appear whole or not at
//! all, `index.json` is replaced in one step, and nothing is ever changed in place; so a command that dies at any moment
//! leaves the store as it was, perhaps with blobs that nothing refers to.
//!
//! ```text
//! oci-layout  index.json   the names, in `org.opencontainers.image.ref.name`
//! blobs/sha256/<hex>       manifests, configurations, layers as they came
//! stave/layers/<digest>    of each layer what its tar is: the record that it was read and checked
//! stave/tar/<diffID>       the tar of a compressed layer, perhaps with the boot (tars.rs); a cache
//! stave/erofs/<image id>   the index that `bundle` mounts; a cache
//! stave/build/<digest>     of each step of a build the image that it made; a cache
//! stave/external/<digest>  where a layer stands that was left in its archive
//! stave/ingest/<digest>    what has come of a layer from a registry so far
//! ```

mod catalogue;
mod external;
mod files;
mod fresh;
mod index;
mod ingest;
mod layers;
mod lock;
mod steps;
mod sweep;
mod tars;

pub use catalogue::{Named, Stored};
pub use external::External;
pub use files::Store;
pub use fresh::{Fresh, Made};
pub use index::{Descriptor, Index, Manifest};
pub use ingest::{Arrival, Ingest};
pub use layers::{Kept, Record};
pub use lock::Lock;
pub use sweep::{Damage, Garbage};

/// The annotation with an image's name (image-spec, annotations.md).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation with the digest of the index through which a manifest was pulled: people know the image by that one too.
pub const INDEX_DIGEST: &str = "stave.index.digest";

/// Media types that the store writes.
pub mod media {
    /// A manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// An index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A layer that is not compressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
}
